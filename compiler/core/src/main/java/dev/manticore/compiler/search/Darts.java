package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import java.util.Map;

/** DARTS (Liu et al. 2019): weights are the softmax of logits, which Adam moves. */
class Darts implements MixtureOptimizer {

  final Logits logits;

  Darts(Recipe.Search search, int blocks, int components) {
    this.logits = new Logits(search.training(), blocks, components);
  }

  @Override
  public final void start(double[][] weights) {
    logits.start(weights);
  }

  @Override
  public double[][] draw(int step) {
    return weights();
  }

  @Override
  public final void update(int step, double[][] gradient, double rate) {
    double[][] drawn = draw(step);
    double[][] through = new double[drawn.length][];
    for (int block = 0; block < drawn.length; block++) {
      through[block] = Simplex.throughSoftmax(drawn[block], gradient[block]);
    }
    logits.update(through, rate);
  }

  @Override
  public final double[][] weights() {
    return logits.weights();
  }

  @Override
  public final Map<String, double[]> state() {
    return logits.state();
  }

  @Override
  public final void restore(Map<String, double[]> state) {
    logits.restore(state);
  }
}
