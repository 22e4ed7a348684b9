package dev.manticore.compiler.bench;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import java.util.List;

/**
 * Values of one figure, measured again and again.
 *
 * @param values in the order of their runs; all positive
 */
public record Samples(ImmutableList<Double> values) {

  public Samples {
    checkArgument(!values.isEmpty(), "no samples");
    checkArgument(values.stream().allMatch(value -> value > 0), "not all positive: %s", values);
  }

  public static Samples of(List<Double> values) {
    return new Samples(ImmutableList.copyOf(values));
  }

  /** The middle one; of an even number the mean of the two in the middle. */
  public double median() {
    return quantile(0.5);
  }

  /**
   * How far they lie apart: the distance of the quartiles as a part of the median. Of five runs,
   * that is the distance of the second from the fourth: one that something came between is let
   * pass, two are not; and more runs make it no larger.
   */
  public double spread() {
    return (quantile(0.75) - quantile(0.25)) / median();
  }

  public double least() {
    return quantile(0);
  }

  public double greatest() {
    return quantile(1);
  }

  /** Between two values in order of size, along the straight line from one to the other. */
  private double quantile(double part) {
    ImmutableList<Double> sorted = ImmutableList.sortedCopyOf(values);
    double place = part * (sorted.size() - 1);
    int below = (int) place;
    int above = Math.min(below + 1, sorted.size() - 1);
    return sorted.get(below) + (place - below) * (sorted.get(above) - sorted.get(below));
  }
}
