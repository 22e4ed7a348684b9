package dev.manticore.cli;

import dev.manticore.compiler.stages.PartialCompilation;
import picocli.CommandLine.Command;

/** {@code manticore tune}. */
@Command(
    name = "tune",
    description = "Runs a recipe up to the tuning and shows the losses.",
    footer = {
      "",
      "Shows the held-out loss of the hybrid, and of each component tuned alone, for every seed, and",
      "where the parameters are kept. A second run does nothing, and a compile of the same recipe only",
      "publishes.",
      "",
      "Example:",
      "  manticore tune recipe.yaml --set search.discretise=argmax"
    })
final class TuneCommand extends PartialCommand {

  TuneCommand(Terminal terminal) {
    super(terminal);
  }

  @Override
  PartialCompilation.Goal goal() {
    return PartialCompilation.Goal.TUNE;
  }
}
