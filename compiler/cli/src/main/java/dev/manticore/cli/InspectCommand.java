package dev.manticore.cli;

import dev.manticore.compiler.inspect.Inspection;
import dev.manticore.compiler.inspect.ModelSummary;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore inspect}. */
@Command(
    name = "inspect",
    description = "Shows what a model is made of: inputs, parameters, blocks, mixture weights.",
    footer = {
      "",
      "Examples:",
      "  manticore inspect runs/quickstart",
      "  manticore inspect checkpoints/gpt-neo --json"
    })
final class InspectCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A result of compile, a checkpoint directory, an .onnx file, or a hybrid.json.")
  private Path model;

  @Option(
      names = "--components",
      paramLabel = "DIR",
      description = "The directory that holds the component directories of a hybrid.json.")
  private Optional<Path> components = Optional.empty();

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  @Mixin private CommonOptions common;

  InspectCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    ModelSummary summary =
        Inspection.of(terminal.existing(model), components.map(terminal::existing));
    if (json) {
      terminal.out().println(Inspection.toJson(summary));
    } else {
      terminal.out().print(Inspection.toText(summary));
    }
    return ExitCode.OK;
  }
}
