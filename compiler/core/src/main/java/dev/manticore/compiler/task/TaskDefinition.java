package dev.manticore.compiler.task;

import com.google.common.base.Joiner;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.ManticoreException;

/**
 * A generated task before its settings are chosen.
 *
 * @param title a sentence
 * @param baseline the settings that the benchmark starts from
 * @param sweeps the benchmark's variations of the baseline, one factor at a time
 * @param hard every factor at its extreme at once, as was meant
 * @param hardUpstream the same as it was run
 */
public record TaskDefinition(
    String name,
    String title,
    Settings baseline,
    ImmutableList<Sweep> sweeps,
    Settings hard,
    Settings hardUpstream,
    Factory factory) {

  /** Makes a task of settings. */
  @FunctionalInterface
  public interface Factory {
    Task create(Settings settings, long seed, Faults faults);
  }

  /**
   * A task of a benchmark by its name.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is none of that name
   */
  public static TaskDefinition byName(
      String benchmark, ImmutableMap<String, TaskDefinition> tasks, String name) {
    TaskDefinition definition = tasks.get(name);
    if (definition == null) {
      throw new ManticoreException(
          "MNT-TASK",
          "There is no "
              + benchmark
              + " task '"
              + name
              + "'"
              + Spelling.nearest(name, tasks.keySet())
                  .map(nearest -> "; did you mean '" + nearest + "'?")
                  .orElse(". There are: " + Joiner.on(", ").join(tasks.keySet()) + "."));
    }
    return definition;
  }

  /**
   * The task with settings chosen.
   *
   * @throws ManticoreException {@code MNT-TASK} if they do not go together
   */
  public Task create(Settings settings, long seed, Faults faults) {
    return factory.create(settings, seed, faults);
  }

  /** Every factor at its extreme at once. */
  public Settings hard(Faults faults) {
    return faults == Faults.UPSTREAM ? hardUpstream : hard;
  }

  /** The baseline, then each variation of it. */
  public ImmutableList<Settings> benchmark() {
    ImmutableList.Builder<Settings> all = ImmutableList.builder();
    all.add(baseline);
    for (Sweep sweep : sweeps) {
      sweep.values().forEach(value -> all.add(baseline.with(sweep.setting(), value)));
    }
    return all.build();
  }
}
