package dev.manticore.compiler.extract;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Takes one region out of a graph. */
final class Extractor {

  private final Graph graph;
  private final ImmutableSet<Value> starts;
  private final List<Value> ends;
  private final ImmutableMap<Value, ImmutableList<Integer>> axes;
  private final GraphEditor editor;
  private final int version;

  /** What depends on a graph's input that is no start, and on no start. */
  private final Set<Value> before = new HashSet<>();

  private final Map<Node, ImmutableList<Extent>> shapes = new HashMap<>();

  /** An extent that is a number, or that of a start along an axis. */
  private sealed interface Extent {}

  private record Known(long extent) implements Extent {}

  private record OfStart(Value start, int axis) implements Extent {}

  /**
   * @param axes of values before the region whose shapes it may read: for each axis the one of the
   *     first start that has its extent
   */
  Extractor(
      Graph graph,
      List<Value> starts,
      List<Value> ends,
      ImmutableMap<Value, ImmutableList<Integer>> axes) {
    this.graph = graph;
    this.starts = ImmutableSet.copyOf(starts);
    this.ends = ends;
    this.axes = axes;
    this.version = graph.opsets().getOrDefault(OpId.ONNX, OpId.OPSET);
    this.editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    graph.inputs().stream().filter(input -> !this.starts.contains(input)).forEach(before::add);
    Set<Value> after = new HashSet<>(this.starts);
    for (Node node : graph.nodes()) {
      if (node.reads().stream().anyMatch(after::contains)) {
        after.addAll(node.presentOutputs());
      } else if (node.reads().stream().anyMatch(before::contains)) {
        before.addAll(node.presentOutputs());
      }
    }
    before.removeAll(this.starts);
  }

  Extraction extract() {
    for (Value end : ends) {
      if (starts.contains(end)) {
        throw Extraction.failure(
            "value '" + end.name() + "' is both where the region begins and where it ends");
      }
    }
    Set<Value> leading = new HashSet<>(ends);
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream()
          .anyMatch(output -> leading.contains(output) && !starts.contains(output))) {
        leading.addAll(node.reads());
      }
    }
    for (Value start : starts) {
      // Inputs of the graph that nothing reads are asked for only where all are.
      if (!leading.contains(start) && !graph.inputs().contains(start)) {
        throw Extraction.failure(
            "nothing leads from '"
                + start.name()
                + "' to "
                + ends.stream().map(end -> "'" + end.name() + "'").toList());
      }
    }
    Set<Value> needed = new LinkedHashSet<>(ends);
    List<Node> nodes = new ArrayList<>();
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream()
          .anyMatch(output -> needed.contains(output) && !starts.contains(output))) {
        nodes.add(node);
        Optional<ImmutableList<Extent>> shape = shape(node);
        if (shape.isPresent()) {
          shapes.put(node, shape.get());
          shape.get().stream()
              .filter(OfStart.class::isInstance)
              .forEach(extent -> needed.add(((OfStart) extent).start()));
        } else {
          needed.addAll(node.reads());
        }
      }
    }
    Collections.reverse(nodes);
    starts.stream().filter(needed::contains).forEach(editor::addInput);
    ImmutableList.Builder<Value> added = ImmutableList.builder();
    for (Value input : graph.inputs()) {
      if (needed.contains(input) && !starts.contains(input)) {
        editor.addInput(input);
        added.add(input);
      }
    }
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (needed.contains(value) && !starts.contains(value)) {
                editor.setParameter(value, tensor);
              }
            });
    nodes.forEach(node -> editor.addNode(shapes.containsKey(node) ? joined(node) : node));
    ends.forEach(editor::output);
    graph.opsets().forEach(editor::opset);
    graph.metadata().forEach(editor::metadata);
    graph.functions().forEach(editor::function);
    return new Extraction(editor.freezeLive(), added.build());
  }

  /** What a node gives that reads the shape of something before the region, if that is known. */
  private Optional<ImmutableList<Extent>> shape(Node node) {
    if (!node.op().isOnnx("Shape") || !before.contains(node.input(0))) {
      return Optional.empty();
    }
    Value read = node.input(0);
    if (!read.isTensor() || !read.shape().isRanked()) {
      return Optional.empty();
    }
    int rank = read.shape().rank();
    int first = clamped(node.attributes().intValue("start", 0), rank);
    int end = clamped(node.attributes().intValue("end", rank), rank);
    ImmutableList.Builder<Extent> extents = ImmutableList.builder();
    for (int axis = first; axis < end; axis++) {
      Optional<Extent> extent = extent(read, axis);
      if (extent.isEmpty()) {
        return Optional.empty();
      }
      extents.add(extent.get());
    }
    return Optional.of(extents.build()).filter(all -> !all.isEmpty());
  }

  private Optional<Extent> extent(Value read, int axis) {
    Dim dim = read.shape().dim(axis);
    if (dim.isKnown()) {
      return Optional.of(new Known(dim.extent()));
    }
    if (axes.containsKey(read)) {
      return Optional.of(new OfStart(starts.asList().get(0), axes.get(read).get(axis)));
    }
    if (dim instanceof Dim.Symbolic) {
      for (Value start : starts) {
        if (start.isTensor() && start.shape().isRanked() && start.shape().dims().contains(dim)) {
          return Optional.of(new OfStart(start, start.shape().dims().indexOf(dim)));
        }
      }
    }
    return Optional.empty();
  }

  private static int clamped(long index, int rank) {
    return (int) Math.max(0, Math.min(rank, index < 0 ? index + rank : index));
  }

  /** A node that joins extents to what another one gives as a shape. */
  private Node joined(Node shape) {
    ImmutableList.Builder<Optional<Value>> operands = ImmutableList.builder();
    for (Extent extent : shapes.get(shape)) {
      if (extent instanceof Known known) {
        operands.add(Optional.of(constant(known.extent())));
      } else {
        OfStart of = (OfStart) extent;
        Value whole = editor.add(new OpId(OpId.ONNX, "Shape", version), of.start());
        operands.add(
            Optional.of(
                editor.add(new OpId(OpId.ONNX, "Gather", version), whole, constant(of.axis()))));
      }
    }
    return new Node(
        new OpId(OpId.ONNX, "Concat", version),
        shape.name(),
        Attributes.of("axis", 0),
        operands.build(),
        shape.outputs(),
        shape.origin().by("extract"));
  }

  private Value constant(long value) {
    return editor
        .add(
            new OpId(OpId.ONNX, "Constant", version),
            "constant",
            Attributes.of("value", Attribute.of(Tensor.vector(value))),
            List.of(),
            1)
        .get(0);
  }
}
