package dev.manticore.compiler.convert;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.component.ParameterMatching;
import dev.manticore.compiler.diff.ModelDiff;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.compare.GraphComparison;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.huggingface.Checkpoint;
import dev.manticore.onnx.huggingface.Dtype;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.huggingface.WriteOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Turns checkpoints, ONNX models and graphs in textual form into each other.
 *
 * <p>A graph that came from a checkpoint carries its configuration in its metadata, so that it can
 * become a checkpoint again. Before it does, the model that the checkpoint describes is compared
 * with the graph: a graph that computes something else has no checkpoint.
 */
public final class Conversion {

  /** The key of a graph's metadata that holds the configuration of the checkpoint it came from. */
  public static final String CONFIGURATION = "dev.manticore.config";

  /** What belongs to a checkpoint and is copied from one to another. */
  private static final ImmutableList<String> BESIDE =
      ImmutableList.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "vocab.json",
          "merges.txt",
          "generation_config.json");

  private static final int REPORTED = 3;

  /**
   * What to convert, and into what.
   *
   * @param output a name that ends in {@code .onnx} or {@code .hir}, else a directory for a
   *     checkpoint
   * @param like a checkpoint of the model, which says how parameters are called and laid out; for
   *     graphs that do not carry their configuration
   * @param weights the type of stored weights, and the size of a checkpoint's files
   * @param placement where the weights of an ONNX model go
   */
  public record Request(
      Path input, Path output, Optional<Path> like, WriteOptions weights, Placement placement) {}

  private Conversion() {}

  /**
   * Converts.
   *
   * @return the graph as it was read
   * @throws ManticoreException {@code MNT-CONVERT} if a graph cannot become a checkpoint, and what
   *     reading and writing models throws
   */
  public static Graph convert(Request request) {
    if (request
        .input()
        .toAbsolutePath()
        .normalize()
        .equals(request.output().toAbsolutePath().normalize())) {
      throw failure(request.input() + " cannot be written over itself");
    }
    boolean fromCheckpoint =
        Files.isDirectory(request.input()) && !ModelFiles.isExport(request.input());
    Graph graph = ModelFiles.read(request.input());
    if (isGraph(request.output())) {
      Graph written = fromCheckpoint ? withConfiguration(graph, request.input()) : graph;
      ModelFiles.write(
          stored(written, request.weights().dtype()), request.output(), request.placement());
      return graph;
    }
    if (Files.isRegularFile(request.output())) {
      throw failure(
          request.output()
              + " is a file that ends in neither .onnx nor .hir; a checkpoint is a directory");
    }
    if (fromCheckpoint) {
      Models.write(
          request.output(),
          Checkpoint.read(request.input()),
          Models.parameters(graph),
          request.weights());
      copyBeside(request.input(), request.output());
    } else {
      writeCheckpoint(widened(graph), request);
    }
    return graph;
  }

  private static boolean isGraph(Path output) {
    return output.toString().endsWith(".onnx") || output.toString().endsWith(".hir");
  }

  private static Graph withConfiguration(Graph graph, Path checkpoint) {
    GraphEditor editor = graph.edit();
    editor.metadata(CONFIGURATION, ModelConfig.read(checkpoint.resolve("config.json")).toText());
    return editor.freeze();
  }

  private static void writeCheckpoint(Graph graph, Request request) {
    String text = graph.metadata().get(CONFIGURATION);
    if (request.like().isPresent()) {
      Path place = request.like().get();
      Checkpoint like = Checkpoint.read(place);
      Graph model = Models.load(place);
      Graph named = named(graph, model) ? graph : ParameterMatching.adopt(graph, model);
      requireSame(request, named, like.config());
      Models.write(request.output(), like, parameters(named, model), request.weights());
      copyBeside(place, request.output());
    } else if (text != null) {
      ModelConfig config = ModelConfig.parse("the configuration in " + request.input(), text);
      requireSame(request, graph, config);
      WriteOptions weights = request.weights();
      if (weights.dtype() == Dtype.AS_STORED) {
        // Widened when it was read: narrowing gives the same bits again.
        weights = weights.withDtype(dtype(config));
      }
      Models.write(request.output(), config, Models.parameters(graph), weights);
      Path beside = request.input().toAbsolutePath().getParent();
      if (beside != null) {
        copyBeside(beside, request.output());
      }
    } else {
      throw failure(
          request.input()
              + " carries no configuration, so that nothing says of which family it is; name a"
              + " checkpoint of the same model with --like");
    }
  }

  private static Dtype dtype(ModelConfig config) {
    for (String key : List.of("torch_dtype", "dtype")) {
      Optional<Dtype> named = Dtype.called(config.json().path(key).asText());
      if (named.isPresent()) {
        return named.get();
      }
    }
    return Dtype.AS_STORED;
  }

  private static boolean named(Graph graph, Graph model) {
    return model.parameters().keySet().stream()
        .allMatch(parameter -> graph.parameter(parameter.name()).isPresent());
  }

  /** The parameters of a model, as a graph has them. */
  private static ImmutableMap<String, Tensor> parameters(Graph graph, Graph model) {
    ImmutableMap.Builder<String, Tensor> parameters = ImmutableMap.builder();
    for (Value parameter : model.parameters().keySet()) {
      graph
          .parameter(parameter.name())
          .ifPresent(value -> parameters.put(value.name(), graph.parameters().get(value)));
    }
    return parameters.buildOrThrow();
  }

  /** A checkpoint stands for what its family's builder makes of it, which must be the graph. */
  private static void requireSame(Request request, Graph graph, ModelConfig config) {
    Graph model;
    try {
      model =
          Models.build(
              graph.name(),
              new Checkpoint(request.output(), config, request.input(), Models.parameters(graph)));
    } catch (ManticoreException e) {
      throw new ManticoreException(
          "MNT-CONVERT",
          request.input()
              + " cannot become a checkpoint: its parameters are not those of the model ("
              + e.getMessage()
              + ")",
          e);
    }
    GraphComparison comparison = ModelDiff.structure(model, graph);
    if (!comparison.same()) {
      throw failure(
          request.input()
              + " cannot become a checkpoint: it does not compute what "
              + config.source()
              + " describes, "
              + comparison.places().stream()
                  .limit(REPORTED)
                  .map(place -> "'" + place.first() + "' but '" + place.second() + "'")
                  .toList());
    }
  }

  /** A graph that keeps its weights as another type, and widens them when it is run. */
  private static Graph stored(Graph graph, Dtype dtype) {
    if (dtype == Dtype.AS_STORED || dtype == Dtype.FLOAT32) {
      return graph;
    }
    int version = graph.opsets().getOrDefault(OpId.ONNX, OpId.OPSET);
    GraphEditor editor = graph.edit();
    Map<Value, Value> widened = new HashMap<>();
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (tensor.elementType() == ElementType.FLOAT32) {
                editor.parameterToInput(value);
                editor.removeInput(value);
              }
            });
    Map<Value, Tensor> all = new LinkedHashMap<>(graph.parameters());
    all.forEach(
        (value, tensor) -> {
          if (tensor.elementType() == ElementType.FLOAT32) {
            Tensor narrow = dtype.convert(value.name(), tensor);
            Value parameter = new Value(value.name(), narrow.type());
            editor.setParameter(parameter, narrow);
            widened.put(
                value,
                editor.add(
                    new OpId(OpId.ONNX, "Cast", version),
                    Attributes.of("to", ElementType.FLOAT32.onnxNumber()),
                    parameter));
          }
        });
    editor.replaceUses(widened);
    return editor.freeze();
  }

  /** The graph with its weights as what they are widened to. */
  private static Graph widened(Graph graph) {
    Set<Value> readOtherwise = new HashSet<>(graph.outputs());
    for (Node node : graph.nodes()) {
      if (!isWidening(graph, node)) {
        readOtherwise.addAll(node.reads());
      }
    }
    GraphEditor editor = graph.edit();
    Map<Value, Value> wide = new HashMap<>();
    Map<Value, Value> widened = new HashMap<>();
    for (Node node : graph.nodes()) {
      if (isWidening(graph, node) && !readOtherwise.contains(node.input(0))) {
        Value parameter = node.input(0);
        if (!wide.containsKey(parameter)) {
          Tensor tensor =
              Dtype.FLOAT32.convert(parameter.name(), graph.parameters().get(parameter));
          Value value = new Value(parameter.name(), tensor.type());
          editor.parameterToInput(parameter);
          editor.removeInput(parameter);
          editor.setParameter(value, tensor);
          wide.put(parameter, value);
        }
        widened.put(node.output(), wide.get(parameter));
        editor.removeNode(node);
      }
    }
    if (widened.isEmpty()) {
      return graph;
    }
    editor.replaceUses(widened);
    return editor.freeze();
  }

  private static boolean isWidening(Graph graph, Node node) {
    return node.op().isOnnx("Cast")
        && graph.parameters().containsKey(node.input(0))
        && node.output().elementType() == ElementType.FLOAT32
        && (node.input(0).elementType() == ElementType.FLOAT16
            || node.input(0).elementType() == ElementType.BFLOAT16);
  }

  private static void copyBeside(Path from, Path to) {
    try {
      for (String name : BESIDE) {
        Path file = from.resolve(name);
        if (Files.isRegularFile(file) && !Files.exists(to.resolve(name))) {
          Files.copy(file, to.resolve(name));
        }
      }
    } catch (IOException e) {
      throw new ManticoreException("MNT-WRITE", "cannot copy to " + to + ": " + e.getMessage(), e);
    }
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-CONVERT", message);
  }
}
