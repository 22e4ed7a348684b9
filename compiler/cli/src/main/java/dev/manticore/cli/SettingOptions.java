package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.compiler.trial.TaskSpec;
import dev.manticore.ir.ManticoreException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** The settings of a task that is drawn. */
final class SettingOptions {

  @Option(
      names = "--set",
      paramLabel = "[TASK.]NAME=VALUE",
      description = "A setting of the task, or of one of the tasks; may be given several times.")
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
      String name = entry.getKey();
      int dot = name.indexOf('.');
      if (dot < 0) {
        settings = settings.with(name, entry.getValue());
      } else if (name.substring(0, dot).equals(definition.name())) {
        settings = settings.with(name.substring(dot + 1), entry.getValue());
      }
    }
    return settings;
  }

  /**
   * Tasks that are drawn, with the settings chosen.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is no such task or setting, or a setting
   *     is of none of these tasks
   */
  ImmutableList<TaskSpec> drawn(TaskSpec.Benchmark benchmark, List<String> names) {
    requireOf(names);
    return names.stream()
        .map(
            name ->
                TaskSpec.drawn(benchmark, name, of(TaskSpec.definition(benchmark, name)), faults()))
        .collect(ImmutableList.toImmutableList());
  }

  /**
   * @throws ManticoreException {@code MNT-TASK} if a setting is of none of these tasks
   */
  void requireOf(List<String> chosen) {
    for (String name : set.keySet()) {
      int dot = name.indexOf('.');
      if (dot >= 0 && !chosen.contains(name.substring(0, dot))) {
        throw new ManticoreException(
            "MNT-TASK",
            "--set " + name + " is for none of the tasks " + String.join(", ", chosen) + ".");
      }
    }
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
