package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import java.util.Map;

/** DARTS (Liu et al. 2019): weights are the softmax of logits, which Adam moves. */
final class Darts implements MixtureOptimizer {

  private final Logits logits;

  Darts(Recipe.Search search, int blocks, int components) {
    this.logits = new Logits(search.training(), blocks, components);
  }

  @Override
  public double[][] draw(int step) {
    return weights();
  }

  @Override
  public void update(int step, double[][] gradient, double rate) {
    double[][] weights = weights();
    double[][] through = new double[weights.length][];
    for (int block = 0; block < weights.length; block++) {
      through[block] = Simplex.throughSoftmax(weights[block], gradient[block]);
    }
    logits.update(through, rate);
  }

  @Override
  public double[][] weights() {
    return logits.weights();
  }

  @Override
  public Map<String, double[]> state() {
    return logits.state();
  }

  @Override
  public void restore(Map<String, double[]> state) {
    logits.restore(state);
  }
}
