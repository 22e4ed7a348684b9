package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.task.GeneratedTask;
import dev.manticore.compiler.task.Setting;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Sweep;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.stream.Stream;

/** The tasks of Long Range Arena that are drawn, with the settings of paper.md §7. */
public final class LraTasks {

  /** All of them, by name. */
  public static final ImmutableMap<String, TaskDefinition> ALL =
      Stream.of(listOps(), pathfinder())
          .collect(ImmutableMap.toImmutableMap(TaskDefinition::name, task -> task));

  private LraTasks() {}

  /**
   * A task by its name.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is none of that name
   */
  public static TaskDefinition byName(String name) {
    return TaskDefinition.byName("generated LRA", ALL, name);
  }

  private static Settings settings(
      String task, int training, int validation, int test, Setting... own) {
    Setting[] all = new Setting[3 + own.length];
    all[0] = GeneratedTask.TRAINING.by(training);
    all[1] = GeneratedTask.VALIDATION.by(validation);
    all[2] = GeneratedTask.TEST.by(test);
    System.arraycopy(own, 0, all, 3, own.length);
    return Settings.of(task, all);
  }

  private static TaskDefinition listOps() {
    String name = "listops";
    Settings baseline =
        settings(
            name,
            96_000,
            2000,
            2000,
            ListOps.DEPTH,
            ListOps.ARGUMENTS,
            ListOps.OPERATORS,
            ListOps.ABOVE,
            ListOps.BELOW);
    return new TaskDefinition(
        name,
        "The value of nested minima, maxima, medians and sums of digits.",
        baseline,
        ImmutableList.of(),
        baseline,
        baseline,
        (settings, seed, faults) -> new ListOps(name, settings, seed, faults));
  }

  private static TaskDefinition pathfinder() {
    String name = "pathfinder";
    Settings baseline =
        settings(name, 160_000, 20_000, 20_000, Pathfinder.CONTOUR_LENGTH, Pathfinder.CONTINUITY);
    return new TaskDefinition(
        name,
        "Whether two marks in an image lie at the ends of one dashed path.",
        baseline,
        ImmutableList.of(Sweep.of("contour_length", 9, 6)),
        baseline,
        // The paper's code reads the folder of the shortest paths only (paper.md §8.1).
        baseline.with("contour_length", 6),
        (settings, seed, faults) -> new Pathfinder(name, settings, seed, faults));
  }
}
