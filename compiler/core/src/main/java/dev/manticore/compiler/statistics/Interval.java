package dev.manticore.compiler.statistics;

/** A confidence interval, its ends included. */
public record Interval(double low, double high) {

  /** Half the width: what stands after ±. */
  public double halfWidth() {
    return (high - low) / 2;
  }
}
