package dev.manticore.compiler.search;

import com.google.common.collect.ImmutableList;
import java.util.Arrays;
import java.util.Map;

/** Weights that stay as they were given. */
final class FixedMixture implements MixtureOptimizer {

  private final double[][] weights;

  /**
   * @param weights of each component, the same in all blocks; empty for equal shares
   */
  FixedMixture(ImmutableList<Double> weights, int blocks, int components) {
    this.weights = Simplex.uniform(blocks, components);
    if (!weights.isEmpty()) {
      double[] given =
          Simplex.normalised(weights.stream().mapToDouble(Double::doubleValue).toArray());
      Arrays.setAll(this.weights, block -> given.clone());
    }
  }

  @Override
  public double[][] draw(int step) {
    return weights();
  }

  @Override
  public void update(int step, double[][] gradient, double rate) {}

  @Override
  public double[][] weights() {
    return weights;
  }

  @Override
  public Map<String, double[]> state() {
    return Map.of();
  }

  @Override
  public void restore(Map<String, double[]> state) {}
}
