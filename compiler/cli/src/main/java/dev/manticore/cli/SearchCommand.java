package dev.manticore.cli;

import dev.manticore.compiler.stages.PartialCompilation;
import picocli.CommandLine.Command;

/** {@code manticore search}. */
@Command(
    name = "search",
    description = "Runs a recipe up to the search and shows the mixture weights found.",
    footer = {
      "",
      "Shows the weights of each block and component for every seed, and where they are kept. A second",
      "run does nothing, and a compile of the same recipe goes on from there.",
      "",
      "Example:",
      "  manticore search recipe.yaml --set search.method=gaea"
    })
final class SearchCommand extends PartialCommand {

  SearchCommand(Terminal terminal) {
    super(terminal);
  }

  @Override
  PartialCompilation.Goal goal() {
    return PartialCompilation.Goal.SEARCH;
  }
}
