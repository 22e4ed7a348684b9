package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import java.util.Collection;

/** Numbers of one model over seeds. */
record Sample(ImmutableList<Double> values) {

  /** Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom. */
  private static final double[] T95 = {
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042
  };

  static Sample of(Collection<Double> values) {
    return new Sample(ImmutableList.copyOf(values));
  }

  int size() {
    return values.size();
  }

  double mean() {
    return values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
  }

  /** With n - 1 in the denominator; NaN for fewer than two values. */
  double standardDeviation() {
    if (size() < 2) {
      return Double.NaN;
    }
    double mean = mean();
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    return Math.sqrt(squares / (size() - 1));
  }

  /**
   * Half the width of the 95 % confidence interval of the difference of two means, by Welch's
   * t-interval; NaN when either has fewer than two values.
   */
  static double differenceMargin(Sample a, Sample b) {
    double va = a.standardDeviation() * a.standardDeviation() / a.size();
    double vb = b.standardDeviation() * b.standardDeviation() / b.size();
    if (Double.isNaN(va + vb) || va + vb == 0) {
      return va + vb;
    }
    double freedom = (va + vb) * (va + vb) / (va * va / (a.size() - 1) + vb * vb / (b.size() - 1));
    int index = Math.max(1, Math.min(T95.length, (int) Math.floor(freedom)));
    return T95[index - 1] * Math.sqrt(va + vb);
  }
}
