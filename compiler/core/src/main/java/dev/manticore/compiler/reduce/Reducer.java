package dev.manticore.compiler.reduce;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.HirFiles;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/** Shrinks the graph of a file while a command fails on it. */
public final class Reducer {

  /**
   * What to do.
   *
   * @param output ends in {@code .onnx} or {@code .hir}, which is also the form that the command is
   *     given
   * @param command with <code>{}</code> where the file's path goes
   * @param workingDirectory of the command
   * @param status that counts as failing; if empty, the one that the command ends with at first,
   *     which must not be 0
   * @param errors what the command must write on standard error to count as failing
   */
  public record Request(
      Path model,
      Path output,
      ImmutableList<String> command,
      Path workingDirectory,
      OptionalInt status,
      Optional<Pattern> errors,
      Reduction.Bounds bounds) {}

  private Reducer() {}

  /**
   * Shrinks. The smallest graph found so far is in the output file at any time, whole.
   *
   * @param told a line for every smaller graph
   * @throws ManticoreException {@code MNT-REDUCE} if the command does not fail on the graph as it
   *     is, and what reading and writing graphs throws
   */
  public static Reduction.Result reduce(
      Request request, Ticker ticker, Cancellation cancellation, Consumer<String> told) {
    Graph graph = ModelFiles.read(request.model());
    Path scratch = scratch();
    try {
      String suffix = request.output().toString().endsWith(HirFiles.SUFFIX) ? ".hir" : ".onnx";
      Duration time = request.bounds().time();
      CommandCheck check =
          new CommandCheck(
              graph,
              request.command(),
              request.workingDirectory(),
              scratch,
              suffix,
              request.status(),
              request.errors(),
              time,
              cancellation);
      ModelFiles.write(graph, request.output(), Placement.AUTOMATIC);
      told.accept("it fails: " + sizes(graph));
      Reduction.Result result =
          Reduction.run(
              graph,
              check,
              request.bounds(),
              ticker,
              smaller -> {
                ModelFiles.write(smaller, request.output(), Placement.AUTOMATIC);
                told.accept("smaller: " + sizes(smaller));
              });
      // What was written must be of use.
      ModelFiles.read(request.output());
      return result;
    } finally {
      delete(scratch);
    }
  }

  /** What a graph consists of, in words. */
  public static String sizes(Graph graph) {
    long elements = graph.parameterCount();
    return graph.nodes().size()
        + " nodes, "
        + graph.inputs().size()
        + " inputs, "
        + graph.outputs().size()
        + " outputs, "
        + graph.parameters().size()
        + " parameters of "
        + elements
        + " elements";
  }

  private static Path scratch() {
    try {
      return Files.createTempDirectory("manticore-reduce-");
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", "a temporary directory cannot be made: " + e.getMessage(), e);
    }
  }

  private static void delete(Path directory) {
    try {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", directory + " cannot be removed: " + e.getMessage(), e);
    }
  }
}
