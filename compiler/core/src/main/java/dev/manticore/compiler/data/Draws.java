package dev.manticore.compiler.data;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random draws that are the same for a seed on every JDK: all derive from {@link
 * SplittableRandom#nextLong}, none from a bounded draw, whose algorithm is nowhere specified.
 */
final class Draws {

  private final SplittableRandom random;

  Draws(long seed) {
    this.random = new SplittableRandom(seed);
  }

  /** A number of 0 to {@code bound - 1}; its bias, below 2^-31 times the bound, does not matter. */
  int below(int bound) {
    return (int) (((random.nextLong() >>> 33) * bound) >>> 31);
  }

  /** A number of {@code least} to {@code most}, both included. */
  int between(int least, int most) {
    return least + below(most - least + 1);
  }

  <T> T pick(List<T> values) {
    return values.get(below(values.size()));
  }

  <T> List<T> shuffled(List<T> values) {
    List<T> result = new ArrayList<>(values.size());
    for (int index : permutation(values.size())) {
      result.add(values.get(index));
    }
    return result;
  }

  /** The numbers 0 to {@code size - 1} in random order (Fisher-Yates). */
  int[] permutation(int size) {
    int[] result = new int[size];
    for (int i = 0; i < size; i++) {
      int other = below(i + 1);
      result[i] = result[other];
      result[other] = i;
    }
    return result;
  }
}
