package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StageStore;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore clean}. */
@Command(
    name = "clean",
    description = "Removes kept stages: all of them, or those that a recipe does not use.",
    footer = {"", "Example:", "  manticore clean recipe.yaml", "  manticore clean --all"})
final class CleanCommand implements Callable<Integer> {

  private final Terminal terminal;
  private final Pipeline.Factory factory;

  @Mixin private CommonOptions common;
  @Mixin private RecipeOptions options;

  @ArgGroup(multiplicity = "1")
  private Scope scope;

  private static final class Scope {
    @Parameters(
        paramLabel = "RECIPE",
        description = "Keep the stages that this recipe uses, as it is now.")
    private Path recipe;

    @Option(names = "--all", description = "Remove all stages.")
    private boolean all;
  }

  CleanCommand(Terminal terminal, Pipeline.Factory factory) {
    this.terminal = terminal;
    this.factory = factory;
  }

  @Override
  public Integer call() {
    Path work = options.work(terminal);
    ImmutableList<String> removed =
        scope.all
            ? new StageStore(work).clean(new StageStore.Everything())
            : new Compilation(options.read(scope.recipe, terminal), factory, work, work).clean();
    removed.forEach(name -> terminal.out().println("removed " + name));
    if (removed.isEmpty()) {
      terminal.out().println("nothing to remove in " + work);
    }
    return ExitCode.OK;
  }
}
