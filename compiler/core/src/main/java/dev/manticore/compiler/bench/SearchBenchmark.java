package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.Recipe.SearchMethod;
import dev.manticore.compiler.recipe.Recipe.SearchUpdates;
import dev.manticore.compiler.training.SearchSteps;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntConsumer;

/**
 * Times steps of searches beside steps of plain training of the same hybrid, whose mixture weights
 * are fixed.
 */
public final class SearchBenchmark {

  private static final long SEED = 0;
  private static final double RATE = 1e-4;
  private static final double ALPHA_RATE = 0.05;

  private SearchBenchmark() {}

  /**
   * Milliseconds a step.
   *
   * @param plain of training with fixed mixture weights
   * @param searches by the name of their updates; a step of alternating ones is the mean of its two
   *     kinds
   * @param steps of each that were timed
   */
  public record Result(double plain, ImmutableMap<String, Double> searches, int steps) {}

  /** One kind of steps. */
  private static final class Kind {
    final IntConsumer step;
    final List<Double> milliseconds = new ArrayList<>();

    Kind(IntConsumer step) {
      this.step = step;
    }

    void take(int index) {
      long start = System.nanoTime();
      step.accept(index);
      milliseconds.add((System.nanoTime() - start) / 1e6);
    }

    /** The median of the later half, pairs of steps together: kinds of steps may alternate. */
    double median() {
      int pairs = milliseconds.size() / 2;
      List<Double> means = new ArrayList<>();
      for (int pair = pairs / 2; pair < pairs; pair++) {
        means.add((milliseconds.get(2 * pair) + milliseconds.get(2 * pair + 1)) / 2);
      }
      return Samples.of(means).median();
    }
  }

  /**
   * Takes steps of all kinds by turns.
   *
   * @throws ManticoreException {@code MNT-BENCH} if the model is no hybrid, or fewer than two steps
   *     are asked for
   */
  public static Result run(Device device, StepRequest request) {
    if (request.model() != StepRequest.Model.HYBRID) {
      throw new ManticoreException(
          "MNT-BENCH", "only a hybrid has mixture weights to search, not " + request.model());
    }
    StepRequest.require("steps", request.steps(), 2);
    Graph model = StepBenchmark.model(request);
    SplittableRandom random = new SplittableRandom(SEED);
    List<TrainingSession> sessions = new ArrayList<>();
    try {
      TrainingPlan alone =
          TrainingPlan.of(
              model, training(request), request.length(), name -> !Hybrid.isAlpha(name));
      TrainingSession fixed = TrainingSession.open(device, model, alone, request.threads());
      sessions.add(fixed);
      Kind plain = new Kind(step -> fixed.step(step, batches(random, request)));
      Map<SearchUpdates, Kind> searches = new EnumMap<>(SearchUpdates.class);
      for (SearchUpdates updates : SearchUpdates.values()) {
        TrainingPlan plan =
            TrainingPlan.search(
                model,
                search(request, updates),
                request.length(),
                model.parameters().keySet().stream()
                    .map(parameter -> parameter.name())
                    .filter(Hybrid::isAlpha)
                    .toList());
        TrainingSession session = TrainingSession.open(device, model, plan, request.threads());
        sessions.add(session);
        SearchSteps steps = new SearchSteps(plan, SEED);
        searches.put(
            updates,
            new Kind(
                step ->
                    steps.take(
                        session,
                        step,
                        () -> batches(random, request),
                        () -> batches(random, request))));
      }
      long begin = System.nanoTime();
      int step = 0;
      while (step < 2
          || step % 2 == 1
          || step < request.steps() && System.nanoTime() - begin < request.limit().toNanos()) {
        plain.take(step);
        for (Kind kind : searches.values()) {
          kind.take(step);
        }
        step++;
      }
      ImmutableMap.Builder<String, Double> medians = ImmutableMap.builder();
      searches.forEach(
          (updates, kind) ->
              medians.put(
                  updates.name().toLowerCase(Locale.ROOT).replace('_', '-'), kind.median()));
      return new Result(plain.median(), medians.buildOrThrow(), step);
    } finally {
      sessions.forEach(TrainingSession::close);
    }
  }

  private static Recipe.Training training(StepRequest request) {
    return new Recipe.Training(
        request.steps(),
        request.batch(),
        1,
        RATE,
        0.01,
        1,
        0.9,
        0.999,
        1e-8,
        Recipe.Schedule.CONSTANT,
        0,
        Precision.FLOAT32,
        0);
  }

  private static Recipe.Search search(StepRequest request, SearchUpdates updates) {
    return new Recipe.Search(
        SearchMethod.DARTS,
        updates,
        0.1,
        ALPHA_RATE,
        Recipe.AlphaWarmup.NONE,
        0,
        new Recipe.Temperature(1, 1),
        0,
        ImmutableList.of(),
        Recipe.Sampling.DEFAULT,
        Recipe.Discretisation.NONE,
        training(request));
  }

  private static List<Batch> batches(SplittableRandom random, StepRequest request) {
    long[] ids =
        random.longs((long) request.batch() * request.length(), 0, request.vocabulary()).toArray();
    return List.of(
        new Batch(
            ids, StepBenchmark.labels(ids, request.length()), request.batch(), request.length()));
  }
}
