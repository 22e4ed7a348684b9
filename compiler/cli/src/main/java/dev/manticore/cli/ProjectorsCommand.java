package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.stages.ProjectorPretraining;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore projectors}. */
@Command(
    name = "projectors",
    description =
        "Trains the projectors of a recipe with frozen components, for it and others to start from.",
    footer = {
      "",
      "It is the first part of a compile whose recipe has a section projectors: whichever comes",
      "second finds it done. A stopped run goes on when the same command is given again.",
      "",
      "Example:",
      "  manticore projectors recipe.yaml --set projectors.steps=500 -o models/projectors",
      "  manticore compile other.yaml --set splice.projector.from=models/projectors"
    })
final class ProjectorsCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;
  @Mixin private ProgressOptions progress;
  @Mixin private RecipeOptions options;

  @Parameters(paramLabel = "RECIPE", description = "The recipe, a YAML file.")
  private Path recipeFile;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "The directory that the projectors become.")
  private Path output;

  ProjectorsCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    ResolvedRecipe recipe = options.read(recipeFile, terminal);
    Path target = terminal.resolve(output);
    ProjectorPretraining.Result result =
        new ProjectorPretraining(
                recipe, Devices.byName(recipe.recipe().device()), options.work(terminal), target)
            .run(progress.progress(terminal), terminal.cancellation(), terminal.clock());
    terminal
        .out()
        .println(
            progress.json()
                ? JsonNodeFactory.instance
                    .objectNode()
                    .put("output", target.toString())
                    .put("steps", result.steps())
                    .put("held_out_loss_before", result.before())
                    .put("held_out_loss_after", result.after())
                    .toString()
                : target + ": " + result.text());
    return ExitCode.OK;
  }
}
