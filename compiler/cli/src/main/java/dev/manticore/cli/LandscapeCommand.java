package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.stages.LandscapeSweep;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore landscape}. */
@Command(
    name = "landscape",
    sortOptions = false,
    description = "Trains a recipe's hybrid at many fixed mixture weights and draws the losses.",
    footer = {
      "",
      "The weight of one component in one block or two goes from 0 to 1; each point is tuned from the",
      "pretrained weights, as the recipe's hybrid is. Other blocks have the weights that the search of",
      "the first seed found. Points are kept: a stopped run goes on, a second one does nothing.",
      "",
      "Example:",
      "  manticore landscape recipe.yaml --points 6 --steps 40 --block 0 --block 1"
    })
final class LandscapeCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(paramLabel = "RECIPE", description = "The recipe, a YAML file.")
  private Path recipeFile;

  @Option(
      names = "--points",
      paramLabel = "N",
      description = "Weights from 0 to 1 of each block (default: ${DEFAULT-VALUE}).")
  private int points = 11;

  @Option(
      names = "--block",
      paramLabel = "I",
      description = "A block to sweep, counted from 0; may be given twice (default: 0).")
  private List<Integer> blocks = List.of(0);

  @Option(
      names = "--component",
      paramLabel = "NAME",
      description =
          "Of more than two components, one of the two that share the blocks swept; to be given"
              + " twice, the one whose weight is the axis first.")
  private List<String> components = List.of();

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Steps of the training at each point (default: tune.steps).")
  private Integer steps;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      description = "Where the result goes (default: runs/<name of the recipe>-landscape).")
  private Optional<Path> output = Optional.empty();

  @Mixin private RecipeOptions options;
  @Mixin private ProgressOptions progress;
  @Mixin private CommonOptions common;

  LandscapeCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    ResolvedRecipe recipe = options.read(recipeFile, terminal);
    LandscapeSweep sweep =
        new LandscapeSweep(
            recipe,
            Devices.byName(recipe.recipe().device()),
            options.work(terminal),
            new LandscapeSweep.Request(
                points,
                ImmutableList.copyOf(blocks),
                ImmutableList.copyOf(components),
                steps == null ? OptionalInt.empty() : OptionalInt.of(steps)));
    Path target =
        terminal.resolve(
            output.orElseGet(() -> Path.of("runs", recipe.recipe().name() + "-landscape")));
    Pipeline.Summary summary =
        sweep.run(target, progress.progress(terminal), terminal.cancellation(), terminal.clock());
    terminal.out().println(progress.json() ? summary.json() : summary.text());
    return ExitCode.OK;
  }
}
