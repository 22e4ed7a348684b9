package dev.manticore.compiler.trial;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.compiler.task.lra.LraFiles;
import dev.manticore.compiler.task.lra.LraTasks;
import dev.manticore.compiler.task.mad.MadTasks;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.Map;

/**
 * A task in words, as a trial's spec holds it.
 *
 * @param benchmark where the task is from
 * @param settings of a task that is drawn, each as users write it; empty for one from files
 * @param upstream with the faults of the published code
 * @param files the directory of a task's published files; empty for one that is drawn
 * @param contents the fingerprint of the task from files; empty for one that is drawn
 * @param length the most tokens of a text from files; 0 for one that is drawn
 */
public record TaskSpec(
    Benchmark benchmark,
    String name,
    Map<String, String> settings,
    boolean upstream,
    String files,
    String contents,
    int length) {

  /** Where a task is from. */
  public enum Benchmark {
    MAD,
    LRA
  }

  public TaskSpec {
    settings = ImmutableMap.copyOf(settings);
  }

  /** A task that is drawn. */
  public static TaskSpec drawn(Benchmark benchmark, String name, Settings settings, Faults faults) {
    return new TaskSpec(benchmark, name, settings.texts(), faults == Faults.UPSTREAM, "", "", 0);
  }

  /**
   * A task from files, which are read once.
   *
   * @throws ManticoreException as {@link LraFiles#open}
   */
  public static TaskSpec read(Benchmark benchmark, String name, Path files, int length) {
    String place = files.toAbsolutePath().toString();
    TaskSpec unread = new TaskSpec(benchmark, name, ImmutableMap.of(), false, place, "", length);
    return new TaskSpec(
        benchmark, name, ImmutableMap.of(), false, place, unread.open(0).fingerprint(), length);
  }

  /**
   * @throws ManticoreException {@code MNT-TASK} if the benchmark has no such task
   */
  public static TaskDefinition definition(Benchmark benchmark, String name) {
    return benchmark == Benchmark.MAD ? MadTasks.byName(name) : LraTasks.byName(name);
  }

  /**
   * Makes the task.
   *
   * @throws ManticoreException {@code MNT-TASK} if the settings are none, {@code MNT-DATA} if the
   *     files are not what they should be
   */
  public Task open(long seed) {
    if (!files.isEmpty()) {
      return LraFiles.open(
          name,
          Path.of(files),
          new LraFiles.Options(length, LraFiles.Options.of(name).holdout(), seed));
    }
    TaskDefinition definition = definition(benchmark, name);
    Settings chosen = definition.baseline();
    for (Map.Entry<String, String> entry : settings.entrySet()) {
      chosen = chosen.with(entry.getKey(), entry.getValue());
    }
    return definition.create(chosen, seed, upstream ? Faults.UPSTREAM : Faults.MENDED);
  }
}
