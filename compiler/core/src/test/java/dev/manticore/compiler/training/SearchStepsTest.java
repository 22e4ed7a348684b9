package dev.manticore.compiler.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.Recipe.SearchMethod;
import dev.manticore.compiler.recipe.Recipe.SearchUpdates;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Searches of problems whose answer is known: logits are the sum over two blocks of mixtures of two
 * tables each, and the tokens are drawn from the distribution of known mixture weights.
 */
class SearchStepsTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final int VOCABULARY = 6;
  private static final int LENGTH = 16;
  private static final int BATCH = 16;
  private static final int BLOCKS = 2;
  private static final double[][] RIGHT_COMPONENTS = {{1, 0}, {0, 1}};
  private static final double[][] MIXTURE = {{0.7, 0.3}, {0.25, 0.75}};
  private static final ImmutableList<String> ALPHAS =
      ImmutableList.of(Hybrid.alpha(0), Hybrid.alpha(1));

  private final Random random = new Random(3);
  private final double[][][][] tables = new double[BLOCKS][2][VOCABULARY][VOCABULARY];
  private final Graph model;

  SearchStepsTest() {
    GraphEditor editor = new GraphEditor("planted");
    Ops ops = new Ops(editor);
    Value ids =
        editor.input(
            "input_ids",
            new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    Value sum = null;
    for (int block = 0; block < BLOCKS; block++) {
      Value alpha = editor.parameter(ALPHAS.get(block), Tensor.ofFloats(Shape.of(2), new float[2]));
      Value weights = ops.softmax(alpha, 0);
      for (int k = 0; k < 2; k++) {
        float[] values = new float[VOCABULARY * VOCABULARY];
        for (int i = 0; i < values.length; i++) {
          values[i] = (float) (1.5 * random.nextGaussian());
          tables[block][k][i / VOCABULARY][i % VOCABULARY] = values[i];
        }
        Value table =
            editor.parameter(
                "table." + block + "." + k,
                Tensor.ofFloats(Shape.of(VOCABULARY, VOCABULARY), values));
        Value part = ops.mul(ops.gather(table, ids, 0), ops.slice(weights, 0, k, k + 1));
        sum = sum == null ? part : ops.add(sum, part);
      }
    }
    editor.output(ops.named("logits", sum));
    model = editor.freeze();
  }

  private static double[] softmax(double[] logits) {
    double[] exponentials = Arrays.stream(logits).map(Math::exp).toArray();
    double total = Arrays.stream(exponentials).sum();
    return Arrays.stream(exponentials).map(value -> value / total).toArray();
  }

  private static double[] probabilities(double[][][][] tables, double[][] weights, int token) {
    double[] logits = new double[VOCABULARY];
    for (int block = 0; block < BLOCKS; block++) {
      for (int k = 0; k < 2; k++) {
        for (int next = 0; next < VOCABULARY; next++) {
          logits[next] += weights[block][k] * tables[block][k][token][next];
        }
      }
    }
    return softmax(logits);
  }

  private Batch batch(double[][] weights) {
    long[] inputs = new long[BATCH * LENGTH];
    long[] labels = new long[inputs.length];
    for (int row = 0; row < BATCH; row++) {
      int token = random.nextInt(VOCABULARY);
      for (int i = 0; i < LENGTH; i++) {
        inputs[row * LENGTH + i] = token;
        double[] chances = probabilities(tables, weights, token);
        double left = random.nextDouble();
        int next = 0;
        while (next < VOCABULARY - 1 && left > chances[next]) {
          left -= chances[next++];
        }
        labels[row * LENGTH + i] = next;
        token = next;
      }
    }
    return new Batch(inputs, labels, BATCH, LENGTH);
  }

  private static double loss(double[][][][] tables, double[][] weights, List<Batch> batches) {
    double loss = 0;
    int count = 0;
    for (Batch batch : batches) {
      for (int i = 0; i < batch.inputs().length; i++) {
        double[] chances = probabilities(tables, weights, (int) batch.inputs()[i]);
        loss -= Math.log(chances[(int) batch.labels()[i]]);
        count++;
      }
    }
    return loss / count;
  }

  /** The least loss over a grid of mixture weights. */
  private double best(List<Batch> batches) {
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i <= 20; i++) {
      for (int j = 0; j <= 20; j++) {
        double[][] weights = {{i / 20.0, 1 - i / 20.0}, {j / 20.0, 1 - j / 20.0}};
        best = Math.min(best, loss(tables, weights, batches));
      }
    }
    return best;
  }

  private static Recipe.Search search(
      SearchMethod method, SearchUpdates updates, int steps, double rate) {
    return search(method, updates, steps, rate, Recipe.AlphaWarmup.NONE, 0, 0);
  }

  private static Recipe.Search search(
      SearchMethod method,
      SearchUpdates updates,
      int steps,
      double rate,
      Recipe.AlphaWarmup alphaWarmup,
      double entropy,
      double settled) {
    return new Recipe.Search(
        method,
        updates,
        0.1,
        method == SearchMethod.GAEA ? 1 : 0.1,
        alphaWarmup,
        entropy,
        new Recipe.Temperature(1, 0.05),
        settled,
        ImmutableList.of(),
        Recipe.Sampling.DEFAULT,
        Recipe.Discretisation.NONE,
        new Recipe.Training(
            steps,
            BATCH,
            1,
            rate,
            0,
            0,
            0.9,
            0.999,
            1e-8,
            Recipe.Schedule.LINEAR,
            0,
            Precision.FLOAT32,
            0));
  }

  static Stream<Arguments> searches() {
    return Stream.concat(
            Arrays.stream(SearchUpdates.values())
                .map(updates -> List.of(SearchMethod.DARTS, updates)),
            Stream.of(
                List.of(SearchMethod.GAEA, SearchUpdates.SIMULTANEOUS),
                List.of(SearchMethod.GAEA, SearchUpdates.BILEVEL),
                List.of(SearchMethod.DASH, SearchUpdates.SIMULTANEOUS),
                List.of(SearchMethod.DASH, SearchUpdates.BILEVEL)))
        .flatMap(
            pair ->
                Stream.of(
                    Arguments.of(pair.get(0), pair.get(1), RIGHT_COMPONENTS),
                    Arguments.of(pair.get(0), pair.get(1), MIXTURE)));
  }

  @ParameterizedTest
  @MethodSource("searches")
  void findsWhatWasPlanted(SearchMethod method, SearchUpdates updates, double[][] planted) {
    int steps = 250;
    TrainingPlan plan =
        TrainingPlan.search(model, search(method, updates, steps, 1e-6), LENGTH, ALPHAS);
    SearchSteps search = new SearchSteps(plan, 1);
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      for (int step = 0; step < steps; step++) {
        search.take(session, step, () -> List.of(batch(planted)), () -> List.of(batch(planted)));
      }
    }
    List<Batch> heldOut = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      heldOut.add(batch(planted));
    }

    assertThat(loss(tables, search.weights(), heldOut))
        .as("at %s", Arrays.deepToString(search.weights()))
        .isLessThan(1.01 * best(heldOut));
  }

  @Test
  void givesTheGradientByMixtureWeightsWithAStepAndWithoutOne() {
    TrainingPlan plan =
        TrainingPlan.search(
            model, search(SearchMethod.DARTS, SearchUpdates.BILEVEL, 5, 0.1), LENGTH, ALPHAS);
    double[][] weights = {{0.4, 0.6}, {0.9, 0.1}};
    List<Batch> batches = List.of(batch(MIXTURE), batch(MIXTURE));
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      session.mix(weights);
      TrainingSession.Gradient alone = session.mixtureGradient(batches);

      assertThat(alone.loss()).isCloseTo(loss(tables, weights, batches), within(1e-6));
      for (int block = 0; block < BLOCKS; block++) {
        for (int k = 0; k < 2; k++) {
          double[][] above = moved(weights, block, k, 1e-4);
          double[][] below = moved(weights, block, k, -1e-4);
          double expected = (loss(tables, above, batches) - loss(tables, below, batches)) / 2e-4;
          assertThat(alone.mixtures()[block][k]).isCloseTo(expected, within(1e-5));
        }
      }
      TrainingSession.Gradient stepped = session.step(0, 0, batches.subList(0, 1));
      assertThat(session.mixtureGradient(batches).loss()).isLessThan(alone.loss());
      session.mix(weights);
      assertThat(stepped.loss())
          .isCloseTo(loss(tables, weights, batches.subList(0, 1)), within(1e-6));
    }
  }

  private static double[][] moved(double[][] weights, int block, int k, double by) {
    double[][] moved = {weights[0].clone(), weights[1].clone()};
    moved[block][k] += by;
    return moved;
  }

  /** Against the definition, in double precision: the loss after a step, differentiated. */
  @Test
  void theSecondOrderGoesThroughTheStepOfTheWeights() {
    double rate = 2;
    Recipe.Search settings =
        search(SearchMethod.DARTS, SearchUpdates.BILEVEL_SECOND_ORDER, 1000, rate);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    double[][] weights = {{0.4, 0.6}, {0.9, 0.1}};
    List<Batch> training = List.of(batch(MIXTURE));
    List<Batch> heldOut = List.of(batch(MIXTURE));
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      Map<String, float[]> before = values(session);
      session.mix(weights);
      double[][] first = session.mixtureGradient(heldOut).mixtures();
      double[][] second = session.secondOrderGradient(0, training, heldOut).mixtures();

      double largest = 0;
      for (int block = 0; block < BLOCKS; block++) {
        for (int k = 0; k < 2; k++) {
          double above = lossAfterStep(moved(weights, block, k, 1e-4), rate, training, heldOut);
          double below = lossAfterStep(moved(weights, block, k, -1e-4), rate, training, heldOut);
          assertThat(second[block][k]).isCloseTo((above - below) / 2e-4, within(1e-4));
          largest = Math.max(largest, Math.abs(second[block][k] - first[block][k]));
        }
      }
      assertThat(largest).isGreaterThan(1e-2);
      values(session).forEach((name, after) -> assertThat(after).isEqualTo(before.get(name)));
    }
  }

  @Test
  void gradientsOfShortBatchesAreThoseOfThemPadded() {
    TrainingPlan plan =
        TrainingPlan.search(
            model,
            search(SearchMethod.DARTS, SearchUpdates.BILEVEL_SECOND_ORDER, 5, 0.1),
            LENGTH,
            ALPHAS);
    int half = LENGTH / 2;
    Batch whole = batch(MIXTURE);
    Batch drawn = batch(MIXTURE);
    long[] labels = drawn.labels().clone();
    for (int i = 0; i < labels.length; i++) {
      if (i % LENGTH >= half) {
        labels[i] = -100;
      }
    }
    Batch padded = new Batch(drawn.inputs(), labels, BATCH, LENGTH);
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      session.mix(new double[][] {{0.4, 0.6}, {0.9, 0.1}});
      double[][] first = session.mixtureGradient(List.of(whole, padded)).mixtures();
      double[][] second =
          session.secondOrderGradient(0, List.of(whole, padded), List.of(padded)).mixtures();

      double[][] firstOfShort =
          session.mixtureGradient(List.of(whole, padded.head(half))).mixtures();
      double[][] secondOfShort =
          session
              .secondOrderGradient(0, List.of(whole, padded.head(half)), List.of(padded.head(half)))
              .mixtures();

      for (int block = 0; block < BLOCKS; block++) {
        assertThat(firstOfShort[block]).containsExactly(first[block], within(1e-6));
        // What is divided by the length of a finite difference has more of its rounding.
        assertThat(secondOfShort[block]).containsExactly(second[block], within(1e-4));
      }
    }
  }

  private static Map<String, float[]> values(TrainingSession session) {
    ImmutableMap.Builder<String, float[]> values = ImmutableMap.builder();
    session.parameters().forEach((name, tensor) -> values.put(name, tensor.toFloats()));
    return values.buildOrThrow();
  }

  private double lossAfterStep(
      double[][] weights, double rate, List<Batch> training, List<Batch> heldOut) {
    double[][][][] after = new double[BLOCKS][2][VOCABULARY][];
    for (int block = 0; block < BLOCKS; block++) {
      for (int k = 0; k < 2; k++) {
        for (int token = 0; token < VOCABULARY; token++) {
          after[block][k][token] = tables[block][k][token].clone();
        }
      }
    }
    Batch batch = training.get(0);
    int count = batch.inputs().length;
    for (int i = 0; i < count; i++) {
      int token = (int) batch.inputs()[i];
      double[] residual = probabilities(tables, weights, token);
      residual[(int) batch.labels()[i]] -= 1;
      for (int block = 0; block < BLOCKS; block++) {
        for (int k = 0; k < 2; k++) {
          for (int next = 0; next < VOCABULARY; next++) {
            after[block][k][token][next] -= rate * weights[block][k] * residual[next] / count;
          }
        }
      }
    }
    return loss(after, weights, heldOut);
  }

  @ParameterizedTest
  @EnumSource(
      value = SearchMethod.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"GRID", "RANDOM"})
  void goesOnFromACheckpointAsIfNothingHadHappened(SearchMethod method) {
    Recipe.Search settings = search(method, SearchUpdates.SIMULTANEOUS, 8, 0.01);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    List<Batch> batches = Stream.generate(() -> batch(MIXTURE)).limit(8).toList();
    SearchSteps whole = new SearchSteps(plan, 7);
    SearchSteps half = new SearchSteps(plan, 7);
    try (TrainingSession one = TrainingSession.open(CPU, model, plan, 1);
        TrainingSession other = TrainingSession.open(CPU, model, plan, 1)) {
      take(whole, one, batches, 0, 8);
      take(half, other, batches, 0, 5);
      SearchSteps resumed = new SearchSteps(plan, 7);
      resumed.restore(half.checkpoint());
      take(resumed, other, batches, 5, 8);

      assertThat(resumed.weights()).isDeepEqualTo(whole.weights());
      Map<String, float[]> expected = values(one);
      values(other).forEach((name, value) -> assertThat(value).isEqualTo(expected.get(name)));
    }
  }

  private static void take(
      SearchSteps search, TrainingSession session, List<Batch> batches, int from, int to) {
    for (int step = from; step < to; step++) {
      int index = step;
      search.take(session, step, () -> List.of(batches.get(index)), List::of);
    }
  }

  @Test
  void entropyDrivesToOneComponentOrToEqualShares() {
    assertThat(largest(0.5)).isGreaterThan(0.95);
    assertThat(largest(0)).isBetween(0.6, 0.9);
    assertThat(largest(-5)).isLessThan(0.57);
  }

  private double largest(double entropy) {
    Recipe.Search settings =
        search(
            SearchMethod.DARTS,
            SearchUpdates.SIMULTANEOUS,
            200,
            1e-6,
            Recipe.AlphaWarmup.NONE,
            entropy,
            0);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    SearchSteps search = new SearchSteps(plan, 1);
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      for (int step = 0; step < 200; step++) {
        search.take(session, step, () -> List.of(batch(MIXTURE)), List::of);
      }
    }
    return Arrays.stream(search.weights()[1]).max().orElseThrow();
  }

  @ParameterizedTest
  @EnumSource(SearchUpdates.class)
  void weightsStayEqualWhileTheyWarmUpAndAllElseIsTrained(SearchUpdates updates) {
    int warmup = 4;
    Recipe.Search settings =
        search(
            SearchMethod.DARTS,
            updates,
            20,
            0.1,
            new Recipe.AlphaWarmup(warmup, Recipe.WarmupWeights.EQUAL),
            0,
            0);
    SearchSteps search = new SearchSteps(TrainingPlan.search(model, settings, LENGTH, ALPHAS), 1);
    // What is trained with equal weights that stay.
    TrainingPlan plain =
        TrainingPlan.search(
            model, search(SearchMethod.FIXED, SearchUpdates.SIMULTANEOUS, 20, 0.1), LENGTH, ALPHAS);
    SearchSteps equal = new SearchSteps(plain, 1);
    Batch batch = batch(MIXTURE);
    try (TrainingSession session =
            TrainingSession.open(
                CPU, model, TrainingPlan.search(model, settings, LENGTH, ALPHAS), 1);
        TrainingSession other = TrainingSession.open(CPU, model, plain, 1)) {
      for (int step = 0; step < warmup; step++) {
        double loss = search.take(session, step, () -> List.of(batch), () -> List.of(batch));
        assertThat(loss)
            .isCloseTo(
                equal.take(other, step, () -> List.of(batch), () -> List.of(batch)), within(1e-6));
      }
      assertThat(search.weights()).isDeepEqualTo(new double[][] {{0.5, 0.5}, {0.5, 0.5}});
      search.take(session, warmup, () -> List.of(batch), () -> List.of(batch));
      search.take(session, warmup + 1, () -> List.of(batch), () -> List.of(batch));
    }
    assertThat(search.weights()[0][0]).isNotEqualTo(0.5);
  }

  /** Each block has one component at a step; the losses with it tell where the search begins. */
  @Test
  void pathsMixComponentsOfBlocksAndGiveEachItsTurn() {
    int warmup = 40;
    Recipe.Search settings =
        search(
            SearchMethod.DARTS,
            SearchUpdates.SIMULTANEOUS,
            60,
            1e-8,
            new Recipe.AlphaWarmup(warmup, Recipe.WarmupWeights.PATHS),
            0,
            0);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    SearchSteps search = new SearchSteps(plan, 1);
    Batch batch = batch(MIXTURE);
    int[][] taken = new int[warmup][];
    int[] counts = new int[4];
    double[][] mean = new double[2][2];
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      for (int step = 0; step < warmup; step++) {
        if (step == warmup / 2) {
          SearchSteps resumed = new SearchSteps(plan, 1);
          resumed.restore(search.checkpoint());
          search = resumed;
        }
        double loss = search.take(session, step, () -> List.of(batch), List::of);
        for (int path = 0; path < 4; path++) {
          int[] of = {path / 2, path % 2};
          double[][] one = {{1 - of[0], of[0]}, {1 - of[1], of[1]}};
          if (Math.abs(loss(tables, one, List.of(batch)) - loss) < 1e-5) {
            assertThat(taken[step]).as("two paths of one loss").isNull();
            taken[step] = of;
            counts[path]++;
          }
        }
        assertThat(taken[step]).as("the path of step %s", step).isNotNull();
        for (int block = 0; block < 2; block++) {
          int component = taken[step][block];
          mean[block][component] += (step < 2 ? 1 : 0.1) * (loss - mean[block][component]);
          if (step % 2 == 1) {
            assertThat(component).isEqualTo(1 - taken[step - 1][block]);
          }
        }
      }
    }
    assertThat(counts).doesNotContain(0);
    for (int block = 0; block < 2; block++) {
      double first = Math.pow(mean[block][0], -2);
      double second = Math.pow(mean[block][1], -2);
      assertThat(search.weights()[block][0]).isCloseTo(first / (first + second), within(1e-4));
    }
  }

  @Test
  void aComponentWithoutATurnIsNotPreferred() {
    Recipe.Search settings =
        search(
            SearchMethod.DARTS,
            SearchUpdates.SIMULTANEOUS,
            20,
            1e-6,
            new Recipe.AlphaWarmup(1, Recipe.WarmupWeights.PATHS),
            0,
            0);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    SearchSteps search = new SearchSteps(plan, 1);
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      search.take(session, 0, () -> List.of(batch(MIXTURE)), List::of);
    }
    assertThat(search.weights()).isDeepEqualTo(new double[][] {{0.5, 0.5}, {0.5, 0.5}});
  }

  @Test
  void endsOnceWeightsHaveSettled() {
    Recipe.Search settings =
        search(
            SearchMethod.DARTS,
            SearchUpdates.SIMULTANEOUS,
            2000,
            1e-6,
            Recipe.AlphaWarmup.NONE,
            0,
            0.1);
    TrainingPlan plan = TrainingPlan.search(model, settings, LENGTH, ALPHAS);
    SearchSteps search = new SearchSteps(plan, 1);
    int step = 0;
    try (TrainingSession session = TrainingSession.open(CPU, model, plan, 1)) {
      while (!search.isSettled(step)) {
        search.take(session, step++, () -> List.of(batch(MIXTURE)), List::of);
      }
    }

    assertThat(step).isBetween(200, 600);
    assertThat(search.weights()[1][1]).isBetween(0.6, 0.9);
  }

  @Test
  void theParametersFoundGiveTheWeightsAndAZeroStaysOne() {
    Recipe.Search fixed =
        new Recipe.Search(
            SearchMethod.FIXED,
            SearchUpdates.SIMULTANEOUS,
            0.1,
            0.1,
            Recipe.AlphaWarmup.NONE,
            0,
            new Recipe.Temperature(1, 1),
            0,
            ImmutableList.of(ImmutableList.of(3.0, 0.0), ImmutableList.of(1.0, 3.0)),
            Recipe.Sampling.DEFAULT,
            Recipe.Discretisation.NONE,
            search(SearchMethod.DARTS, SearchUpdates.SIMULTANEOUS, 1, 1).training());
    SearchSteps search = new SearchSteps(TrainingPlan.search(model, fixed, LENGTH, ALPHAS), 1);

    assertThat(search.weights()).isDeepEqualTo(new double[][] {{1, 0}, {0.25, 0.75}});
    List<ImmutableList<Double>> found =
        search.alphas().values().stream()
            .map(alpha -> TrainingRun.softmax(alpha.toFloats()))
            .toList();
    assertThat(found.get(0)).containsExactly(1.0, 0.0);
    assertThat(found.get(1).get(0)).isCloseTo(0.25, within(1e-7));
  }
}
