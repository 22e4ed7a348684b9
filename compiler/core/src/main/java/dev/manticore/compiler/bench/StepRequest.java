package dev.manticore.compiler.bench;

import dev.manticore.ir.ManticoreException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * What a step benchmark measures.
 *
 * @param width of the residual stream; a multiple of 32, the width of an attention head
 * @param layers of each component; at least 2 in a hybrid
 * @param batch sequences of a step
 * @param length tokens of a sequence, at least 2
 * @param vocabulary rows of the table
 * @param steps steps that are timed, of which the best counts
 * @param limit after which no further step begins; one is taken in any case
 * @param threads threads that share the work of one operator
 */
public record StepRequest(
    Model model,
    int width,
    int layers,
    int batch,
    int length,
    int vocabulary,
    int steps,
    Duration limit,
    int threads) {

  /**
   * Steps enough for the last of them to be as fast as steps become: the virtual machine compiles
   * our kernels, and the kernels choose their form, in about 60.
   */
  public static final int DEFAULT_STEPS = 100;

  /** Seconds enough for that, of all but the largest models. */
  public static final int DEFAULT_SECONDS = 120;

  /** The model that is trained. */
  public enum Model {
    GPT2,
    GPT_NEO,
    MAMBA,
    MAMBA2,
    /** GPT-Neo and Mamba, spliced as one block with fresh tables and tied gates. */
    HYBRID;

    /**
     * The model of a name.
     *
     * @throws ManticoreException {@code MNT-BENCH} if there is none
     */
    public static Model of(String name) {
      return Arrays.stream(values())
          .filter(model -> model.toString().equals(name))
          .findFirst()
          .orElseThrow(
              () ->
                  new ManticoreException(
                      "MNT-BENCH",
                      "there is no model '"
                          + name
                          + "' to measure; choose one of "
                          + Arrays.stream(values())
                              .map(Model::toString)
                              .collect(Collectors.joining(", "))));
    }

    /**
     * The name on the command line and in results: {@code gpt2}, {@code gpt-neo}, {@code mamba},
     * {@code mamba2}, {@code hybrid}.
     */
    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  public StepRequest {
    requireWidth(width);
    // A layer is known by its repetition, and only a hybrid is cut into layers.
    require("layers", layers, model == Model.HYBRID ? 2 : 1);
    require("batch", batch, 1);
    require("length", length, 2);
    require("vocab", vocabulary, 2);
    require("steps", steps, 1);
    require("threads", threads, 1);
    if (limit.isNegative() || limit.isZero()) {
      throw new ManticoreException("MNT-BENCH", "seconds must be more than 0");
    }
  }

  static void requireWidth(int width) {
    require("width", width, StepBenchmark.HEAD_WIDTH);
    if (width % StepBenchmark.HEAD_WIDTH != 0) {
      throw new ManticoreException(
          "MNT-BENCH",
          "width must be a multiple of " + StepBenchmark.HEAD_WIDTH + ", not " + width);
    }
  }

  static void require(String name, int value, int least) {
    if (value < least) {
      throw new ManticoreException(
          "MNT-BENCH", name + " must be at least " + least + ", not " + value);
    }
  }
}
