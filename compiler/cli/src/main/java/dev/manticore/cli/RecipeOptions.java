package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** Options of commands that read a recipe. */
final class RecipeOptions {

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description =
          "Override a value of the recipe, such as tune.steps=500 or components.0.model=DIR;"
              + " may be repeated. Relative paths are taken from the current directory.")
  private List<String> overrides = List.of();

  @Option(
      names = "--work",
      paramLabel = "DIR",
      description = "Where stages are kept between runs (default: .manticore).")
  private Path work = Path.of(".manticore");

  ResolvedRecipe read(Path recipe, Terminal terminal) {
    return new RecipeReader(terminal.workingDirectory())
        .read(terminal.resolve(recipe), ImmutableList.copyOf(overrides));
  }

  Path work(Terminal terminal) {
    return terminal.resolve(work);
  }
}
