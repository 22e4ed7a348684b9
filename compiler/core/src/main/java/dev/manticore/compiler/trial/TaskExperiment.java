package dev.manticore.compiler.trial;

import static com.google.common.collect.ImmutableList.toImmutableList;

import com.google.common.base.Joiner;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Doubles;
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
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/**
 * Several models on several tasks, over several seeds: a trial each. Where there are several
 * learning rates, or several warm-ups of mixture weights, each model gets on each task what did
 * best with the first seed, by the loss on the validation part; the test part is measured once, at
 * the end of a trial, and chooses nothing.
 *
 * @param title of the experiment
 * @param training at a learning rate that is replaced
 * @param taskSteps steps on some of the tasks, by their names, instead of the training's
 * @param learningRates to choose from, one at least
 * @param mixing how the mixture weights of hybrids are searched, with a warm-up that is replaced
 * @param alphaWarmups to choose from, one at least
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
    ImmutableList<AlphaWarmup> alphaWarmups,
    int seed,
    int seeds) {

  /**
   * How the mixture weights of a hybrid begin.
   *
   * @param weights before they are moved
   * @param share of the steps until then
   */
  public record AlphaWarmup(Recipe.WarmupWeights weights, double share) {

    /** Equal weights for a tenth of the steps. */
    public static final AlphaWarmup DEFAULT = new AlphaWarmup(Recipe.WarmupWeights.EQUAL, 0.1);

    /**
     * @throws ManticoreException {@code MNT-TRIAL} for a share that is none
     */
    public AlphaWarmup {
      if (!(share >= 0 && share <= 1)) {
        throw new ManticoreException(
            "MNT-TRIAL",
            "the share of steps before mixture weights are moved is "
                + share
                + ", but should be in [0, 1]");
      }
    }

    /**
     * Reads what {@link #toString} writes.
     *
     * @throws ManticoreException {@code MNT-TRIAL} if it is not of that form, or the share is none
     */
    public static AlphaWarmup parse(String text) {
      int colon = text.indexOf(':');
      Double share = colon < 0 ? null : Doubles.tryParse(text.substring(colon + 1));
      for (Recipe.WarmupWeights weights : Recipe.WarmupWeights.values()) {
        if (share != null && text.startsWith(name(weights) + ":")) {
          return new AlphaWarmup(weights, share);
        }
      }
      throw new ManticoreException(
          "MNT-TRIAL",
          "--alpha-warmup takes equal or paths and a share, such as paths:0.4, not " + text);
    }

    private static String name(Recipe.WarmupWeights weights) {
      return weights.toString().toLowerCase(Locale.ROOT);
    }

    /** Such as {@code equal:0.1}. */
    @Override
    public String toString() {
      return name(weights) + ":" + share;
    }
  }

  /**
   * @throws ManticoreException {@code MNT-TRIAL} if there is nothing to run
   */
  public TaskExperiment {
    if (tasks.isEmpty()
        || models.isEmpty()
        || learningRates.isEmpty()
        || alphaWarmups.isEmpty()
        || seeds < 1) {
      throw new ManticoreException(
          "MNT-TRIAL",
          "an experiment needs a task, a model, a learning rate, a warm-up of mixture weights and a"
              + " seed at least, but has "
              + tasks.size()
              + ", "
              + models.size()
              + ", "
              + learningRates.size()
              + ", "
              + alphaWarmups.size()
              + " and "
              + seeds);
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
    requireDistinct("warm-up of mixture weights", alphaWarmups);
  }

  private static void requireDistinct(String what, List<?> all) {
    if (all.stream().distinct().count() < all.size()) {
      throw new ManticoreException(
          "MNT-TRIAL", "every " + what + " is to be named once, but there are " + all);
    }
  }

  /** A model on a task. */
  private record Pair(TaskSpec task, Architecture model) {
    @Override
    public String toString() {
      return model + " on " + task.name();
    }
  }

  /** What is chosen for a pair; the warm-up matters to hybrids alone. */
  private record Choice(double rate, AlphaWarmup warmup) {}

  private ImmutableList<Pair> pairs() {
    return tasks.stream()
        .flatMap(task -> models.stream().map(model -> new Pair(task, model)))
        .collect(toImmutableList());
  }

  private ImmutableList<Choice> choices(Architecture model) {
    return learningRates.stream()
        .flatMap(
            rate ->
                (model == Architecture.HYBRID ? alphaWarmups : alphaWarmups.subList(0, 1))
                    .stream().map(warmup -> new Choice(rate, warmup)))
        .collect(toImmutableList());
  }

  private TrialSpec trial(Pair pair, Choice choice, int repetition) {
    int steps = taskSteps.getOrDefault(pair.task().name(), training.steps());
    return new TrialSpec(
        pair.task(),
        pair.model(),
        size,
        training.with(steps, choice.rate()),
        pair.model() == Architecture.HYBRID
            ? mixing.with(
                (int) Math.round(choice.warmup().share() * steps), choice.warmup().weights())
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
    Map<Pair, Choice> chosen = choose(runner);
    // All models on all tasks before the next seed, so that a table comes early.
    List<Trial> trials = new ArrayList<>();
    for (int repetition = 0; repetition < seeds; repetition++) {
      for (Pair pair : pairs()) {
        trials.add(trial(pair, chosen.get(pair), repetition).trial());
      }
    }
    runner.run(
        trials,
        new ExperimentPlan(
            title, notes(chosen), trials.stream().map(Trial::id).collect(toImmutableList())));
  }

  /** Runs the first seed of the pairs that have a choice. */
  private Map<Pair, Choice> choose(TrialRunner runner) {
    List<Pair> open = new ArrayList<>();
    List<Trial> trials = new ArrayList<>();
    Map<Pair, Choice> chosen = new LinkedHashMap<>();
    for (Pair pair : pairs()) {
      ImmutableList<Choice> choices = choices(pair.model());
      chosen.put(pair, choices.get(0));
      if (choices.size() > 1) {
        open.add(pair);
        choices.forEach(choice -> trials.add(trial(pair, choice, 0).trial()));
      }
    }
    if (open.isEmpty()) {
      return chosen;
    }
    Iterator<Path> outcomes = runner.run(trials).iterator();
    for (Pair pair : open) {
      double least = Double.POSITIVE_INFINITY;
      for (Choice choice : choices(pair.model())) {
        double loss = Outcome.read(outcomes.next().getParent()).validation().loss();
        // One that is not a number is not below any.
        if (loss < least) {
          least = loss;
          chosen.put(pair, choice);
        }
      }
    }
    return chosen;
  }

  private ImmutableList<String> notes(Map<Pair, Choice> chosen) {
    ImmutableList.Builder<String> notes = ImmutableList.builder();
    notes.add(
        String.format(
            "Width %d, %d blocks, %d heads, %d states; %d steps of %d samples, weight decay %s,"
                + " clip %s, %s schedule after %d steps of warm-up; mixture weights by %s at %s.",
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
            mixing.learningRate()));
    if (training.enough() > 0) {
      notes.add(
          "A training ends before that once its validation loss on the way is below "
              + training.enough()
              + ".");
    }
    notes.addAll(chosen("Learning rate", learningRates, chosen, Choice::rate));
    Map<Pair, Choice> hybrids = new LinkedHashMap<>(chosen);
    hybrids.keySet().removeIf(pair -> pair.model() != Architecture.HYBRID);
    notes.addAll(chosen("Warm-up of mixture weights", alphaWarmups, hybrids, Choice::warmup));
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

  /** What of several values each pair got. */
  private static <T> List<String> chosen(
      String what, List<T> values, Map<Pair, Choice> chosen, Function<Choice, T> value) {
    if (chosen.isEmpty()) {
      return List.of();
    }
    if (values.size() == 1) {
      return List.of(what + " " + values.get(0) + ".");
    }
    List<String> notes = new ArrayList<>();
    for (T one : values) {
      List<Pair> pairs =
          chosen.keySet().stream()
              .filter(pair -> value.apply(chosen.get(pair)).equals(one))
              .toList();
      if (!pairs.isEmpty()) {
        notes.add(
            what
                + " "
                + one
                + ", the best of "
                + Joiner.on(", ").join(values)
                + " by the validation part of the first seed: "
                + Joiner.on(", ").join(pairs)
                + ".");
      }
    }
    return notes;
  }
}
