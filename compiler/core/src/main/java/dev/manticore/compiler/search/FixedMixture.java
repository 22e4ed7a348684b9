package dev.manticore.compiler.search;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Doubles;
import java.util.Map;

/** Weights that stay as they were given. */
final class FixedMixture implements MixtureOptimizer {

  private final double[][] weights;

  /**
   * @param weights for each block one a component; empty for equal shares
   */
  FixedMixture(ImmutableList<ImmutableList<Double>> weights, int blocks, int components) {
    this.weights =
        weights.isEmpty()
            ? Simplex.uniform(blocks, components)
            : weights.stream()
                .map(block -> Simplex.normalised(Doubles.toArray(block)))
                .toArray(double[][]::new);
  }

  @Override
  public void start(double[][] begun) {}

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
