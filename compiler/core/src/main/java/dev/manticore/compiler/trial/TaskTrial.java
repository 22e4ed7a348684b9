package dev.manticore.compiler.trial;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDataset;
import dev.manticore.compiler.training.Evaluator;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * One model trained from scratch on one task with one seed, measured on the parts that it was not
 * trained on. The mixture weights of a hybrid are searched while it is trained; it is measured with
 * those that it ends with.
 */
public final class TaskTrial {

  private static final String CHECKPOINTS = "checkpoints";
  private static final String PARAMETERS = "parameters.safetensors";

  /** Evaluations on the way, for curves: of so many, on so many batches. */
  private static final int EVALUATIONS = 20;

  private static final int EVALUATION_BATCHES = 4;

  /** What a model measures whose loss was not a number any more. */
  private static final Measures DIVERGED =
      new Measures(Double.NaN, Double.NaN, Double.NaN, Double.NaN, OptionalDouble.empty());

  private TaskTrial() {}

  /**
   * Trains and measures a model, going on from a checkpoint in the directory where there is one.
   *
   * <p>A model whose loss ceases to be finite has an outcome too, of measures that are not numbers.
   *
   * @param threads of a step
   * @param directory for checkpoints, metrics and the trained parameters
   */
  public static Outcome run(
      TrialSpec spec,
      Device device,
      int threads,
      Path directory,
      Progress progress,
      Cancellation cancellation) {
    int seed = spec.seed();
    Task task = spec.task().open(seed);
    TaskModel model = TaskModel.draw(spec.model(), spec.size(), task, seed);
    Recipe.Search search = spec.search();
    Recipe.Training training = search.training();
    TrainingPlan plan =
        model.alphas().isEmpty()
            ? TrainingPlan.of(model.graph(), training, task.longest(), name -> true)
            : TrainingPlan.search(model.graph(), search, task.longest(), model.alphas());
    TrainingRun.Request request =
        new TrainingRun.Request(
            task.name(),
            spec.model().toString(),
            seed,
            model.graph(),
            plan,
            TaskDataset.split(task),
            ImmutableMap.of(),
            model.alphas(),
            Math.max(1, training.steps() / EVALUATIONS),
            EVALUATION_BATCHES,
            spec.training().enough(),
            device,
            threads);
    Path checkpoints = directory.resolve(CHECKPOINTS);
    Path parameters = directory.resolve(PARAMETERS);
    int done = TrainingRun.stepsDone(checkpoints);
    int taken;
    try (MetricsWriter metrics =
        MetricsWriter.open(
            directory.resolve(Metrics.FILE), entry -> done > 0 && entry.step() <= done)) {
      taken =
          TrainingRun.run(
                  request,
                  checkpoints,
                  parameters,
                  new TrainingRun.Surroundings(
                      progress,
                      Optional.of(metrics),
                      cancellation,
                      TrainingRun.CHECKPOINT_INTERVAL))
              .steps();
    } catch (ManticoreException e) {
      if (!e.code().equals(TrainingRun.DIVERGED)) {
        throw e;
      }
      // That a model diverges at a rate is an outcome too: another rate may be better.
      return outcome(spec, task, model, training.steps(), ImmutableList.of(), DIVERGED, DIVERGED);
    }
    Map<String, Tensor> trained = SafetensorsFile.open(parameters).tensors();
    ImmutableList.Builder<ImmutableList<Double>> mixture = ImmutableList.builder();
    model
        .alphas()
        .forEach(alpha -> mixture.add(TrainingRun.softmax(trained.get(alpha).toFloats())));
    try (Evaluator evaluator =
        Evaluator.open(device, model.graph(), trained, training.batch(), task.longest(), threads)) {
      return outcome(
          spec,
          task,
          model,
          taken,
          mixture.build(),
          evaluator.measure(TaskDataset.of(task, Split.VALIDATION), Optional.empty(), cancellation),
          evaluator.measure(TaskDataset.of(task, Split.TEST), Optional.empty(), cancellation));
    }
  }

  private static Outcome outcome(
      TrialSpec spec,
      Task task,
      TaskModel model,
      int steps,
      ImmutableList<ImmutableList<Double>> mixture,
      Measures validation,
      Measures test) {
    return new Outcome(
        task.name(),
        spec.model().toString(),
        spec.seed(),
        model.graph().parameterCount(),
        steps,
        (long) steps * spec.training().batch() * task.longest(),
        mixture,
        mixture.isEmpty() ? ImmutableList.of() : model.components(),
        validation,
        test);
  }
}
