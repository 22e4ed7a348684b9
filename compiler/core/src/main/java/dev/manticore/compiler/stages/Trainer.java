package dev.manticore.compiler.stages;

import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * What all stages train with.
 *
 * @param threads threads of a step
 * @param checkpointInterval time between two checkpoints
 */
record Trainer(Device device, int threads, Duration checkpointInterval) {

  /**
   * @param threads 0 for all cores
   */
  static Trainer of(Device device, int threads, Duration checkpointInterval) {
    int all = Runtime.getRuntime().availableProcessors();
    return new Trainer(device, threads == 0 ? all : threads, checkpointInterval);
  }

  /** Adds what results depend on. */
  StageInputs.Builder describe(StageInputs.Builder inputs) {
    return inputs.value("threads", Integer.toString(threads)).value("device", device.name());
  }

  /** Trains with the stage's own checkpoints, progress and metrics. */
  TrainingRun.Result train(TrainingRun.Request request, StageContext context, Path parameters) {
    Path checkpoints = context.checkpoints();
    int done = TrainingRun.stepsDone(checkpoints);
    // Records of steps that an interrupted run took after its last checkpoint are taken again.
    boolean resumed = done > 0;
    try (MetricsWriter metrics =
        MetricsWriter.open(
            context.directory().resolve(Stages.METRICS),
            entry -> resumed && entry.step() <= done)) {
      return TrainingRun.run(
          request,
          checkpoints,
          parameters,
          new TrainingRun.Surroundings(
              context.progress(),
              Optional.of(metrics),
              context.cancellation(),
              checkpointInterval));
    }
  }
}
