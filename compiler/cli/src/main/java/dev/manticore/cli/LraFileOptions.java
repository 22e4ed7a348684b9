package dev.manticore.cli;

import dev.manticore.compiler.task.lra.LraFiles;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Whether samples of a task come from its published files, and how much of them. */
final class LraFileOptions {

  @Option(
      names = "--files",
      paramLabel = "DIR",
      description = "Read the task's published files there, instead of drawing samples.")
  private Optional<Path> files = Optional.empty();

  @Option(
      names = "--length",
      paramLabel = "N",
      description =
          "Tokens of a text from files, its end included (default: 2048; retrieval 4000).")
  private Optional<Integer> length = Optional.empty();

  boolean areAbsent() {
    return files.isEmpty();
  }

  /** Only where there are files. */
  Path directory(Terminal terminal) {
    return terminal.existing(files.orElseThrow());
  }

  int length(String task) {
    return length.orElse(LraFiles.Options.of(task).longest());
  }
}
