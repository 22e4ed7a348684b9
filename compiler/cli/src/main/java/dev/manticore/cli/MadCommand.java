package dev.manticore.cli;

import dev.manticore.compiler.experiment.ExperimentPlan;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.stages.Families;
import dev.manticore.compiler.task.SampleText;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.compiler.task.mad.MadTasks;
import dev.manticore.compiler.trial.Programming;
import dev.manticore.compiler.trial.TaskSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code manticore mad}, the parent of what is done with the MAD tasks. */
@Command(
    name = "mad",
    description = {
      "Shows the six tasks of MAD, small sequences that each ask for one ability, and trains",
      "models on them."
    },
    synopsisSubcommandLabel = "WHAT",
    footer = {
      "",
      "Examples:",
      "  manticore mad list",
      "  manticore mad sample noisy-recall --set length=32 --set noise=0.4",
      "  manticore mad run memorization -o memory"
    })
final class MadCommand implements Callable<Integer> {

  private static final String TITLE = "MAD";

  private final Terminal terminal;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common;

  MadCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(terminal.err());
    return ExitCode.USAGE;
  }

  @Command(
      name = "list",
      sortOptions = false,
      description = "Lists the tasks with their settings and the sweeps of the benchmark.",
      footer = {"", "Example:", "  manticore mad list"})
  Integer list(
      @Option(names = "--json", description = "Write a JSON object a task.") boolean json,
      @Mixin CommonOptions listCommon) {
    for (TaskDefinition definition : MadTasks.ALL.values()) {
      terminal.out().println(SampleText.of(definition, json));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "sample",
      sortOptions = false,
      description = "Shows samples of a task: tokens, and behind an arrow what is asked there.",
      footer = {
        "",
        "The same command shows the same samples, on every machine.",
        "",
        "Example:",
        "  manticore mad sample selective-copying --set length=40 --count 3 --seed 7"
      })
  Integer sample(
      @Parameters(paramLabel = "TASK", description = "A task of manticore mad list.") String task,
      @Mixin SampleOptions options,
      @Mixin CommonOptions sampleCommon) {
    return options.show(terminal, options.task(MadTasks.byName(task)));
  }

  @Command(
      name = "run",
      sortOptions = false,
      description = {
        "Trains models from scratch on tasks and measures them on samples they never saw.",
        "What is there already is not run again; a stopped run goes on with the same command."
      },
      footer = {
        "",
        "Example:",
        "  manticore mad run in-context-recall memorization --set length=64 -o recall"
      })
  Integer run(
      @Parameters(
              paramLabel = "TASK",
              arity = "0..*",
              description = "Tasks of manticore mad list (default: all of them).")
          List<String> tasks,
      @Mixin SettingOptions settings,
      @Mixin ExperimentOptions options,
      @Mixin CommonOptions runCommon) {
    List<String> names = tasks == null || tasks.isEmpty() ? MadTasks.ALL.keySet().asList() : tasks;
    return options.run(terminal, TITLE, settings.drawn(TaskSpec.Benchmark.MAD, names));
  }

  @Command(
      name = "table",
      sortOptions = false,
      description = {
        "Shows what trials of mad run came to: means over seeds with 95 %% intervals, and how far",
        "the hybrid is from the others, by paired tests. The same is written as a page, CSV and JSON."
      },
      footer = {"", "Example:", "  manticore mad table recall"})
  Integer table(
      @Parameters(paramLabel = "DIR", description = "The directory of the experiment.")
          Path directory,
      @Option(names = "--json", description = "Write one JSON object that names the files.")
          boolean json,
      @Mixin CommonOptions tableCommon) {
    return ExperimentTable.show(terminal, terminal.existing(directory), json);
  }

  @Command(
      name = "program",
      sortOptions = false,
      description = {
        "Takes the mixture weights that hybrids of mad run found and carries them to a recipe's",
        "hybrid: a mean over seeds and tasks, by depth and family. Writes the lines for the recipe."
      },
      footer = {
        "",
        "Example:",
        "  manticore mad program recall recipe.yaml --weight in-context-recall=2"
      })
  Integer program(
      @Parameters(paramLabel = "DIR", description = "The directory of the experiment.")
          Path directory,
      @Parameters(paramLabel = "RECIPE", description = "The recipe, a YAML file.") Path recipeFile,
      @Option(
              names = "--weight",
              paramLabel = "TASK=N",
              description = "How much a task counts (default: 1); may be given several times.")
          Map<String, Double> weights,
      @Mixin RecipeOptions options,
      @Mixin CommonOptions programCommon) {
    Path experiment = terminal.existing(directory);
    Recipe recipe = options.read(recipeFile, terminal).recipe();
    Programming programming =
        Programming.of(
            ExperimentPlan.read(experiment).finished(experiment).stream()
                .map(FinishedTrial::outcome)
                .toList(),
            weights == null ? Map.of() : weights);
    terminal
        .out()
        .println(
            "search:\n  method: fixed\n  steps: 1\n  weights: "
                + programming.carry(Families.of(recipe), recipe.splice().blocks()).stream()
                    .map(MadCommand::row)
                    .toList());
    return ExitCode.OK;
  }

  private static List<String> row(List<Double> weights) {
    return weights.stream().map(weight -> String.format(Locale.ROOT, "%.4f", weight)).toList();
  }
}
