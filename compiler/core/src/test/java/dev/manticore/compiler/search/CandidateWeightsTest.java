package dev.manticore.compiler.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.Recipe.SearchMethod;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class CandidateWeightsTest {

  private static Recipe.Search search(SearchMethod method, int divisions, int points) {
    return new Recipe.Search(
        method,
        Recipe.SearchUpdates.SIMULTANEOUS,
        0.1,
        0.1,
        Recipe.AlphaWarmup.NONE,
        0,
        new Recipe.Temperature(1, 1),
        0,
        ImmutableList.of(),
        new Recipe.Sampling(divisions, points),
        Recipe.Discretisation.NONE,
        new Recipe.Training(
            1, 1, 1, 1, 0, 0, 0.9, 0.999, 1e-8, Recipe.Schedule.LINEAR, 0, Precision.FLOAT32, 0));
  }

  @Test
  void aGridHasEveryDivisionOfEveryBlock() {
    Recipe.Search search = search(SearchMethod.GRID, 2, 1);

    assertThat(CandidateWeights.of(search, 1, 2, 1))
        .usingRecursiveFieldByFieldElementComparator()
        .containsExactly(
            new double[][] {{0, 1}}, new double[][] {{0.5, 0.5}}, new double[][] {{1, 0}});
    List<double[][]> three = CandidateWeights.of(search, 2, 3, 1);
    assertThat(three.stream().map(Arrays::deepToString).distinct()).hasSize(6 * 6);
    assertThat((long) three.size()).isEqualTo(search.sampling().count(SearchMethod.GRID, 2, 3));
    assertThat(three.stream().flatMap(Arrays::stream).map(block -> Arrays.stream(block).sum()))
        .containsOnly(1.0);
  }

  /** A weight of a point uniform on the simplex of K has mean 1/K and P(w > t) = (1 - t)^(K-1). */
  @Test
  void drawnPointsAreUniformOnTheSimplex() {
    List<double[][]> points = CandidateWeights.of(search(SearchMethod.RANDOM, 1, 20_000), 1, 3, 5);

    for (int k = 0; k < 3; k++) {
      int component = k;
      double[] weights = points.stream().mapToDouble(point -> point[0][component]).toArray();
      assertThat(Arrays.stream(weights).average().orElseThrow()).isCloseTo(1.0 / 3, within(0.01));
      for (double t : new double[] {0.2, 0.5, 0.8}) {
        assertThat(Arrays.stream(weights).filter(weight -> weight > t).count() / 20_000.0)
            .isCloseTo((1 - t) * (1 - t), within(0.015));
      }
    }
    assertThat(CandidateWeights.of(search(SearchMethod.RANDOM, 1, 3), 1, 3, 5))
        .usingRecursiveFieldByFieldElementComparator()
        .isEqualTo(points.subList(0, 3));
  }

  @Test
  void methodsThatTakeStepsHaveNone() {
    assertThat(CandidateWeights.of(search(SearchMethod.DARTS, 4, 10), 2, 2, 1)).isEmpty();
    assertThat(new Recipe.Sampling(1000, 1).count(SearchMethod.GRID, 1000, 16))
        .isEqualTo(Long.MAX_VALUE);
  }
}
