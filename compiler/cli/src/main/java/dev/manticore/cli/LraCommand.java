package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.task.SampleText;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.compiler.task.lra.LraFiles;
import dev.manticore.compiler.task.lra.LraTasks;
import dev.manticore.compiler.trial.TaskSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code manticore lra}, the parent of what is done with the tasks of Long Range Arena. */
@Command(
    name = "lra",
    description = {
      "Shows the tasks of Long Range Arena, which classify long sequences, and trains models on",
      "them."
    },
    synopsisSubcommandLabel = "WHAT",
    footer = {
      "",
      "Examples:",
      "  manticore lra list",
      "  manticore lra sample pathfinder",
      "  manticore lra sample text --files aclImdb"
    })
final class LraCommand implements Callable<Integer> {

  private static final String TITLE = "Long Range Arena";

  private final Terminal terminal;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common;

  LraCommand(Terminal terminal) {
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
      description =
          "Lists the tasks that are drawn, with their settings, and what files hold others.",
      footer = {"", "Example:", "  manticore lra list"})
  Integer list(
      @Option(names = "--json", description = "Write a JSON object a task that is drawn.")
          boolean json,
      @Mixin CommonOptions listCommon) {
    for (TaskDefinition definition : LraTasks.ALL.values()) {
      terminal.out().println(SampleText.of(definition, json));
    }
    if (!json) {
      terminal.out().println("From files, with --files DIR:");
      LraFiles.FORMATS.forEach(
          (task, files) -> terminal.out().println(String.format("  %-10s %s", task, files)));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "sample",
      sortOptions = false,
      description = "Shows samples of a task: tokens or an image, and the class.",
      footer = {
        "",
        "The same command shows the same samples, on every machine.",
        "",
        "Example:",
        "  manticore lra sample listops --set above=20 --set below=60 --count 2"
      })
  Integer sample(
      @Parameters(paramLabel = "TASK", description = "A task of manticore lra list.") String task,
      @Mixin LraFileOptions files,
      @Mixin SampleOptions options,
      @Mixin CommonOptions sampleCommon) {
    if (files.areAbsent()) {
      return options.show(terminal, options.task(LraTasks.byName(task)));
    }
    options.settings().requireNone();
    Task opened =
        LraFiles.open(
            task,
            files.directory(terminal),
            new LraFiles.Options(
                files.length(task), LraFiles.Options.of(task).holdout(), options.seed()));
    return options.show(terminal, opened);
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
        "  manticore lra run listops --set above=20 --set below=100 -o listops"
      })
  Integer run(
      @Parameters(paramLabel = "TASK", arity = "1..*", description = "Tasks of manticore lra list.")
          List<String> tasks,
      @Mixin LraFileOptions files,
      @Mixin SettingOptions settings,
      @Mixin ExperimentOptions options,
      @Mixin CommonOptions runCommon) {
    if (files.areAbsent()) {
      return options.run(terminal, TITLE, settings.drawn(TaskSpec.Benchmark.LRA, tasks));
    }
    settings.requireNone();
    ImmutableList.Builder<TaskSpec> specs = ImmutableList.builder();
    for (String name : tasks) {
      specs.add(
          TaskSpec.read(
              TaskSpec.Benchmark.LRA, name, files.directory(terminal), files.length(name)));
    }
    return options.run(terminal, TITLE, specs.build());
  }

  @Command(
      name = "table",
      sortOptions = false,
      description = "Shows what trials of lra run came to, as manticore mad table does.",
      footer = {"", "Example:", "  manticore lra table listops"})
  Integer table(
      @Parameters(paramLabel = "DIR", description = "The directory of the experiment.")
          Path directory,
      @Option(names = "--json", description = "Write one JSON object that names the files.")
          boolean json,
      @Mixin CommonOptions tableCommon) {
    return ExperimentTable.show(terminal, terminal.existing(directory), json);
  }
}
