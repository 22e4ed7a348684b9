package dev.manticore.compiler.trial;

import dev.manticore.compiler.experiment.TrialProcess;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;

/** The process of a {@link TaskTrial}; its arguments are a device and the trial's directory. */
public final class TaskTrialProcess {

  private TaskTrialProcess() {}

  public static void main(String[] args) {
    Device device = Devices.byName(args[0]);
    TrialProcess.main(
        args,
        (spec, directory, cancellation) ->
            TaskTrial.run(
                    TrialSpec.of(spec),
                    device,
                    Runtime.getRuntime().availableProcessors(),
                    directory,
                    Progress.quiet(),
                    cancellation)
                .json());
  }
}
