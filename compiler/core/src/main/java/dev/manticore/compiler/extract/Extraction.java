package dev.manticore.compiler.extract;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A region of a graph as a graph of its own: what leads from some values to others. The first
 * become its inputs, with their types; parameters and constants that it reads are carried along,
 * and so is what is computed from them alone. Names stay.
 *
 * @param graph the region
 * @param added inputs of the whole graph that the region reads too, past the values asked for
 */
public record Extraction(Graph graph, ImmutableList<Value> added) {

  /**
   * Extracts what leads from some values to others.
   *
   * <p>Where the region reads but the shape of an input of the graph, and each dimension of that is
   * one of the values asked for too, by its symbol, the shape is taken from these.
   *
   * @param from values of the graph by name; if empty, its inputs
   * @param to values of the graph by name; if empty, its outputs
   * @throws ManticoreException {@code MNT-EXTRACT} if the graph has no such value, or a value asked
   *     for is not between the others
   */
  public static Extraction of(Graph graph, List<String> from, List<String> to) {
    Map<String, Value> values = new LinkedHashMap<>();
    graph.inputs().forEach(value -> values.put(value.name(), value));
    graph.parameters().keySet().forEach(value -> values.put(value.name(), value));
    graph
        .nodes()
        .forEach(node -> node.presentOutputs().forEach(value -> values.put(value.name(), value)));
    return between(
        graph,
        from.isEmpty() ? graph.inputs() : named(graph, from, values),
        to.isEmpty() ? graph.outputs() : named(graph, to, values));
  }

  /**
   * Extracts layers of a language model: from the residual stream before the first to that after
   * the last.
   *
   * @param last counted from 0, like {@code first}; included
   * @throws ManticoreException {@code MNT-EXTRACT} if the model has no such layers
   */
  public static Extraction layers(Component component, int first, int last) {
    int count = component.layers().size();
    if (first < 0 || last < first || last >= count) {
      throw failure(
          "'"
              + component.name()
              + "' has layers 0 to "
              + (count - 1)
              + ", not "
              + (first == last ? "" + first : first + " to " + last));
    }
    Value from = first == 0 ? component.entry() : component.layers().get(first - 1);
    return between(
        component.graph(), ImmutableList.of(from), ImmutableList.of(component.layers().get(last)));
  }

  private static List<Value> named(Graph graph, List<String> names, Map<String, Value> values) {
    List<Value> found = new ArrayList<>();
    for (String name : names) {
      Value value = values.get(name);
      if (value == null) {
        throw failure(
            graph
                + " has no value '"
                + name
                + "'"
                + Spelling.nearest(name, values.keySet())
                    .map(nearest -> "; did you mean '" + nearest + "'?")
                    .orElse("; 'manticore inspect --level nodes --dot FILE' writes their names"));
      }
      found.add(value);
    }
    return found;
  }

  private static Extraction between(Graph graph, List<Value> from, List<Value> to) {
    ImmutableSet<Value> starts = ImmutableSet.copyOf(from);
    for (Value end : to) {
      if (starts.contains(end)) {
        throw failure(
            "value '" + end.name() + "' is both where the region begins and where it ends");
      }
    }
    Set<Value> needed = new LinkedHashSet<>(to);
    List<Node> nodes = new ArrayList<>();
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream().anyMatch(v -> needed.contains(v) && !starts.contains(v))) {
        nodes.add(node);
        needed.addAll(node.reads());
      }
    }
    Collections.reverse(nodes);
    for (Value start : from) {
      // Inputs of the graph that nothing reads are asked for only where all are.
      if (!needed.contains(start) && !graph.inputs().contains(start)) {
        throw failure("nothing leads from '" + start.name() + "' to " + names(to));
      }
    }
    GraphEditor editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    for (Value start : from) {
      if (needed.contains(start)) {
        editor.addInput(start);
      }
    }
    return build(graph, editor, from, to, needed, nodes);
  }

  private static Extraction build(
      Graph graph,
      GraphEditor editor,
      List<Value> from,
      List<Value> to,
      Set<Value> needed,
      List<Node> nodes) {
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (needed.contains(value) && !from.contains(value)) {
                editor.setParameter(value, tensor);
              }
            });
    ImmutableList.Builder<Value> added = ImmutableList.builder();
    Map<Node, Node> replaced = new HashMap<>();
    for (Value input : graph.inputs()) {
      if (!needed.contains(input) || from.contains(input)) {
        continue;
      }
      List<Node> readers = nodes.stream().filter(node -> node.reads().contains(input)).toList();
      Optional<List<Value>> dims = dims(editor, graph, input, from, to, readers);
      if (dims.isPresent()) {
        readers.forEach(reader -> replaced.put(reader, shape(reader, dims.get())));
      } else {
        editor.addInput(input);
        added.add(input);
      }
    }
    nodes.forEach(node -> editor.addNode(replaced.getOrDefault(node, node)));
    to.forEach(editor::output);
    graph.opsets().forEach(editor::opset);
    graph.metadata().forEach(editor::metadata);
    graph.functions().forEach(editor::function);
    return new Extraction(editor.freezeLive(), added.build());
  }

  /**
   * For each dimension of an input of which only the shape is read, a vector of one that holds it,
   * computed from the values that the region begins with; empty if that is not so.
   */
  private static Optional<List<Value>> dims(
      GraphEditor editor,
      Graph graph,
      Value input,
      List<Value> from,
      List<Value> to,
      List<Node> readers) {
    boolean shapeOnly =
        !to.contains(input)
            && readers.stream()
                .allMatch(node -> node.op().isOnnx("Shape") && !to.contains(node.output()));
    if (!shapeOnly || !input.isTensor() || !input.shape().isRanked()) {
      return Optional.empty();
    }
    int version = graph.opsets().getOrDefault(OpId.ONNX, OpId.OPSET);
    List<Value> dims = new ArrayList<>();
    for (Dim dim : input.shape().dims()) {
      Optional<Value> found =
          dim.isKnown()
              ? Optional.of(constant(editor, dim.extent(), version))
              : dim instanceof Dim.Symbolic ? extent(editor, from, dim, version) : Optional.empty();
      if (found.isEmpty()) {
        return Optional.empty();
      }
      dims.add(found.get());
    }
    return Optional.of(dims);
  }

  private static Optional<Value> extent(
      GraphEditor editor, List<Value> from, Dim dim, int version) {
    for (Value value : from) {
      if (!value.isTensor() || !value.shape().isRanked()) {
        continue;
      }
      int axis = value.shape().dims().indexOf(dim);
      if (axis >= 0) {
        Value shape = editor.add(new OpId(OpId.ONNX, "Shape", version), value);
        return Optional.of(
            editor.add(
                new OpId(OpId.ONNX, "Gather", version), shape, constant(editor, axis, version)));
      }
    }
    return Optional.empty();
  }

  private static Value constant(GraphEditor editor, long value, int version) {
    return editor
        .add(
            new OpId(OpId.ONNX, "Constant", version),
            "constant",
            Attributes.of("value", Attribute.of(Tensor.vector(value))),
            List.of(),
            1)
        .get(0);
  }

  /** A node that joins dimensions to what another one gives as a shape. */
  private static Node shape(Node shape, List<Value> dims) {
    int rank = dims.size();
    int start = clamped(shape.attributes().intValue("start", 0), rank);
    int end = clamped(shape.attributes().intValue("end", rank), rank);
    if (end <= start) {
      throw failure(shape + " reads no dimension of what it reads");
    }
    return new Node(
        new OpId(OpId.ONNX, "Concat", shape.op().version()),
        shape.name(),
        Attributes.of("axis", 0),
        dims.subList(start, end).stream()
            .map(Optional::of)
            .collect(ImmutableList.toImmutableList()),
        shape.outputs(),
        shape.origin().by("extract"));
  }

  private static int clamped(long index, int rank) {
    return (int) Math.max(0, Math.min(rank, index < 0 ? index + rank : index));
  }

  private static List<String> names(List<Value> values) {
    return values.stream().map(value -> "'" + value.name() + "'").toList();
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-EXTRACT", message);
  }
}
