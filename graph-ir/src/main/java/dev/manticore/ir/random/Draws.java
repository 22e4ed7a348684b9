package dev.manticore.ir.random;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random draws that are the same for a seed on every JDK: all derive from {@link
 * SplittableRandom#nextLong}, whose algorithm is fixed, and from {@link StrictMath}; none from a
 * bounded draw, whose algorithm is nowhere specified.
 */
public final class Draws {

  private final SplittableRandom random;

  private Draws(SplittableRandom random) {
    this.random = random;
  }

  public Draws(long seed) {
    this(new SplittableRandom(seed));
  }

  /** The draws of a step, the same whichever steps were taken before. */
  public static Draws of(long seed, int step) {
    return new Draws(new Draws(seed ^ 0x9E3779B97F4A7C15L * (step + 1)).seed());
  }

  /** Draws that are independent of these, however many are taken of either from now on. */
  public Draws split() {
    return new Draws(random.split());
  }

  /** A seed for draws that are made later, and perhaps more than once. */
  public long seed() {
    return random.nextLong();
  }

  /** A number from 0, inclusive, to 1, exclusive. */
  public double unit() {
    return (random.nextLong() >>> 11) * 0x1p-53;
  }

  /** A number from {@code low} to {@code high}. */
  public double uniform(double low, double high) {
    return low + unit() * (high - low);
  }

  /** A number of the normal distribution with mean 0, by Box and Muller. */
  public double normal(double deviation) {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - unit()));
    return deviation * radius * StrictMath.cos(2 * Math.PI * unit());
  }

  /** A number of 0 to {@code bound - 1}; its bias, below 2^-31 times the bound, does not matter. */
  public int below(int bound) {
    return (int) (((random.nextLong() >>> 33) * bound) >>> 31);
  }

  /** A number of {@code least} to {@code most}, both included. */
  public int between(int least, int most) {
    return least + below(most - least + 1);
  }

  public <T> T pick(List<T> values) {
    return values.get(below(values.size()));
  }

  public <T> List<T> shuffled(List<T> values) {
    List<T> result = new ArrayList<>(values.size());
    for (int index : permutation(values.size())) {
      result.add(values.get(index));
    }
    return result;
  }

  /** The numbers 0 to {@code size - 1} in random order (Fisher-Yates). */
  public int[] permutation(int size) {
    int[] result = new int[size];
    for (int i = 0; i < size; i++) {
      int other = below(i + 1);
      result[i] = result[other];
      result[other] = i;
    }
    return result;
  }
}
