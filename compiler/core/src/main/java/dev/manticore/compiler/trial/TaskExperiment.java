package dev.manticore.compiler.trial;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.experiment.Trial;
import dev.manticore.compiler.experiment.TrialRunner;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Several models on several tasks, over several seeds: a trial each.
 *
 * @param mixing how the mixture weights of hybrids are searched
 * @param seed of the first repetition; those of the others follow it
 * @param seeds repetitions
 */
public record TaskExperiment(
    ImmutableList<TaskSpec> tasks,
    ImmutableList<Architecture> models,
    ModelSize size,
    TrialSpec.Schedule training,
    TrialSpec.Mixing mixing,
    int seed,
    int seeds) {

  /** All trials: the first seed of all models on all tasks first, so that a table comes early. */
  public ImmutableList<TrialSpec> trials() {
    ImmutableList.Builder<TrialSpec> trials = ImmutableList.builder();
    for (int repetition = 0; repetition < seeds; repetition++) {
      for (TaskSpec task : tasks) {
        for (Architecture model : models) {
          trials.add(
              new TrialSpec(
                  task,
                  model,
                  size,
                  training,
                  model == Architecture.HYBRID ? mixing : null,
                  seed + repetition));
        }
      }
    }
    return trials.build();
  }

  /**
   * Runs what has not been run yet.
   *
   * @param directory of the experiment
   * @throws dev.manticore.ir.ManticoreException {@code MNT-TASK} or {@code MNT-DATA}, before
   *     anything is run, if a task cannot be made; else what {@link TrialRunner#run} throws
   */
  public ImmutableList<Outcome> run(
      Path directory,
      Device device,
      TrialRunner.Options options,
      Progress progress,
      Cancellation cancellation,
      Ticker ticker) {
    tasks.forEach(task -> task.open(seed));
    List<Trial> trials = new ArrayList<>();
    trials().forEach(trial -> trials.add(trial.trial()));
    ImmutableList<Path> files =
        new TrialRunner(
                directory,
                TaskTrialProcess.class.getName(),
                List.of(device.name()),
                options,
                progress,
                cancellation,
                ticker)
            .run(trials);
    return files.stream()
        .map(file -> Outcome.read(file.getParent()))
        .collect(ImmutableList.toImmutableList());
  }
}
