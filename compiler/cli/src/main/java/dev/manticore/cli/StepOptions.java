package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.bench.StepRequest;
import java.time.Duration;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which steps are timed. */
final class StepOptions {

  @Mixin private DrawnModel drawn;

  @Option(
      names = "--batch",
      defaultValue = "8",
      paramLabel = "N",
      description = "Sequences of a step (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--length",
      defaultValue = "128",
      paramLabel = "N",
      description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
  private int length;

  @Option(
      names = "--steps",
      defaultValue = "" + StepRequest.DEFAULT_STEPS,
      paramLabel = "N",
      description = "Steps that are timed (default: ${DEFAULT-VALUE}).")
  private int steps;

  @Option(
      names = "--seconds",
      defaultValue = "" + StepRequest.DEFAULT_SECONDS,
      paramLabel = "N",
      description = "Begin no further step after so long (default: ${DEFAULT-VALUE}).")
  private long seconds;

  @Option(
      names = "--threads",
      defaultValue = "0",
      paramLabel = "N",
      description = "Threads of a step, 0 for all cores (default: ${DEFAULT-VALUE}).")
  private int threads;

  StepRequest request() {
    return drawn.request(batch, length, steps, Duration.ofSeconds(seconds), threads);
  }

  /** The arguments by which another process times the same steps. */
  static ImmutableList<String> arguments(StepRequest request) {
    return ImmutableList.of(
        "bench",
        "step",
        "--json",
        "--model=" + request.model(),
        "--width=" + request.width(),
        "--layers=" + request.layers(),
        "--vocab=" + request.vocabulary(),
        "--batch=" + request.batch(),
        "--length=" + request.length(),
        "--steps=" + request.steps(),
        "--seconds=" + request.limit().toSeconds(),
        "--threads=" + request.threads());
  }
}
