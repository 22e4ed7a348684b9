package dev.manticore.cli;

import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.stages.PartialCompilation;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A command that runs the stages of a recipe up to one of them. */
abstract class PartialCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;
  @Mixin private ProgressOptions progress;
  @Mixin private RecipeOptions options;

  @Parameters(paramLabel = "RECIPE", description = "The recipe, a YAML file.")
  private Path recipeFile;

  @Option(names = "--dry-run", description = "Show what would be run, and why; run nothing.")
  private boolean dryRun;

  PartialCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  /** How far to go. */
  abstract PartialCompilation.Goal goal();

  @Override
  public Integer call() {
    ResolvedRecipe recipe = options.read(recipeFile, terminal);
    PartialCompilation compilation =
        new PartialCompilation(
            recipe, Devices.byName(recipe.recipe().device()), options.work(terminal), goal());
    if (dryRun) {
      for (StagePlan plan : compilation.plan()) {
        terminal.out().println(progress.shown(plan));
      }
      return ExitCode.OK;
    }
    Pipeline.Summary summary =
        compilation.run(progress.progress(terminal), terminal.cancellation(), terminal.clock());
    terminal.out().println(progress.json() ? summary.json() : summary.text());
    return ExitCode.OK;
  }
}
