package dev.manticore.compiler.bench;

import com.google.common.primitives.Doubles;
import dev.manticore.ir.ManticoreException;

/**
 * A bound on what ours is to the peer's.
 *
 * @param ratio of our median to the peer's
 */
public record Expectation(Figure figure, Side side, double ratio) {

  /** From which side the ratio is bounded. */
  public enum Side {
    AT_LEAST("at least"),
    AT_MOST("at most");

    private final String words;

    Side(String words) {
      this.words = words;
    }

    @Override
    public String toString() {
      return words;
    }
  }

  /**
   * Reads one.
   *
   * @param text {@code training=2.0}
   * @throws ManticoreException {@code MNT-BENCH} if it is none
   */
  public static Expectation parse(Side side, String text) {
    int equals = text.indexOf('=');
    Double ratio = equals < 0 ? null : Doubles.tryParse(text.substring(equals + 1));
    if (ratio == null || !Double.isFinite(ratio) || ratio <= 0) {
      throw new ManticoreException(
          "MNT-BENCH", "'" + text + "' is not of the form FIGURE=RATIO, training=2.0 for example");
    }
    return new Expectation(Figure.of(text.substring(0, equals)), side, ratio);
  }

  boolean isMetBy(double measured) {
    return side == Side.AT_LEAST ? measured >= ratio : measured <= ratio;
  }
}
