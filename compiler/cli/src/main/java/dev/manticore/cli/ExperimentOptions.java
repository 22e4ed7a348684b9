package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.TrialRunner;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.trial.Architecture;
import dev.manticore.compiler.trial.ModelSize;
import dev.manticore.compiler.trial.TaskExperiment;
import dev.manticore.compiler.trial.TaskSpec;
import dev.manticore.compiler.trial.TrialSpec;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which models are trained on tasks, how, and where what comes of it goes. */
final class ExperimentOptions {

  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      description =
          "What to train: gpt-neo, mamba, hybrid, mambaformer, striped (default: all of them).")
  private List<String> models = List.of();

  @Option(
      names = "--seeds",
      paramLabel = "N",
      description = "Repetitions, each with samples and weights of its own (default: 3).")
  private int seeds = 3;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the first repetition (default: 1).")
  private int seed = 1;

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "Width of the models (default: ${DEFAULT-VALUE}).")
  private int width = 64;

  @Option(
      names = "--blocks",
      paramLabel = "N",
      description =
          "Blocks, each of one layer of a GPT-Neo, two of a Mamba (default: ${DEFAULT-VALUE}).")
  private int blocks = 2;

  @Option(
      names = "--heads",
      paramLabel = "N",
      description = "Heads of an attention (default: ${DEFAULT-VALUE}).")
  private int heads = 4;

  @Option(
      names = "--state",
      paramLabel = "N",
      description = "States of a channel of a Mamba (default: ${DEFAULT-VALUE}).")
  private int state = 16;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Optimizer steps of a model (default: ${DEFAULT-VALUE}).")
  private int steps = 2000;

  @Option(
      names = "--task-steps",
      paramLabel = "TASK=N",
      description = "Steps on one of the tasks instead; may be given several times.")
  private Map<String, Integer> taskSteps = Map.of();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Samples of a batch (default: ${DEFAULT-VALUE}).")
  private int batch = 32;

  @Option(
      names = "--learning-rate",
      split = ",",
      paramLabel = "RATE",
      description = {
        "Peak learning rate of AdamW. Of several, each model gets on each task the one that is"
            + " best by the validation part of the first seed (default: 0.003,0.01)."
      })
  private List<Double> learningRates = List.of(0.003, 0.01);

  @Option(
      names = "--weight-decay",
      paramLabel = "RATE",
      description = "Weight decay of matrices (default: ${DEFAULT-VALUE}).")
  private double weightDecay = 0;

  @Option(
      names = "--clip",
      paramLabel = "NORM",
      description = "Largest norm of the gradient, 0 for any (default: ${DEFAULT-VALUE}).")
  private double clip = 1;

  @Option(
      names = "--schedule",
      paramLabel = "NAME",
      description =
          "Learning rate after the warm-up: linear, cosine or constant (default: cosine).")
  private Recipe.Schedule schedule = Recipe.Schedule.COSINE;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Steps of linear warm-up (default: ${DEFAULT-VALUE}).")
  private int warmup = 0;

  @Option(
      names = "--enough",
      paramLabel = "LOSS",
      description =
          "End a training once its validation loss on the way is below this (default: never).")
  private double enough = 0;

  @Option(
      names = "--search",
      paramLabel = "NAME",
      description = "How a hybrid's mixture is found: darts, gaea, dash or fixed (default: darts).")
  private Recipe.SearchMethod method = Recipe.SearchMethod.DARTS;

  @Option(
      names = "--alpha-learning-rate",
      paramLabel = "RATE",
      description = "Step size of the mixture weights' logits (default: ${DEFAULT-VALUE}).")
  private double alphaLearningRate = 0.05;

  @Option(
      names = "--alpha-warmup",
      split = ",",
      paramLabel = "NAME:SHARE",
      description =
          "Mixture weights before they are moved, equal, or paths, all of a block's weight to one"
              + " component at each step; and for which share of the steps. Of several, a hybrid"
              + " gets on each task the one that is best by the validation part of the first seed"
              + " (default: equal:0.1).")
  private List<String> alphaWarmups = List.of(TaskExperiment.AlphaWarmup.DEFAULT.toString());

  @Option(
      names = "--temperature",
      split = ",",
      paramLabel = "FIRST,LAST",
      hideParamSyntax = true,
      description =
          "Temperature of dash's noise at the first and at the last step (default: 1,0.05).")
  private List<Double> temperature =
      List.of(Recipe.Temperature.DEFAULT.first(), Recipe.Temperature.DEFAULT.last());

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads of a training run, which figures depend on (default: 1).")
  private int threads = 1;

  @Option(
      names = "--parallel",
      paramLabel = "N",
      description = "Training runs at a time (default: as many as there are cores for).")
  private Optional<Integer> parallel = Optional.empty();

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "The directory of the experiment.")
  private Path output;

  @Mixin private ProgressOptions progress;
  @Mixin private DeviceOption device;

  private Recipe.Temperature temperature() {
    if (temperature.size() != 2) {
      throw new ManticoreException(
          "MNT-TRIAL", "--temperature takes two numbers, such as 1,0.05, not " + temperature);
    }
    return new Recipe.Temperature(temperature.get(0), temperature.get(1));
  }

  /**
   * Runs the trials and shows what came of them.
   *
   * @param title of the report
   */
  int run(Terminal terminal, String title, ImmutableList<TaskSpec> tasks) {
    if (threads < 1 || parallel.orElse(1) < 1 || learningRates.isEmpty()) {
      throw new ManticoreException(
          "MNT-TRIAL", "--threads and --parallel are 1 at least, and --learning-rate is not empty");
    }
    TrialRunner.Options usual = TrialRunner.Options.ofThreads(threads);
    TaskExperiment experiment =
        new TaskExperiment(
            title,
            tasks,
            (models.isEmpty() ? Architecture.names() : models)
                .stream().map(Architecture::of).collect(ImmutableList.toImmutableList()),
            new ModelSize(width, blocks, heads, state),
            new TrialSpec.Schedule(
                steps, batch, learningRates.get(0), weightDecay, clip, schedule, warmup, enough),
            ImmutableMap.copyOf(taskSteps),
            ImmutableList.copyOf(learningRates),
            new TrialSpec.Mixing(
                method,
                Recipe.SearchUpdates.SIMULTANEOUS,
                alphaLearningRate,
                0,
                Recipe.WarmupWeights.EQUAL,
                temperature()),
            alphaWarmups.stream()
                .map(TaskExperiment.AlphaWarmup::parse)
                .collect(ImmutableList.toImmutableList()),
            seed,
            seeds);
    Path directory = terminal.resolve(output);
    experiment.run(
        directory,
        device.device(),
        new TrialRunner.Options(
            parallel.orElse(usual.parallel()), threads, usual.heapBytes(), usual.grace()),
        progress.progress(terminal),
        terminal.cancellation(),
        terminal.ticker());
    return ExperimentTable.show(terminal, directory, progress.json());
  }
}
