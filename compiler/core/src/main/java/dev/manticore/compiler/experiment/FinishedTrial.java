package dev.manticore.compiler.experiment;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a trial left in its directory.
 *
 * @param metrics the losses and the mixture along the way; may be empty
 */
public record FinishedTrial(Outcome outcome, ImmutableList<MetricRecord> metrics) {

  /**
   * Reads a trial's directory.
   *
   * @throws ManticoreException {@code MNT-OUTCOME} or {@code MNT-METRICS} if a file of it is not
   *     well formed
   */
  public static FinishedTrial read(Path directory) {
    Path metrics = directory.resolve(Metrics.FILE);
    return new FinishedTrial(
        Outcome.read(directory),
        Files.exists(metrics) ? Metrics.read(metrics) : ImmutableList.of());
  }

  /**
   * Reads all trials below a directory that have an outcome, in the order of their paths.
   *
   * @throws ManticoreException {@code MNT-EXPERIMENT} if there are none or it cannot be looked
   *     through; otherwise as {@link #read}
   */
  public static ImmutableList<FinishedTrial> readAll(Path root) {
    List<Path> directories;
    try (Stream<Path> files = Files.walk(root)) {
      directories =
          files.filter(file -> file.endsWith(Outcome.FILE)).map(Path::getParent).sorted().toList();
    } catch (IOException | UncheckedIOException e) {
      throw new ManticoreException(
          "MNT-EXPERIMENT", "cannot look for trials in " + root + ": " + e.getMessage(), e);
    }
    if (directories.isEmpty()) {
      throw new ManticoreException(
          "MNT-EXPERIMENT",
          "there is no " + Outcome.FILE + " in or below " + root + ": run trials first");
    }
    return directories.stream().map(FinishedTrial::read).collect(ImmutableList.toImmutableList());
  }
}
