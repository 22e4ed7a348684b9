package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import java.util.Map;

/**
 * The mixture weights of all blocks while they are searched. Steps ask for the weights to run with
 * and give back the gradient of the loss by them; all else is the method's. Matrices are
 * [block][component].
 */
public interface MixtureOptimizer {

  /**
   * The optimizer of a recipe's method, at its start. Methods that try {@link CandidateWeights}
   * have none.
   *
   * @param steps that the search takes at most
   * @param seed of what the method draws
   */
  static MixtureOptimizer of(
      Recipe.Search search, int blocks, int components, int steps, long seed) {
    return switch (search.method()) {
      case DARTS -> new Darts(search, blocks, components);
      case GAEA -> new Gaea(search, blocks, components);
      case DASH -> new Dash(search, blocks, components, steps, seed);
      case FIXED -> new FixedMixture(search.weights(), blocks, components);
      case GRID, RANDOM ->
          throw new IllegalArgumentException(
              search.method() + " takes no steps: see CandidateWeights");
    };
  }

  /**
   * Takes other weights to begin with, before any step; those that are given and stay, stay.
   *
   * @param weights of each block positive and of sum 1
   */
  void start(double[][] weights);

  /** The weights that a step runs with: of each block positive or 0, and of sum 1. */
  double[][] draw(int step);

  /**
   * Takes a step against the gradient.
   *
   * @param step whose {@link #draw} it was computed at
   * @param gradient of the loss by the weights drawn
   * @param rate the step size
   */
  void update(int step, double[][] gradient, double rate);

  /** The weights as found so far, without noise. */
  double[][] weights();

  /** All that {@link #restore} needs to go on from here. */
  Map<String, double[]> state();

  /** Takes over what {@link #state} gave. */
  void restore(Map<String, double[]> state);
}
