package dev.manticore.onnx.huggingface;

import java.util.SplittableRandom;

/**
 * Random numbers that are the same on every JDK: only {@link SplittableRandom#nextLong}, whose
 * algorithm is fixed, and {@link StrictMath}.
 */
final class Draws {

  private final SplittableRandom random;

  Draws(SplittableRandom random) {
    this.random = random;
  }

  /** A number from 0, inclusive, to 1, exclusive. */
  double unit() {
    return (random.nextLong() >>> 11) * 0x1p-53;
  }

  /** A number from {@code low} to {@code high}. */
  double uniform(double low, double high) {
    return low + unit() * (high - low);
  }

  /** A number of the standard normal distribution, by Box and Muller. */
  double gaussian() {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - unit()));
    return radius * StrictMath.cos(2 * StrictMath.PI * unit());
  }
}
