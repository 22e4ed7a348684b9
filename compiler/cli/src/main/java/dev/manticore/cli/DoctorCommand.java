package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.doctor.Doctor;
import dev.manticore.compiler.doctor.Finding;
import dev.manticore.compiler.doctor.Finding.Verdict;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code manticore doctor}. */
@Command(
    name = "doctor",
    description = "Says what this machine can do: JDK, cores, memory, disk, GPU, native libraries.",
    footer = {
      "",
      "Ends with status 1 when Manticore cannot work here.",
      "",
      "Example:",
      "  manticore doctor"
    })
final class DoctorCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;

  @Option(names = "--json", description = "Write the findings as one JSON object.")
  private boolean json;

  @Option(
      names = "--work",
      paramLabel = "DIR",
      description = "The work directory to look at (default: .manticore).")
  private Path work = Path.of(".manticore");

  DoctorCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    ImmutableList<Finding> findings = new Doctor(terminal.resolve(work)).examine();
    boolean works = findings.stream().noneMatch(f -> f.verdict() == Verdict.PROBLEM);
    if (json) {
      ObjectNode root = JsonNodeFactory.instance.objectNode().put("works", works);
      ArrayNode list = root.putArray("findings");
      for (Finding finding : findings) {
        list.addObject()
            .put("subject", finding.subject())
            .put("verdict", finding.verdict().name().toLowerCase(Locale.ROOT))
            .put("detail", finding.detail());
      }
      terminal.out().println(root);
    } else {
      for (Finding finding : findings) {
        String mark =
            switch (finding.verdict()) {
              case GOOD -> "ok";
              case NOTE -> "note";
              case PROBLEM -> "PROBLEM";
            };
        terminal
            .out()
            .println(String.format("%-8s %-15s %s", mark, finding.subject(), finding.detail()));
      }
    }
    return works ? ExitCode.OK : ExitCode.FAILED;
  }
}
