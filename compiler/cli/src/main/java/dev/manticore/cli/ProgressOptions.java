package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.progress.Progress;
import java.util.Locale;
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

  /** A line on what would be done for a stage. */
  String shown(StagePlan plan) {
    String action = plan.action().name().toLowerCase(Locale.ROOT);
    return form.json
        ? JsonNodeFactory.instance
            .objectNode()
            .put("stage", plan.stage())
            .put("directory", plan.directory())
            .put("action", action)
            .put("why", plan.why())
            .toString()
        : String.format("%-7s %-28s %s", action, plan.directory(), plan.why());
  }

  Progress progress(Terminal terminal) {
    if (form.json) {
      return Progress.json(terminal.out());
    }
    return form.quiet ? Progress.quiet() : terminal.progress();
  }
}
