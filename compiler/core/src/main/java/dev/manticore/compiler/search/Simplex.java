package dev.manticore.compiler.search;

import java.util.Arrays;

/** Weights of sum 1. Computed by {@link StrictMath}, to be the same everywhere. */
public final class Simplex {

  private Simplex() {}

  static double[][] uniform(int blocks, int components) {
    double[][] weights = new double[blocks][components];
    for (double[] block : weights) {
      Arrays.fill(block, 1.0 / components);
    }
    return weights;
  }

  /** Weights of their logits. */
  public static double[] softmax(double[] logits) {
    double most = Double.NEGATIVE_INFINITY;
    for (double logit : logits) {
      most = Math.max(most, logit);
    }
    double[] weights = new double[logits.length];
    for (int k = 0; k < weights.length; k++) {
      weights[k] = StrictMath.exp(logits[k] - most);
    }
    return normalised(weights);
  }

  public static double[] normalised(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    double[] weights = values.clone();
    for (int k = 0; k < weights.length; k++) {
      weights[k] /= sum;
    }
    return weights;
  }

  /** The gradient by the logits of a softmax, from that by the weights that it gave. */
  static double[] throughSoftmax(double[] weights, double[] gradient) {
    double mean = 0;
    for (int k = 0; k < weights.length; k++) {
      mean += weights[k] * gradient[k];
    }
    double[] result = new double[weights.length];
    for (int k = 0; k < weights.length; k++) {
      result[k] = weights[k] * (gradient[k] - mean);
    }
    return result;
  }
}
