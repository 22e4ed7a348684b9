package dev.manticore.compiler.bench;

import dev.manticore.compiler.bench.StepRequest.Model;
import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The size of a published model. */
public enum ModelSize {
  /** {@code gpt2}: 124 million parameters. */
  GPT2_SMALL(Model.GPT2, 768, 12, 50257),
  /** {@code state-spaces/mamba-130m-hf}: 129 million parameters. */
  MAMBA_130M(Model.MAMBA, 768, 24, 50280);

  private final Model model;
  private final int width;
  private final int layers;
  private final int vocabulary;

  ModelSize(Model model, int width, int layers, int vocabulary) {
    this.model = model;
    this.width = width;
    this.layers = layers;
    this.vocabulary = vocabulary;
  }

  /**
   * The size of a name.
   *
   * @throws ManticoreException {@code MNT-BENCH} if there is none
   */
  public static ModelSize of(String name) {
    return Arrays.stream(values())
        .filter(size -> size.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-BENCH",
                    "there is no size '"
                        + name
                        + "' to measure; choose one of "
                        + Arrays.stream(values())
                            .map(ModelSize::toString)
                            .collect(Collectors.joining(", "))));
  }

  public Model model() {
    return model;
  }

  public int width() {
    return width;
  }

  public int layers() {
    return layers;
  }

  public int vocabulary() {
    return vocabulary;
  }

  /** The name on the command line: {@code gpt2-small}, {@code mamba-130m}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
