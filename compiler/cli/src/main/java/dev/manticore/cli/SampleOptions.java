package dev.manticore.cli;

import dev.manticore.compiler.task.SampleText;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which samples of a task are shown, and how. */
final class SampleOptions {

  @Option(
      names = "--seed",
      defaultValue = "1",
      paramLabel = "N",
      description = "Seed of the task (default: ${DEFAULT-VALUE}).")
  private long seed;

  @Option(
      names = "--split",
      defaultValue = "training",
      paramLabel = "PART",
      description = "training, validation or test (default: ${DEFAULT-VALUE}).")
  private Split split;

  @Option(
      names = "--index",
      defaultValue = "0",
      paramLabel = "N",
      description = "The first sample (default: ${DEFAULT-VALUE}).")
  private int index;

  @Option(
      names = "--count",
      defaultValue = "1",
      paramLabel = "N",
      description = "How many samples (default: ${DEFAULT-VALUE}).")
  private int count;

  @Mixin private SettingOptions settings;

  @Option(names = "--json", description = "Write a JSON object a sample.")
  private boolean json;

  long seed() {
    return seed;
  }

  /**
   * The task with the settings chosen.
   *
   * @throws ManticoreException {@code MNT-TASK} if they are none
   */
  Task task(TaskDefinition definition) {
    settings.requireOf(List.of(definition.name()));
    return definition.create(settings.of(definition), seed, settings.faults());
  }

  SettingOptions settings() {
    return settings;
  }

  int show(Terminal terminal, Task task) {
    if (count < 1 || index < 0 || count > task.size(split) - index) {
      throw new ManticoreException(
          "MNT-TASK",
          "There are "
              + task.size(split)
              + " samples in the "
              + split
              + " part; --index "
              + index
              + " and --count "
              + count
              + " ask for others.");
    }
    for (int i = index; i < index + count; i++) {
      terminal.cancellation().throwIfRequested();
      if (json) {
        terminal.out().println(SampleText.json(task, split, i));
      } else {
        terminal.out().print(SampleText.text(task, split, i));
      }
    }
    return ExitCode.OK;
  }
}
