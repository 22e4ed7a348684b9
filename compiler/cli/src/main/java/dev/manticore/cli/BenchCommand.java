package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.bench.StepBenchmark;
import dev.manticore.compiler.bench.StepRequest;
import dev.manticore.compiler.bench.StepResult;
import dev.manticore.runtime.Devices;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code manticore bench}, the parent of what can be measured. */
@Command(
    name = "bench",
    description = "Measures how fast this machine trains and runs models.",
    synopsisSubcommandLabel = "WHAT",
    footer = {"", "Example:", "  manticore bench step --model gpt-neo"})
final class BenchCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common;

  BenchCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(terminal.err());
    return ExitCode.USAGE;
  }

  @Command(
      name = "step",
      sortOptions = false,
      description = "Times training steps and forwards of a model with drawn weights.",
      footer = {
        "",
        "Steps and forwards take turns, and the best of each counts. The last line of",
        "output is a JSON object; with --json it is the only one.",
        "",
        "Example:",
        "  manticore bench step --model hybrid --width 256 --batch 8 --length 128"
      })
  Integer step(
      @Option(
              names = "--model",
              defaultValue = "hybrid",
              paramLabel = "NAME",
              description = "gpt-neo, mamba or hybrid (default: ${DEFAULT-VALUE}).")
          String model,
      @Option(
              names = "--width",
              defaultValue = "256",
              paramLabel = "N",
              description = "Width of the residual stream (default: ${DEFAULT-VALUE}).")
          int width,
      @Option(
              names = "--layers",
              defaultValue = "4",
              paramLabel = "N",
              description = "Layers of each component (default: ${DEFAULT-VALUE}).")
          int layers,
      @Option(
              names = "--batch",
              defaultValue = "8",
              paramLabel = "N",
              description = "Sequences of a step (default: ${DEFAULT-VALUE}).")
          int batch,
      @Option(
              names = "--length",
              defaultValue = "128",
              paramLabel = "N",
              description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
          int length,
      @Option(
              names = "--vocab",
              defaultValue = "512",
              paramLabel = "N",
              description = "Rows of the token table (default: ${DEFAULT-VALUE}).")
          int vocabulary,
      @Option(
              names = "--steps",
              defaultValue = "30",
              paramLabel = "N",
              description = "Steps that are timed (default: ${DEFAULT-VALUE}).")
          int steps,
      @Option(
              names = "--threads",
              defaultValue = "0",
              paramLabel = "N",
              description = "Threads of a step, 0 for all cores (default: ${DEFAULT-VALUE}).")
          int threads,
      @Option(names = "--json", description = "Write the JSON object only.") boolean json,
      @Mixin CommonOptions stepCommon) {
    StepRequest request =
        new StepRequest(
            StepRequest.Model.of(model),
            width,
            layers,
            batch,
            length,
            vocabulary,
            steps,
            threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
    StepResult result = StepBenchmark.run(Devices.byName("cpu"), request);
    if (!json) {
      terminal
          .out()
          .println(
              String.format(
                  Locale.ROOT,
                  "%s: training %,.0f tokens a second, forward %,.0f; peak memory %,d MiB",
                  request.model(),
                  result.trainTokensPerSecond(),
                  result.forwardTokensPerSecond(),
                  result.peakRssMebibytes()));
    }
    terminal.out().println(describe(request, result));
    return ExitCode.OK;
  }

  private static ObjectNode describe(StepRequest request, StepResult result) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("model", request.model().toString())
        .put("width", request.width())
        .put("layers", request.layers())
        .put("batch", request.batch())
        .put("length", request.length())
        .put("vocab", request.vocabulary())
        .put("steps", request.steps())
        .put("threads", request.threads())
        .put("train_tokens_per_s", result.trainTokensPerSecond())
        .put("forward_tokens_per_s", result.forwardTokensPerSecond())
        .put("peak_rss_mb", result.peakRssMebibytes())
        .put("loss", result.loss());
  }
}
