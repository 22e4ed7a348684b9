package dev.manticore.compiler.search;

import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.random.Draws;

/**
 * The search of DASH (Shen et al. 2022): a step runs with the softmax of logits to which noise of
 * the Gumbel distribution is added, one sample for each block and step. Logits move by Adam. The
 * temperature is that of the noise, which it multiplies, and falls geometrically: at one that stays
 * the expected loss is least at single components, which noise moves least, whatever mixture is
 * best without it.
 */
final class Dash extends Darts {

  private final Recipe.Temperature temperature;
  private final int steps;
  private final long seed;

  Dash(Recipe.Search search, int blocks, int components, int steps, long seed) {
    super(search, blocks, components);
    this.temperature = search.temperature();
    this.steps = steps;
    this.seed = seed;
  }

  private double temperature(int step) {
    double done = Math.min(1, (double) step / Math.max(1, steps - 1));
    return temperature.first() * StrictMath.pow(temperature.last() / temperature.first(), done);
  }

  /** A step's noise is its own, so that an interrupted search draws it again. */
  @Override
  public double[][] draw(int step) {
    Draws draws = Draws.of(seed, step);
    double[][] weights = logits.weights();
    for (int block = 0; block < weights.length; block++) {
      double[] noisy = logits.of(block).clone();
      for (int k = 0; k < noisy.length; k++) {
        double gumbel = -StrictMath.log(-StrictMath.log(draws.unit()));
        noisy[k] += temperature(step) * gumbel;
      }
      weights[block] = Simplex.softmax(noisy);
    }
    return weights;
  }
}
