package dev.manticore.compiler.statistics;

import com.google.common.collect.ImmutableList;
import java.util.Collection;
import java.util.Optional;
import org.apache.commons.statistics.distribution.TDistribution;

/** Numbers of one model over seeds. */
public record Sample(ImmutableList<Double> values) {

  /** The part of intervals that hold what they are intervals of. */
  public static final double CONFIDENCE = 0.95;

  public static Sample of(Collection<Double> values) {
    return new Sample(ImmutableList.copyOf(values));
  }

  public int size() {
    return values.size();
  }

  /** NaN of none. */
  public double mean() {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  /** With n - 1 in the denominator; NaN for fewer than two values. */
  public double standardDeviation() {
    if (size() < 2) {
      return Double.NaN;
    }
    double mean = mean();
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(squares / (size() - 1));
  }

  /** The 95 % confidence interval of the mean; see {@link #interval(double)}. */
  public Optional<Interval> interval() {
    return interval(CONFIDENCE);
  }

  /**
   * The confidence interval of the mean by Student's t. Empty for fewer than two values, of which
   * nothing is known about how they spread, and where a value is not finite. Of equal values it has
   * no width.
   *
   * @param confidence between 0 and 1, both exclusive
   */
  public Optional<Interval> interval(double confidence) {
    double mean = mean();
    double deviation = standardDeviation();
    if (!Double.isFinite(mean) || !Double.isFinite(deviation)) {
      return Optional.empty();
    }
    double margin = quantile(size() - 1, confidence) * deviation / Math.sqrt(size());
    return Optional.of(new Interval(mean - margin, mean + margin));
  }

  /** The two-sided quantile of Student's t. */
  private static double quantile(double freedom, double confidence) {
    return TDistribution.of(freedom).inverseSurvivalProbability((1 - confidence) / 2);
  }
}
