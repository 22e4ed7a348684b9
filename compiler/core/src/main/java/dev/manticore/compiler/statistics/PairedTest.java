package dev.manticore.compiler.statistics;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * Whether two models differ, from what both reached on the same seeds.
 *
 * <p>With fewer than two pairs, or a value that is not finite, there is neither an interval nor a
 * test. If all differences are equal, up to rounding, there is no spread to test against: the
 * interval has no width, and there is no t-test.
 *
 * @param differences the first less the second, pair by pair
 * @param interval the 95 % confidence interval of the mean difference
 * @param tTest the two-sided p of Student's paired t-test
 * @param signFlip the two-sided p of the sign-flip permutation test: the part of all 2^n ways to
 *     give the differences signs whose mean is at least as far from 0; at least 2^(1-n). Empty of
 *     more than {@value #MOST_FLIPPED} pairs
 */
public record PairedTest(
    Sample differences,
    Optional<Interval> interval,
    OptionalDouble tTest,
    OptionalDouble signFlip) {

  /** All signs of so many differences are tried out. */
  public static final int MOST_FLIPPED = 20;

  /** Differences that are this far apart, as a part of the values, are so by rounding alone. */
  private static final double ROUNDING = 1e-14;

  /**
   * Tests pairs.
   *
   * @throws IllegalArgumentException if there are not as many of one as of the other
   */
  public static PairedTest of(List<Double> first, List<Double> second) {
    checkArgument(first.size() == second.size(), "%s values for %s", first.size(), second.size());
    ImmutableList.Builder<Double> builder = ImmutableList.builder();
    double largest = 0;
    for (int i = 0; i < first.size(); i++) {
      builder.add(first.get(i) - second.get(i));
      largest = Math.max(largest, Math.max(Math.abs(first.get(i)), Math.abs(second.get(i))));
    }
    Sample differences = Sample.of(builder.build());
    Optional<Interval> interval = differences.interval();
    if (interval.isEmpty()) {
      return new PairedTest(
          differences, Optional.empty(), OptionalDouble.empty(), OptionalDouble.empty());
    }
    boolean constant = differences.standardDeviation() <= ROUNDING * largest;
    return new PairedTest(
        differences,
        constant ? Optional.of(new Interval(differences.mean(), differences.mean())) : interval,
        constant ? OptionalDouble.empty() : OptionalDouble.of(tTest(differences)),
        signFlip(differences));
  }

  /** How many pairs there are. */
  public int size() {
    return differences.size();
  }

  private static double tTest(Sample differences) {
    double t =
        Math.abs(differences.mean())
            / (differences.standardDeviation() / Math.sqrt(differences.size()));
    return Math.min(1, 2 * TDistribution.of(differences.size() - 1).survivalProbability(t));
  }

  private static OptionalDouble signFlip(Sample differences) {
    int n = differences.size();
    if (n > MOST_FLIPPED) {
      return OptionalDouble.empty();
    }
    double[] values = differences.values().stream().mapToDouble(Math::abs).toArray();
    double total = 0;
    double observed = 0;
    for (int i = 0; i < n; i++) {
      total += values[i];
      observed += differences.values().get(i);
    }
    // Sums that are equal but for the order of adding up count as equal.
    double far = Math.abs(observed) - 1e-12 * total;
    long as = 0;
    long ways = 1L << n;
    for (long signs = 0; signs < ways; signs++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += (signs >> i & 1) == 0 ? values[i] : -values[i];
      }
      if (Math.abs(sum) >= far) {
        as++;
      }
    }
    return OptionalDouble.of(as / (double) ways);
  }
}
