package dev.manticore.cli;

import dev.manticore.compiler.bench.ModelSize;
import dev.manticore.compiler.bench.StepRequest;
import java.time.Duration;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which model is timed; its weights are drawn. */
final class DrawnModel {

  private static final int WIDTH = 256;
  private static final int LAYERS = 4;
  private static final int VOCABULARY = 512;

  @Option(
      names = "--size",
      paramLabel = "NAME",
      description =
          "A published size, gpt2-small or mamba-130m, instead of the defaults of the next four.")
  private String size;

  @Option(
      names = "--model",
      paramLabel = "NAME",
      description = "gpt2, gpt-neo, mamba, mamba2 or hybrid (default: hybrid).")
  private String model;

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "Width of the residual stream (default: " + WIDTH + ").")
  private Integer width;

  @Option(
      names = "--layers",
      paramLabel = "N",
      description = "Layers of each component (default: " + LAYERS + ").")
  private Integer layers;

  @Option(
      names = "--vocab",
      paramLabel = "N",
      description = "Rows of the token table (default: " + VOCABULARY + ").")
  private Integer vocabulary;

  /**
   * @param threads 0 for all cores
   */
  StepRequest request(int batch, int length, int steps, Duration limit, int threads) {
    Optional<ModelSize> published = Optional.ofNullable(size).map(ModelSize::of);
    return new StepRequest(
        model == null
            ? published.map(ModelSize::model).orElse(StepRequest.Model.HYBRID)
            : StepRequest.Model.of(model),
        chosen(width, published.map(ModelSize::width), WIDTH),
        chosen(layers, published.map(ModelSize::layers), LAYERS),
        batch,
        length,
        chosen(vocabulary, published.map(ModelSize::vocabulary), VOCABULARY),
        steps,
        limit,
        threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
  }

  private static int chosen(Integer given, Optional<Integer> published, int otherwise) {
    return given == null ? published.orElse(otherwise) : given;
  }
}
