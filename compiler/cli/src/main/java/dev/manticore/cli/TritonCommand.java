package dev.manticore.cli;

import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.triton.TritonRepository;
import dev.manticore.compiler.triton.TritonRequest;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore triton}. */
@Command(
    name = "triton",
    sortOptions = false,
    description = "Writes a model repository for Triton Inference Server.",
    footer = {
      "",
      "It holds the model over whole sequences, NAME, and the decoder, NAME-decoder, whose",
      "states the server keeps. It is checked against what Triton's documentation demands.",
      "",
      "Example:",
      "  manticore triton runs/quickstart -o repository --capacity 512"
    })
final class TritonCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A result of compile, a checkpoint directory, or an .onnx file.")
  private Path model;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "The repository.")
  private Path output;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "The model's name on the server (default: that of MODEL).")
  private Optional<String> name = Optional.empty();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description =
          "The most requests that are run together (default: that of the recipe, or of the engines; 8).")
  private Optional<Integer> batch = Optional.empty();

  @Option(
      names = "--capacity",
      paramLabel = "N",
      description =
          "The most tokens of a decoded sequence (default: that of the recipe, or of the engines; 1024).")
  private Optional<Integer> capacity = Optional.empty();

  @Option(
      names = "--target",
      paramLabel = "NAME",
      description =
          "onnxruntime-cpu, which GPUs run too, onnxruntime-cuda, for GPUs alone, or tensorrt-10 or"
              + " tensorrt-11, for engines that are in MODEL (default: ONNX Runtime, as the recipe"
              + " has it).")
  private Optional<String> runtime = Optional.empty();

  @Option(
      names = "--precision",
      paramLabel = "NAME",
      description = "float32, float16 or bfloat16 (default: that of the recipe, else float32).")
  private Optional<String> precision = Optional.empty();

  @Mixin private CommonOptions common;

  TritonCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Path place = terminal.existing(model);
    Optional<Target> wanted = runtime.map(Target::of);
    if (wanted.filter(Target::isTensorRt).isPresent()) {
      return ofEngine(Artifact.open(place), wanted.get());
    }
    Graph graph;
    String called;
    long longest;
    Deployment deployment = Deployment.DEFAULT;
    DecodeLimits limits = DecodeLimits.DEFAULT;
    if (Files.isDirectory(place) && Artifact.isArtifact(place)) {
      Artifact artifact = Artifact.open(place);
      graph = artifact.hybrid().graph();
      called = artifact.manifest().name();
      longest = artifact.manifest().maxLength();
      deployment = artifact.manifest().deployment();
      limits = artifact.manifest().limits();
    } else {
      graph = ModelFiles.read(place);
      called = ModelFiles.nameOf(place);
      longest = ComponentFinder.maxLength(graph).orElse(0);
    }
    Target chosen = wanted.orElse(deployment.decoderTarget());
    int most = capacity.orElse(limits.capacity());
    boolean shorter = longest > 0 && longest < most;
    TritonRequest request =
        new TritonRequest(
            name.orElse(called),
            batch.orElse(limits.batch()),
            shorter ? (int) longest : most,
            new Deployment(chosen, precision.map(Precision::of).orElse(deployment.precision())));
    Path target = terminal.resolve(output);
    TritonRepository.write(graph, target, request);
    terminal
        .out()
        .println(
            "Wrote "
                + target
                + " with models "
                + request.name()
                + " and "
                + request.name()
                + "-decoder, for sequences of up to "
                + request.capacity()
                + " tokens"
                + (shorter ? ", as many as the model has positions for" : "")
                + ".\nStart it with tritonserver --model-repository="
                + target);
    return ExitCode.OK;
  }

  private int ofEngine(Artifact artifact, Target engines) {
    if (batch.isPresent() || capacity.isPresent() || precision.isPresent()) {
      throw new ManticoreException(
          "MNT-TRITON",
          "--batch, --capacity and --precision are those that the engines were built with: give them"
              + " to manticore engine");
    }
    Path target = terminal.resolve(output);
    String called = name.orElse(artifact.manifest().name());
    TritonRepository.writeEngine(artifact, engines, target, called);
    terminal
        .out()
        .println(
            "Wrote "
                + target
                + " with model "
                + called
                + "-decoder, its engine.\nStart it with tritonserver --model-repository="
                + target);
    return ExitCode.OK;
  }
}
