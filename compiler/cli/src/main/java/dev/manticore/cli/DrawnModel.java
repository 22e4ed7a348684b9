package dev.manticore.cli;

import dev.manticore.compiler.bench.StepRequest;
import java.time.Duration;
import picocli.CommandLine.Option;

/** Which model is timed; its weights are drawn. */
final class DrawnModel {

  @Option(
      names = "--model",
      defaultValue = "hybrid",
      paramLabel = "NAME",
      description = "gpt-neo, mamba, mamba2 or hybrid (default: ${DEFAULT-VALUE}).")
  private String model;

  @Option(
      names = "--width",
      defaultValue = "256",
      paramLabel = "N",
      description = "Width of the residual stream (default: ${DEFAULT-VALUE}).")
  private int width;

  @Option(
      names = "--layers",
      defaultValue = "4",
      paramLabel = "N",
      description = "Layers of each component (default: ${DEFAULT-VALUE}).")
  private int layers;

  @Option(
      names = "--vocab",
      defaultValue = "512",
      paramLabel = "N",
      description = "Rows of the token table (default: ${DEFAULT-VALUE}).")
  private int vocabulary;

  /**
   * @param threads 0 for all cores
   */
  StepRequest request(int batch, int length, int steps, Duration limit, int threads) {
    return new StepRequest(
        StepRequest.Model.of(model),
        width,
        layers,
        batch,
        length,
        vocabulary,
        steps,
        limit,
        threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
  }
}
