package dev.manticore.cli;

import dev.manticore.compiler.progress.Progress;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** How a long command tells what it does. */
final class ProgressOptions {

  @ArgGroup private Form form = new Form();

  private static final class Form {
    @Option(
        names = "--json",
        description = "Write events and the result as JSON lines to standard output.")
    private boolean json;

    @Option(names = "--quiet", description = "Show no progress.")
    private boolean quiet;
  }

  boolean json() {
    return form.json;
  }

  Progress progress(Terminal terminal) {
    if (form.json) {
      return Progress.json(terminal.out());
    }
    return form.quiet ? Progress.quiet() : terminal.progress();
  }
}
