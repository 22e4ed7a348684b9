package dev.manticore.cli;

import dev.manticore.compiler.stages.PartialCompilation;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code manticore select}. */
@Command(
    name = "select",
    description =
        "Says which of a recipe's models fits its data, by one search instead of training all.",
    footer = {
      "",
      "Runs the recipe up to the search, for every seed, and ranks the components by the mean of their",
      "mixture weights. With --check each component is tuned alone too, for as many steps as a hybrid.",
      "",
      "Example:",
      "  manticore select recipe.yaml --set search.steps=60"
    })
final class SelectCommand extends PartialCommand {

  @Option(
      names = "--check",
      description = "Tune every component alone too, and say whether the choice is right.")
  private boolean check;

  SelectCommand(Terminal terminal) {
    super(terminal);
  }

  @Override
  PartialCompilation.Goal goal() {
    return check ? PartialCompilation.Goal.CHECK_SELECTION : PartialCompilation.Goal.SELECT;
  }
}
