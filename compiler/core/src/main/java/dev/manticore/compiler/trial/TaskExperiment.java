package dev.manticore.compiler.trial;

import static com.google.common.collect.ImmutableList.toImmutableList;

import com.google.common.base.Joiner;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.ExperimentPlan;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.experiment.Trial;
import dev.manticore.compiler.experiment.TrialRunner;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Several models on several tasks, over several seeds: a trial each. Where there are several
 * learning rates, each model gets on each task the one that did best with the first seed, by the
 * loss on the validation part; the test part is measured once, at the end of a trial, and chooses
 * nothing.
 *
 * @param title of the experiment
 * @param training at a learning rate that is replaced
 * @param taskSteps steps on some of the tasks, by their names, instead of the training's
 * @param learningRates to choose from, one at least
 * @param mixing how the mixture weights of hybrids are searched, with a warm-up that is replaced
 * @param alphaWarmup the share of the steps before they are moved
 * @param seed of the first repetition; those of the others follow it
 * @param seeds repetitions
 */
public record TaskExperiment(
    String title,
    ImmutableList<TaskSpec> tasks,
    ImmutableList<Architecture> models,
    ModelSize size,
    TrialSpec.Schedule training,
    ImmutableMap<String, Integer> taskSteps,
    ImmutableList<Double> learningRates,
    TrialSpec.Mixing mixing,
    double alphaWarmup,
    int seed,
    int seeds) {

  /**
   * @throws ManticoreException {@code MNT-TRIAL} if there is nothing to run
   */
  public TaskExperiment {
    if (tasks.isEmpty() || models.isEmpty() || learningRates.isEmpty() || seeds < 1) {
      throw new ManticoreException(
          "MNT-TRIAL",
          "an experiment needs a task, a model, a learning rate and a seed at least, but has "
              + tasks.size()
              + ", "
              + models.size()
              + ", "
              + learningRates.size()
              + " and "
              + seeds);
    }
    if (!(alphaWarmup >= 0 && alphaWarmup <= 1)) {
      throw new ManticoreException(
          "MNT-TRIAL",
          "the share of steps before mixture weights are moved is "
              + alphaWarmup
              + ", but should be in [0, 1]");
    }
    List<String> names = tasks.stream().map(TaskSpec::name).toList();
    requireDistinct("task", names);
    for (String name : taskSteps.keySet()) {
      if (!names.contains(name)) {
        throw new ManticoreException(
            "MNT-TRIAL",
            "there are steps for " + name + ", but the tasks are " + String.join(", ", names));
      }
    }
    requireDistinct("model", models);
    requireDistinct("learning rate", learningRates);
  }

  private static void requireDistinct(String what, List<?> all) {
    if (all.stream().distinct().count() < all.size()) {
      throw new ManticoreException(
          "MNT-TRIAL", "every " + what + " is to be named once, but there are " + all);
    }
  }

  /** A model on a task. */
  private record Pair(TaskSpec task, Architecture model) {}

  private ImmutableList<Pair> pairs() {
    return tasks.stream()
        .flatMap(task -> models.stream().map(model -> new Pair(task, model)))
        .collect(toImmutableList());
  }

  private TrialSpec trial(Pair pair, double rate, int repetition) {
    int steps = taskSteps.getOrDefault(pair.task().name(), training.steps());
    return new TrialSpec(
        pair.task(),
        pair.model(),
        size,
        training.with(steps, rate),
        pair.model() == Architecture.HYBRID
            ? mixing.withWarmup((int) Math.round(alphaWarmup * steps))
            : null,
        seed + repetition);
  }

  /**
   * Runs what has not been run yet, and leaves an {@link ExperimentPlan} in the directory.
   *
   * @param directory of the experiment
   * @throws ManticoreException {@code MNT-TASK} or {@code MNT-DATA}, before anything is run, if a
   *     task cannot be made; else what {@link TrialRunner#run} throws
   */
  public void run(
      Path directory,
      Device device,
      TrialRunner.Options options,
      Progress progress,
      Cancellation cancellation,
      Ticker ticker) {
    tasks.forEach(task -> task.open(seed));
    TrialRunner runner =
        new TrialRunner(
            directory,
            TaskTrialProcess.class.getName(),
            List.of(device.name()),
            options,
            progress,
            cancellation,
            ticker);
    Map<Pair, Double> rates = new LinkedHashMap<>();
    if (learningRates.size() == 1) {
      pairs().forEach(pair -> rates.put(pair, learningRates.get(0)));
    } else {
      rates.putAll(choose(runner));
    }
    // All models on all tasks before the next seed, so that a table comes early.
    List<Trial> trials = new ArrayList<>();
    for (int repetition = 0; repetition < seeds; repetition++) {
      for (Pair pair : pairs()) {
        trials.add(trial(pair, rates.get(pair), repetition).trial());
      }
    }
    runner.run(
        trials,
        new ExperimentPlan(
            title, notes(rates), trials.stream().map(Trial::id).collect(toImmutableList())));
  }

  private Map<Pair, Double> choose(TrialRunner runner) {
    List<Trial> trials = new ArrayList<>();
    for (Pair pair : pairs()) {
      learningRates.forEach(rate -> trials.add(trial(pair, rate, 0).trial()));
    }
    List<Path> outcomes = runner.run(trials);
    Map<Pair, Double> rates = new LinkedHashMap<>();
    int next = 0;
    for (Pair pair : pairs()) {
      double least = Double.POSITIVE_INFINITY;
      rates.put(pair, learningRates.get(0));
      for (double rate : learningRates) {
        double loss = Outcome.read(outcomes.get(next++).getParent()).validation().loss();
        // One that is not a number is not below any.
        if (loss < least) {
          least = loss;
          rates.put(pair, rate);
        }
      }
    }
    return rates;
  }

  private ImmutableList<String> notes(Map<Pair, Double> rates) {
    ImmutableList.Builder<String> notes = ImmutableList.builder();
    notes.add(
        String.format(
            "Width %d, %d blocks, %d heads, %d states; %d steps of %d samples, weight decay %s,"
                + " clip %s, %s schedule after %d steps of warm-up; mixture weights by %s at %s,"
                + " %s for the first %s of the steps.",
            size.width(),
            size.blocks(),
            size.heads(),
            size.state(),
            training.steps(),
            training.batch(),
            training.weightDecay(),
            training.clip(),
            training.schedule().toString().toLowerCase(Locale.ROOT),
            training.warmup(),
            mixing.method().toString().toLowerCase(Locale.ROOT),
            mixing.learningRate(),
            mixing.warmupWeights() == Recipe.WarmupWeights.TURNS ? "in turns" : "equal",
            alphaWarmup));
    if (training.enough() > 0) {
      notes.add(
          "A training ends before that once its validation loss on the way is below "
              + training.enough()
              + ".");
    }
    if (learningRates.size() > 1) {
      Map<Double, List<String>> by = new TreeMap<>();
      rates.forEach(
          (pair, rate) ->
              by.computeIfAbsent(rate, unseen -> new ArrayList<>())
                  .add(pair.model() + " on " + pair.task().name()));
      by.forEach(
          (rate, pairs) ->
              notes.add(
                  "Learning rate "
                      + rate
                      + ", the best of "
                      + Joiner.on(", ").join(learningRates)
                      + " by the validation part of the first seed: "
                      + Joiner.on(", ").join(pairs)
                      + "."));
    } else {
      notes.add("Learning rate " + learningRates.get(0) + ".");
    }
    for (TaskSpec task : tasks) {
      notes.add(
          task.name()
              + ": "
              + (task.files().isEmpty()
                  ? Joiner.on(", ").withKeyValueSeparator(" ").join(task.settings())
                      + (task.upstream() ? ", with the faults of the published code" : "")
                  : "from files, " + task.length() + " tokens")
              + (taskSteps.containsKey(task.name())
                  ? "; " + taskSteps.get(task.name()) + " steps"
                  : "")
              + ".");
    }
    return notes.build();
  }
}
