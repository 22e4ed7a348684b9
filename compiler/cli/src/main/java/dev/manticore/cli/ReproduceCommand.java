package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.Reproduction;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code manticore reproduce}. */
@Command(
    name = "reproduce",
    description = "Makes a result of compile once more, and compares every byte.",
    footer = {
      "",
      "It takes the recipe that is in the result, the files that this names, and as many threads",
      "as there were; nothing is taken over from earlier runs. Status 0: all files are the same.",
      "Status 1: some are not; both results are kept.",
      "",
      "Example:",
      "  manticore reproduce runs/quickstart"
    })
final class ReproduceCommand implements Callable<Integer> {

  private final Terminal terminal;
  private final Pipeline.Factory factory;

  @Mixin private CommonOptions common;
  @Mixin private ProgressOptions progress;

  @Parameters(paramLabel = "RESULT", description = "A result of compile.")
  private Path result;

  ReproduceCommand(Terminal terminal, Pipeline.Factory factory) {
    this.terminal = terminal;
    this.factory = factory;
  }

  @Override
  public Integer call() {
    Path place = terminal.existing(result);
    Reproduction.Outcome outcome =
        new Reproduction(place, Artifact.open(place).manifest().threads(), factory)
            .run(progress.progress(terminal), terminal.cancellation(), terminal.clock());
    if (progress.json()) {
      ObjectNode json =
          JsonNodeFactory.instance
              .objectNode()
              .put("same", outcome.isSame())
              .put("same_files", outcome.files());
      outcome.differing().forEach(json.putArray("differing")::add);
      if (!outcome.isSame()) {
        json.put("second", outcome.second().toString());
      }
      terminal.out().println(json);
    } else if (outcome.isSame()) {
      terminal
          .out()
          .println(place + " is reproduced: all " + outcome.files() + " files are the same");
    } else {
      terminal
          .out()
          .println(
              place
                  + " is not reproduced: "
                  + outcome.files()
                  + " files are the same, but not\n  "
                  + String.join("\n  ", outcome.differing())
                  + "\nThe second result is "
                  + outcome.second());
    }
    return outcome.isSame() ? ExitCode.OK : ExitCode.FAILED;
  }
}
