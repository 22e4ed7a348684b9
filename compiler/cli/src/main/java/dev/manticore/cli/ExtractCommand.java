package dev.manticore.cli;

import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.extract.Extraction;
import dev.manticore.compiler.extract.LayerChoice;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore extract}. */
@Command(
    name = "extract",
    sortOptions = false,
    description = "Takes a region of a graph as a model of its own.",
    footer = {
      "",
      "The region is what leads from some values to others. Parameters and constants that it reads",
      "go with it, and what is computed from them alone.",
      "",
      "Examples:",
      "  manticore extract checkpoints/gpt-neo --block 3 -o block.onnx",
      "  manticore extract model.onnx --from hidden --to logits -o head.hir"
    })
final class ExtractCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A checkpoint directory, an .onnx file or a .hir file.")
  private Path model;

  @Option(
      names = "--from",
      split = ",",
      paramLabel = "VALUE",
      description = "Values that the region begins with, by name (default: the graph's inputs).")
  private List<String> from = List.of();

  @Option(
      names = "--to",
      split = ",",
      paramLabel = "VALUE",
      description = "Values that it ends with, by name (default: the graph's outputs).")
  private List<String> to = List.of();

  @Option(
      names = "--block",
      paramLabel = "N",
      description = "Instead: the layer of that number, from 0 on, or several: 2-5.")
  private Optional<String> block = Optional.empty();

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "An .onnx or .hir file.")
  private Path output;

  @Mixin private CommonOptions common;

  ExtractCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Path place = terminal.existing(model);
    Extraction extraction =
        block.isPresent()
            ? LayerChoice.parse(block.get(), from, to).of(place)
            : Extraction.of(ModelFiles.read(place), from, to);
    Path target = terminal.resolve(output);
    Graph graph = extraction.graph();
    ModelFiles.write(graph, target, Placement.AUTOMATIC);
    graph.inputs().forEach(input -> terminal.out().println("input   " + input));
    graph.outputs().forEach(result -> terminal.out().println("output  " + result));
    for (Value added : extraction.added()) {
      terminal
          .err()
          .println(
              "'"
                  + added.name()
                  + "' is read too, past the values asked for: it is an input as well");
    }
    terminal
        .out()
        .println(
            graph.nodes().size()
                + " nodes and "
                + graph.parameters().size()
                + " parameters are in "
                + target);
    return ExitCode.OK;
  }
}
