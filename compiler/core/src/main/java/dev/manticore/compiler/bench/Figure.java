package dev.manticore.compiler.bench;

import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What sides are compared by: keys of the JSON object that each of them prints. */
public enum Figure {
  /** Tokens a second of a training step: forward, backward, clipping, update. */
  TRAINING("train_tokens_per_s", "tokens/s"),
  /** Tokens a second of a forward to the logits. */
  FORWARD("forward_tokens_per_s", "tokens/s"),
  /** The largest resident size of the process. */
  MEMORY("peak_rss_mb", "MiB");

  private final String key;
  private final String unit;

  Figure(String key, String unit) {
    this.key = key;
    this.unit = unit;
  }

  /** The key that has its value. */
  public String key() {
    return key;
  }

  public String unit() {
    return unit;
  }

  /**
   * The figure of a name.
   *
   * @throws ManticoreException {@code MNT-BENCH} if there is none
   */
  public static Figure of(String name) {
    return Arrays.stream(values())
        .filter(figure -> figure.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-BENCH",
                    "there is no figure '"
                        + name
                        + "' to compare; choose one of "
                        + Arrays.stream(values())
                            .map(Figure::toString)
                            .collect(Collectors.joining(", "))));
  }

  /** {@code training}, {@code forward}, {@code memory}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
