package dev.manticore.cli;

import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.SampleText;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.LinkedHashMap;
import java.util.Map;
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

  @Option(
      names = "--set",
      paramLabel = "NAME=VALUE",
      description = "A setting of the task; may be given several times.")
  private Map<String, String> set = new LinkedHashMap<>();

  @Option(names = "--hard", description = "Start from the paper's settings, which are hard.")
  private boolean hard;

  @Option(
      names = "--upstream",
      description = "With the faults of the published code, which are mended otherwise.")
  private boolean upstream;

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
    Faults faults = upstream ? Faults.UPSTREAM : Faults.MENDED;
    Settings settings = hard ? definition.hard(faults) : definition.baseline();
    for (Map.Entry<String, String> entry : set.entrySet()) {
      settings = settings.with(entry.getKey(), entry.getValue());
    }
    return definition.create(settings, seed, faults);
  }

  /** Refuses options that only drawn samples have. */
  void requireNoSettings() {
    if (hard || upstream || !set.isEmpty()) {
      throw new ManticoreException(
          "MNT-TASK", "--set, --hard and --upstream are for tasks that are drawn, not for files.");
    }
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
