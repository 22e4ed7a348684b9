package dev.manticore.cli;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.inspect.Diagram;
import dev.manticore.compiler.inspect.DotWriter;
import dev.manticore.compiler.inspect.Inspection;
import dev.manticore.compiler.inspect.ModelSummary;
import dev.manticore.compiler.inspect.SvgWriter;
import dev.manticore.onnx.io.AtomicFiles;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore inspect}. */
@Command(
    name = "inspect",
    sortOptions = false,
    description = {
      "Shows what a model is made of: inputs, parameters and floating-point operations by part, blocks,",
      "mixture weights, operators; or draws it."
    },
    footer = {
      "",
      "A multiplication and an addition are two operations. Moving and comparing are none.",
      "",
      "Examples:",
      "  manticore inspect runs/quickstart",
      "  manticore inspect checkpoints/gpt-neo --length 1024 --json",
      "  manticore inspect runs/quickstart --svg hybrid.svg",
      "  manticore inspect block.onnx --level nodes --dot block.dot"
    })
final class InspectCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description =
          "A result of compile, a checkpoint directory, an .onnx or .hir file, or a hybrid.json.")
  private Path model;

  @Option(
      names = "--components",
      paramLabel = "DIR",
      description = "The directory that holds the component directories of a hybrid.json.")
  private Optional<Path> components = Optional.empty();

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Count operations for so many sequences (default: ${DEFAULT-VALUE}).")
  private long batch = 1;

  @Option(
      names = "--length",
      paramLabel = "N",
      description = "Count operations for sequences of so many tokens (default: 128).")
  private Long length;

  @Option(
      names = "--dim",
      paramLabel = "NAME=N",
      description = "The extent of another symbolic dimension of the inputs.")
  private Map<String, Long> dims = new LinkedHashMap<>();

  @Option(names = "--svg", paramLabel = "FILE", description = "Draw the model; a browser shows it.")
  private Optional<Path> svg = Optional.empty();

  @Option(names = "--dot", paramLabel = "FILE", description = "Write the model for Graphviz.")
  private Optional<Path> dot = Optional.empty();

  @Option(
      names = "--level",
      paramLabel = "LEVEL",
      description =
          "What is drawn: blocks, or nodes, every one (default: blocks, where they are found).")
  private Diagram.Level level = Diagram.Level.BLOCKS;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  @Mixin private CommonOptions common;

  InspectCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Inspection inspection =
        Inspection.open(
            terminal.existing(model),
            components.map(terminal::existing),
            new Inspection.Extents(
                batch,
                length == null ? OptionalLong.empty() : OptionalLong.of(length),
                ImmutableMap.copyOf(dims)));
    svg.ifPresent(
        file ->
            AtomicFiles.writeString(
                terminal.resolve(file), SvgWriter.write(inspection.diagram(level))));
    dot.ifPresent(
        file ->
            AtomicFiles.writeString(
                terminal.resolve(file), DotWriter.write(inspection.diagram(level))));
    ModelSummary summary = inspection.summary();
    if (json) {
      terminal.out().println(Inspection.toJson(summary));
    } else {
      terminal.out().print(Inspection.toText(summary));
    }
    return ExitCode.OK;
  }
}
