package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import java.util.HashMap;
import java.util.Map;

/**
 * GAEA (Li et al. 2021): exponentiated gradient on the weights themselves. A weight does not fall
 * below {@value #LEAST}, from where it could not come back.
 */
final class Gaea implements MixtureOptimizer {

  private static final double LEAST = 1e-5;

  /** Bounds the exponent of one step. */
  private static final double MOST = 9;

  private final double[][] weights;

  Gaea(Recipe.Search search, int blocks, int components) {
    this.weights = Simplex.uniform(blocks, components);
  }

  @Override
  public void start(double[][] begun) {
    for (int block = 0; block < weights.length; block++) {
      weights[block] = begun[block].clone();
    }
  }

  @Override
  public double[][] draw(int step) {
    return weights();
  }

  @Override
  public void update(int step, double[][] gradient, double rate) {
    for (int block = 0; block < weights.length; block++) {
      double[] next = weights[block];
      for (int k = 0; k < next.length; k++) {
        double exponent = Math.max(-MOST, Math.min(MOST, -rate * gradient[block][k]));
        next[k] *= StrictMath.exp(exponent);
      }
      next = Simplex.normalised(next);
      for (int k = 0; k < next.length; k++) {
        next[k] = Math.max(LEAST, next[k]);
      }
      weights[block] = Simplex.normalised(next);
    }
  }

  @Override
  public double[][] weights() {
    double[][] copy = new double[weights.length][];
    for (int block = 0; block < weights.length; block++) {
      copy[block] = weights[block].clone();
    }
    return copy;
  }

  @Override
  public Map<String, double[]> state() {
    Map<String, double[]> state = new HashMap<>();
    for (int block = 0; block < weights.length; block++) {
      state.put("weights." + block, weights[block].clone());
    }
    return state;
  }

  @Override
  public void restore(Map<String, double[]> state) {
    for (int block = 0; block < weights.length; block++) {
      weights[block] = state.get("weights." + block).clone();
    }
  }
}
