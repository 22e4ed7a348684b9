package dev.manticore.compiler.search;

import com.google.common.collect.ImmutableList;
import com.google.common.math.IntMath;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.List;

/**
 * The mixture weights that a search that trains at each tries, one after the other: all of a grid,
 * or some that are drawn. Matrices are [block][component].
 */
public final class CandidateWeights {

  private CandidateWeights() {}

  /**
   * The candidates of a recipe; none if its method takes steps instead.
   *
   * @param seed of what is drawn
   */
  public static ImmutableList<double[][]> of(
      Recipe.Search search, int blocks, int components, long seed) {
    return switch (search.method()) {
      case GRID -> grid(blocks, components, search.sampling().divisions());
      case RANDOM -> random(blocks, components, search.sampling().points(), seed);
      case DARTS, GAEA, DASH, FIXED -> ImmutableList.of();
    };
  }

  /** Every block with every division of the whole into so many equal parts. */
  private static ImmutableList<double[][]> grid(int blocks, int components, int divisions) {
    List<double[]> simplex = new ArrayList<>();
    divide(new int[components], 0, divisions, divisions, simplex);
    ImmutableList.Builder<double[][]> grid = ImmutableList.builder();
    int count = IntMath.checkedPow(simplex.size(), blocks);
    for (int i = 0; i < count; i++) {
      double[][] weights = new double[blocks][];
      int rest = i;
      for (int block = blocks - 1; block >= 0; block--) {
        weights[block] = simplex.get(rest % simplex.size()).clone();
        rest /= simplex.size();
      }
      grid.add(weights);
    }
    return grid.build();
  }

  private static void divide(
      int[] parts, int component, int left, int divisions, List<double[]> simplex) {
    if (component == parts.length - 1) {
      parts[component] = left;
      double[] weights = new double[parts.length];
      for (int k = 0; k < parts.length; k++) {
        weights[k] = (double) parts[k] / divisions;
      }
      simplex.add(weights);
      return;
    }
    for (int part = 0; part <= left; part++) {
      parts[component] = part;
      divide(parts, component + 1, left - part, divisions, simplex);
    }
  }

  /** Uniform on the simplex: exponential variates, brought to sum 1. */
  private static ImmutableList<double[][]> random(
      int blocks, int components, int points, long seed) {
    Draws draws = new Draws(seed);
    ImmutableList.Builder<double[][]> random = ImmutableList.builder();
    for (int i = 0; i < points; i++) {
      double[][] weights = new double[blocks][components];
      for (int block = 0; block < blocks; block++) {
        for (int k = 0; k < components; k++) {
          // A draw is below 1, so that the logarithm is of something above 0.
          weights[block][k] = -StrictMath.log1p(-draws.unit());
        }
        weights[block] = Simplex.normalised(weights[block]);
      }
      random.add(weights);
    }
    return random.build();
  }
}
