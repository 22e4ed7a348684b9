package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import java.util.HashMap;
import java.util.Map;

/**
 * Logits of mixture weights, from 0 on, and Adam's moments of them. There is no decay: it would
 * pull the weights to equal shares.
 */
final class Logits {

  private final double beta1;
  private final double beta2;
  private final double epsilon;
  private final double[][] values;
  private final double[][] first;
  private final double[][] second;
  private int updates;

  Logits(Recipe.Training training, int blocks, int components) {
    this.beta1 = training.beta1();
    this.beta2 = training.beta2();
    this.epsilon = training.epsilon();
    this.values = new double[blocks][components];
    this.first = new double[blocks][components];
    this.second = new double[blocks][components];
  }

  double[] of(int block) {
    return values[block];
  }

  double[][] weights() {
    double[][] weights = new double[values.length][];
    for (int block = 0; block < values.length; block++) {
      weights[block] = Simplex.softmax(values[block]);
    }
    return weights;
  }

  /** Takes the logits of other weights; the moments stay. */
  void start(double[][] weights) {
    for (int block = 0; block < values.length; block++) {
      for (int k = 0; k < values[block].length; k++) {
        values[block][k] = StrictMath.log(weights[block][k]);
      }
    }
  }

  /** A step of Adam against the gradient by the logits. */
  void update(double[][] gradient, double rate) {
    updates++;
    double correction1 = 1 - StrictMath.pow(beta1, updates);
    double correction2 = 1 - StrictMath.pow(beta2, updates);
    for (int block = 0; block < values.length; block++) {
      for (int k = 0; k < values[block].length; k++) {
        double g = gradient[block][k];
        first[block][k] = beta1 * first[block][k] + (1 - beta1) * g;
        second[block][k] = beta2 * second[block][k] + (1 - beta2) * g * g;
        values[block][k] -=
            rate
                * (first[block][k] / correction1)
                / (StrictMath.sqrt(second[block][k] / correction2) + epsilon);
      }
    }
  }

  Map<String, double[]> state() {
    Map<String, double[]> state = new HashMap<>();
    for (int block = 0; block < values.length; block++) {
      state.put("logits." + block, values[block].clone());
      state.put("first." + block, first[block].clone());
      state.put("second." + block, second[block].clone());
    }
    state.put("updates", new double[] {updates});
    return state;
  }

  void restore(Map<String, double[]> state) {
    for (int block = 0; block < values.length; block++) {
      values[block] = state.get("logits." + block).clone();
      first[block] = state.get("first." + block).clone();
      second[block] = state.get("second." + block).clone();
    }
    updates = (int) state.get("updates")[0];
  }
}
