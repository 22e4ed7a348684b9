package dev.manticore.cli;

import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Option;

/** The settings of a task that is drawn. */
final class SettingOptions {

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

  /**
   * The settings chosen.
   *
   * @throws ManticoreException {@code MNT-TASK} if the task has no such setting, or no such value
   *     of it
   */
  Settings of(TaskDefinition definition) {
    Settings settings = hard ? definition.hard(faults()) : definition.baseline();
    for (Map.Entry<String, String> entry : set.entrySet()) {
      settings = settings.with(entry.getKey(), entry.getValue());
    }
    return settings;
  }

  Faults faults() {
    return upstream ? Faults.UPSTREAM : Faults.MENDED;
  }

  /** Refuses options that only drawn samples have. */
  void requireNone() {
    if (hard || upstream || !set.isEmpty()) {
      throw new ManticoreException(
          "MNT-TASK", "--set, --hard and --upstream are for tasks that are drawn, not for files.");
    }
  }
}
