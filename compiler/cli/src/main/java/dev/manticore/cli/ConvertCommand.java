package dev.manticore.cli;

import dev.manticore.compiler.convert.Conversion;
import dev.manticore.ir.Graph;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore convert}. */
@Command(
    name = "convert",
    sortOptions = false,
    description = "Turns checkpoints, ONNX models and graphs as text into each other.",
    footer = {
      "",
      "A name that ends in .onnx or .hir is a graph, any other a directory for a checkpoint. A graph",
      "that was made from a checkpoint becomes one again; any other graph needs --like. Weights of a",
      ".hir file are beside it, in FILE.safetensors.",
      "",
      "Examples:",
      "  manticore convert checkpoints/mamba mamba.onnx",
      "  manticore convert mamba.onnx checkpoints/again --dtype bfloat16",
      "  manticore convert export/model.onnx checkpoints/tuned --like checkpoints/gpt2"
    })
final class ConvertCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      index = "0",
      paramLabel = "IN",
      description = "A checkpoint directory, an .onnx file or a .hir file.")
  private Path input;

  @Parameters(index = "1", paramLabel = "OUT", description = "The same, to be written.")
  private Path output;

  @Option(
      names = "--like",
      paramLabel = "CHECKPOINT",
      description = "A checkpoint of the same model, for graphs that do not say what they were.")
  private Optional<Path> like = Optional.empty();

  @Option(
      names = "--weights",
      paramLabel = "PLACE",
      description =
          "Where the weights of an .onnx file go: inline, external in FILE.data, or automatic,"
              + " which is external above 64 MiB (default: automatic).")
  private Placement weights = Placement.AUTOMATIC;

  @Mixin private CheckpointOptions checkpoint;

  @Mixin private CommonOptions common;

  ConvertCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Path target = terminal.resolve(output);
    Graph graph =
        Conversion.convert(
            new Conversion.Request(
                terminal.existing(input),
                target,
                like.map(terminal::existing),
                checkpoint.options(),
                weights));
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
