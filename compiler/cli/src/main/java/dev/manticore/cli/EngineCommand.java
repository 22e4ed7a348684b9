package dev.manticore.cli;

import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.engine.EngineBuilder;
import dev.manticore.compiler.engine.EngineManifest;
import dev.manticore.compiler.engine.EngineOptions;
import dev.manticore.compiler.engine.EngineProcessTool;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore engine}. */
@Command(
    name = "engine",
    sortOptions = false,
    description = "Adds TensorRT engines to a result of compile, on a machine with an NVIDIA GPU.",
    footer = {
      "",
      "Two engines, for prompts and for single tokens, over states of a fixed size, go to",
      "RESULT/engine, with engine.json: what they were built for and how far their logits are",
      "from the hybrid's. They run on the same TensorRT and kind of GPU only. It needs a",
      "Manticore built with mvn -Ptensorrt package.",
      "",
      "Example:",
      "  manticore engine runs/quickstart --precision float16 --capacity 512"
    })
final class EngineCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(paramLabel = "RESULT", description = "A result of compile.")
  private Path result;

  @Option(
      names = "--target",
      paramLabel = "NAME",
      description =
          "tensorrt-10 or tensorrt-11 (default: that of the recipe, if it is one of these, else"
              + " tensorrt-10).")
  private Optional<String> target = Optional.empty();

  @Option(
      names = "--precision",
      paramLabel = "NAME",
      description = "float32, float16 or bfloat16 (default: that of the recipe).")
  private Optional<String> precision = Optional.empty();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "The most sequences of a run (default: that of the recipe, 8).")
  private Optional<Integer> batch = Optional.empty();

  @Option(
      names = "--prompt",
      paramLabel = "N",
      description = "The most tokens read at once (default: that of the recipe, 256).")
  private Optional<Integer> prompt = Optional.empty();

  @Option(
      names = "--capacity",
      paramLabel = "N",
      description =
          "The most tokens of a sequence (default: that of the recipe, 1024, or as many as the model"
              + " has positions for).")
  private Optional<Integer> capacity = Optional.empty();

  @Option(
      names = "--workspace",
      paramLabel = "SIZE",
      converter = ByteSizeConverter.class,
      description = "The most device memory that a layer may use besides (default: 4GiB).")
  private long workspace = 4L << 30;

  @Option(
      names = "--check",
      description =
          "Build nothing: verify the engines that are there, on this machine, as they were built.")
  private boolean check;

  @Mixin private CommonOptions common;

  EngineCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Artifact artifact = Artifact.open(terminal.existing(result));
    EngineBuilder builder =
        new EngineBuilder(new EngineProcessTool(terminal.err()::println), Devices.byName("cpu"));
    if (check) {
      EngineManifest.Verified verified = builder.check(artifact);
      terminal.out().println("The engines are the hybrid's: " + words(verified));
      return ExitCode.OK;
    }
    Deployment deployment = artifact.manifest().deployment();
    DecodeLimits usualLimits = artifact.manifest().limits();
    Target usual = deployment.target().isTensorRt() ? deployment.target() : Target.TENSORRT_10;
    EngineManifest manifest =
        builder.build(
            artifact,
            new EngineOptions(
                target.map(Target::of).orElse(usual),
                precision.map(Precision::of).orElse(deployment.precision()),
                new DecodeLimits(
                    batch.orElse(usualLimits.batch()),
                    Math.min(
                        prompt.orElse(usualLimits.prompt()),
                        capacity.orElse(usualLimits.capacity())),
                    capacity.orElse(usualLimits.capacity())),
                workspace));
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "Built engines in %s on %s with TensorRT %s: %s.%n%,.0f tokens a second of prompts,"
                    + " %.3f ms a token of %d sequences.",
                artifact.directory().resolve(EngineBuilder.DIRECTORY),
                manifest.platform().device(),
                manifest.platform().tensorrt(),
                words(manifest.verified()),
                manifest.times().prefillTokensPerSecond(),
                manifest.times().stepMilliseconds(),
                manifest.batch()));
    return ExitCode.OK;
  }

  private static String words(EngineManifest.Verified verified) {
    return String.format(
        Locale.ROOT,
        "over %d tokens a logit differs by %.3e, where at most %.1e may be",
        verified.tokens(),
        verified.logitsMaxAbs(),
        verified.limit());
  }
}
