package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.ExperimentPlan;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.report.ExperimentReport;
import dev.manticore.compiler.trial.Architecture;
import java.nio.file.Path;

/** What came of an experiment, as a table on the terminal and as files beside the trials. */
final class ExperimentTable {

  /** What the others are compared with, where it is there. */
  private static final String REFERENCE = Architecture.HYBRID.toString();

  private ExperimentTable() {}

  /**
   * Writes the report of the trials that are done, and shows its table.
   *
   * @param json whether the last line is a JSON object and the only one
   * @throws dev.manticore.ir.ManticoreException {@code MNT-EXPERIMENT} if there are no trials
   */
  static int show(Terminal terminal, Path directory, boolean json) {
    ExperimentPlan plan = ExperimentPlan.read(directory);
    ImmutableList<FinishedTrial> trials = plan.finished(directory);
    ImmutableList<String> models =
        trials.stream()
            .map(trial -> trial.outcome().model())
            .distinct()
            .collect(ImmutableList.toImmutableList());
    String reference = models.contains(REFERENCE) ? REFERENCE : models.get(0);
    ExperimentReport report =
        ExperimentReport.of(plan.title(), plan.notes(), reference, trials, ImmutableList.of());
    report.write(directory);
    Path page = directory.resolve(ExperimentReport.PAGE);
    if (json) {
      terminal
          .out()
          .println(
              JsonNodeFactory.instance
                  .objectNode()
                  .put("trials", trials.size())
                  .put("table", directory.resolve(ExperimentReport.TABLE).toString())
                  .put("page", page.toString()));
    } else {
      report.lines().forEach(terminal.out()::println);
      terminal.out().println();
      terminal.out().println("Report: " + page);
    }
    return ExitCode.OK;
  }
}
