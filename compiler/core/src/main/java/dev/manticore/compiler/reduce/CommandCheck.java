package dev.manticore.compiler.reduce;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.process.Subprocess.Outcome;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/** Writes graphs to a file and runs a command on it: whether it fails as it did at first. */
final class CommandCheck implements Predicate<Graph> {

  /** Where a command's arguments name the file. */
  static final String PLACE = "{}";

  /** A run may take so many times as long as the first did, and so much longer. */
  private static final int SLOWER = 10;

  private static final Duration GRACE = Duration.ofSeconds(5);

  private final ImmutableList<String> command;
  private final Path workingDirectory;
  private final Path file;
  private final Optional<Pattern> pattern;
  private final Cancellation cancellation;
  private final int status;
  private Duration limit;

  /**
   * Runs the command on the first graph.
   *
   * @param command with {@value #PLACE} where the file's path goes
   * @param scratch a directory for the file
   * @param status that counts as failing; if empty, the first run's
   * @param errors what standard error must hold to count as failing
   * @param limit how long the first run may take
   * @throws ManticoreException {@code MNT-REDUCE} if it does not fail
   */
  CommandCheck(
      Graph graph,
      List<String> command,
      Path workingDirectory,
      Path scratch,
      String suffix,
      OptionalInt status,
      Optional<Pattern> errors,
      Duration limit,
      Cancellation cancellation) {
    if (command.stream().noneMatch(argument -> argument.contains(PLACE))) {
      throw failure("the command " + command + " does not say with {} where the file's path goes");
    }
    this.file = scratch.resolve("candidate" + suffix);
    this.command =
        command.stream()
            .map(argument -> argument.replace(PLACE, file.toString()))
            .collect(ImmutableList.toImmutableList());
    this.workingDirectory = workingDirectory;
    this.pattern = errors;
    this.cancellation = cancellation;
    this.limit = limit;
    long start = System.nanoTime();
    Outcome first = outcome(graph);
    if (first.status().isEmpty()) {
      throw failure("the command took longer than " + limit.toSeconds() + " seconds at first");
    }
    this.status = status.orElse(first.status().getAsInt());
    if (status.isEmpty() && errors.isEmpty() && this.status == 0) {
      throw failure(
          "the command does not fail: it ends with status 0; what is to be looked for is said with"
              + " --status or --stderr-contains");
    }
    if (!matches(first)) {
      throw failure(
          "the command does not fail in that way at first: it ends with status "
              + first.status().getAsInt()
              + " and says: "
              + tail(first.errors()));
    }
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    Duration usual = took.multipliedBy(SLOWER).plus(GRACE);
    this.limit = usual.compareTo(limit) < 0 ? usual : limit;
  }

  @Override
  public boolean test(Graph graph) {
    cancellation.throwIfRequested();
    return matches(outcome(graph));
  }

  private boolean matches(Outcome outcome) {
    return outcome.status().equals(OptionalInt.of(status))
        && pattern.map(wanted -> wanted.matcher(outcome.errors()).find()).orElse(true);
  }

  private Outcome outcome(Graph graph) {
    ModelFiles.write(graph, file, Placement.AUTOMATIC);
    try {
      return new Subprocess(command, workingDirectory, limit).run(cancellation);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-REDUCE", "the command " + command + " cannot be run: " + e.getMessage(), e);
    }
  }

  private static String tail(String text) {
    String stripped = text.strip();
    return stripped.isEmpty()
        ? "nothing"
        : stripped.substring(Math.max(0, stripped.length() - 400));
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-REDUCE", message);
  }
}
