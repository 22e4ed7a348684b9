package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore compile}. */
@Command(
    name = "compile",
    description = "Builds the hybrid that a recipe describes: searches, tunes, verifies, exports.",
    footer = {
      "",
      "A second run does nothing, a changed recipe redoes what changed, and a stopped run goes on",
      "where it was.",
      "",
      "Example:",
      "  manticore compile recipe.yaml --set seeds=1 -o runs/try"
    })
final class CompileCommand implements Callable<Integer> {

  private final Terminal terminal;
  private final Pipeline.Factory factory;

  @Mixin private CommonOptions common;
  @Mixin private ProgressOptions progress;
  @Mixin private RecipeOptions options;

  @Parameters(paramLabel = "RECIPE", description = "The recipe, a YAML file.")
  private Path recipeFile;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      description = "Where the result goes (default: runs/<name of the recipe>).")
  private Optional<Path> output = Optional.empty();

  @Option(names = "--dry-run", description = "Show what would be run, and why; run nothing.")
  private boolean dryRun;

  @Option(
      names = "--explain-config",
      description = "Show every value of the recipe and where it comes from; run nothing.")
  private boolean explainConfig;

  CompileCommand(Terminal terminal, Pipeline.Factory factory) {
    this.terminal = terminal;
    this.factory = factory;
  }

  @Override
  public Integer call() {
    ResolvedRecipe recipe = options.read(recipeFile, terminal);
    if (explainConfig) {
      explain(recipe);
      return ExitCode.OK;
    }
    Path target = terminal.resolve(output.orElseGet(() -> Path.of("runs", recipe.recipe().name())));
    Compilation compilation = new Compilation(recipe, factory, options.work(terminal), target);
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

  private void explain(ResolvedRecipe recipe) {
    if (!progress.json()) {
      terminal.out().print(recipe.explanation());
      return;
    }
    for (ResolvedRecipe.Explained row : recipe.explain()) {
      terminal
          .out()
          .println(
              JsonNodeFactory.instance
                  .objectNode()
                  .put("path", row.path())
                  .put("value", row.value())
                  .put("source", row.source()));
    }
  }
}
