package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/**
 * Makes a graph anew, node by node, so that all types are inferred again; on the way a node may be
 * replaced by a body. What inference leaves open is filled from the types declared before. Names,
 * parameters and their order stay.
 */
final class Rebuild {

  /** More bodies within bodies than any operator of ours has. */
  private static final int DEEPEST_BODY = 16;

  private final String pass;
  private final UnaryOperator<TensorType> declared;
  private final Function<Call, Optional<Graph>> bodies;
  private final Catalogue catalogue = Catalogue.standard();
  private boolean changed;

  /**
   * @param pass what the origin of new nodes names
   * @param declared the type that a value shall have, given the one declared
   * @param bodies what a node is to be replaced by, if by anything
   */
  Rebuild(String pass, UnaryOperator<TensorType> declared, Function<Call, Optional<Graph>> bodies) {
    this.pass = pass;
    this.declared = declared;
    this.bodies = bodies;
  }

  /** The rebuilt graph; the same object if neither a node nor a type has changed. */
  Graph run(Graph graph) {
    GraphEditor editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    fill(editor, graph, List.of(), new Own());
    Graph rebuilt = editor.freeze();
    return changed ? rebuilt : graph;
  }

  /** How the values of a graph are named and typed where they are written anew. */
  private abstract static class Frame {
    private final Map<Value, Value> values = new HashMap<>();

    Value get(Value old) {
      Value value = values.get(old);
      if (value == null) {
        throw new IrException(old + " is read but not defined");
      }
      return value;
    }

    Optional<Value> get(Optional<Value> old) {
      return old.map(this::get);
    }

    void put(Value old, Value value) {
      values.put(old, value);
    }

    abstract String name(Value old, GraphEditor editor);

    abstract String nodeName(Node node, String firstOutput);

    abstract TensorType declared(TensorType type);

    abstract Origin origin(Node node);

    abstract int depth();
  }

  /** The graph itself: names and origins stay. */
  private final class Own extends Frame {
    @Override
    String name(Value old, GraphEditor editor) {
      return old.name();
    }

    @Override
    String nodeName(Node node, String firstOutput) {
      return node.name();
    }

    @Override
    TensorType declared(TensorType type) {
      return Rebuild.this.declared.apply(type);
    }

    @Override
    Origin origin(Node node) {
      return node.origin();
    }

    @Override
    int depth() {
      return 0;
    }
  }

  /** A body in place of a node: its names are made fresh, its symbols mean nothing outside it. */
  private static final class Inlined extends Frame {
    private final String prefix;
    private final Origin origin;
    private final int depth;
    private final Map<Value, String> outputNames = new HashMap<>();

    Inlined(String prefix, Origin origin, int depth) {
      this.prefix = prefix;
      this.origin = origin;
      this.depth = depth;
    }

    @Override
    String name(Value old, GraphEditor editor) {
      String outputName = outputNames.get(old);
      return outputName == null ? editor.freshName(prefix + "/" + old.name()) : outputName;
    }

    @Override
    String nodeName(Node node, String firstOutput) {
      return firstOutput;
    }

    @Override
    TensorType declared(TensorType type) {
      return withDims(type, dim -> dim.isKnown() ? dim : Dim.UNKNOWN);
    }

    @Override
    Origin origin(Node node) {
      return origin;
    }

    @Override
    int depth() {
      return depth;
    }
  }

  /**
   * @param inputTypes what is known of the first inputs, from the node that runs the graph
   */
  private void fill(
      GraphEditor editor, Graph graph, List<Optional<TensorType>> inputTypes, Frame frame) {
    for (int i = 0; i < graph.inputs().size(); i++) {
      Value input = graph.inputs().get(i);
      ValueType type = declared(input, frame);
      if (type instanceof TensorType tensor
          && i < inputTypes.size()
          && inputTypes.get(i).isPresent()) {
        type = refine(inputTypes.get(i).get(), tensor);
      }
      Value value = new Value(frame.name(input, editor), type, input.annotations());
      changed |= !type.equals(input.valueType());
      editor.addInput(value);
      frame.put(input, value);
    }
    graph
        .parameters()
        .forEach(
            (parameter, tensor) -> {
              String name = frame.name(parameter, editor);
              Value value =
                  name.equals(parameter.name())
                      ? parameter
                      : new Value(name, parameter.type(), parameter.annotations());
              editor.setParameter(value, tensor);
              frame.put(parameter, value);
            });
    graph.nodes().forEach(node -> add(editor, node, frame));
    graph.outputs().forEach(output -> editor.output(frame.get(output)));
    graph.opsets().forEach(editor::opset);
    graph.metadata().forEach(editor::metadata);
    graph.functions().forEach(editor::function);
    editor.model(graph.model());
    editor.annotations(graph.annotations());
  }

  private static ValueType declared(Value value, Frame frame) {
    return value.isTensor() ? frame.declared(value.type()) : value.valueType();
  }

  private void add(GraphEditor editor, Node node, Frame frame) {
    ImmutableList<Optional<Value>> operands =
        node.inputs().stream().map(frame::get).collect(ImmutableList.toImmutableList());
    Attributes attributes = attributes(editor, node, operands, frame);
    Optional<Graph> body =
        bodies.apply(
            new Call(
                node.op(),
                attributes,
                operands,
                node.outputs().size(),
                editor::constantOf,
                editor::extentsOf));
    if (body.isPresent()) {
      inline(editor, node, operands, body.get(), frame);
      return;
    }
    List<TensorType> inferred =
        editor.infer(node.op(), node.name(), attributes, operands, node.outputs().size());
    boolean known = catalogue.find(node.op()).isPresent();
    ImmutableList.Builder<Optional<Value>> outputs = ImmutableList.builder();
    String first = "";
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        Value old = node.output(i);
        ValueType type = declared(old, frame);
        if (known && type instanceof TensorType tensor) {
          type = refine(inferred.get(i), tensor);
        }
        changed |= !type.equals(old.valueType());
        Value value = new Value(frame.name(old, editor), type, old.annotations());
        frame.put(old, value);
        outputs.add(Optional.of(value));
        first = first.isEmpty() ? value.name() : first;
      } else {
        outputs.add(Optional.empty());
      }
    }
    editor.addNode(
        new Node(
            node.op(),
            frame.nodeName(node, first),
            attributes,
            operands,
            outputs.build(),
            frame.origin(node),
            node.annotations()));
  }

  private Attributes attributes(
      GraphEditor editor, Node node, ImmutableList<Optional<Value>> operands, Frame frame) {
    if (node.attributes().graphs().isEmpty()) {
      return node.attributes();
    }
    List<Optional<TensorType>> inputTypes = bodyInputTypes(node, operands);
    return node.attributes()
        .mapGraphs(
            subgraph -> {
              GraphEditor inner = editor.subgraph(subgraph.name());
              fill(inner, subgraph, inputTypes, frame);
              return inner.freeze();
            });
  }

  /**
   * What {@code Scan} gives its body: the states as they are and one slice of each scanned input.
   * The states of a {@code Loop} may change their shapes from turn to turn: of them only the
   * element type is known.
   */
  private static List<Optional<TensorType>> bodyInputTypes(
      Node node, ImmutableList<Optional<Value>> operands) {
    List<Optional<TensorType>> types = new ArrayList<>();
    if (node.op().isOnnx("Scan") && node.op().version() >= 9) {
      int scanned = Math.toIntExact(node.attributes().intValue("num_scan_inputs", 0));
      int states = operands.size() - scanned;
      long[] axes = node.attributes().intValues("scan_input_axes");
      for (int i = 0; i < operands.size(); i++) {
        Optional<TensorType> type = operands.get(i).map(Value::type);
        int axis = i >= states && i - states < axes.length ? (int) axes[i - states] : 0;
        types.add(i < states ? type : type.map(whole -> slice(whole, axis)));
      }
    } else if (node.op().isOnnx("Loop")) {
      types.add(Optional.empty());
      types.add(Optional.empty());
      operands.stream()
          .skip(2)
          .map(state -> state.map(value -> value.type().withShape(Shape.unranked())))
          .forEach(types::add);
    }
    return types;
  }

  private static TensorType slice(TensorType type, int axis) {
    if (!type.shape().isRanked() || type.shape().rank() == 0) {
      return type.withShape(Shape.unranked());
    }
    List<Dim> dims = new ArrayList<>(type.shape().dims());
    dims.remove(axis < 0 ? axis + dims.size() : axis);
    return type.withShape(Shape.of(dims));
  }

  private void inline(
      GraphEditor editor,
      Node node,
      ImmutableList<Optional<Value>> operands,
      Graph whole,
      Frame frame) {
    changed = true;
    if (frame.depth() == DEEPEST_BODY) {
      throw new IrException(node + " is defined by bodies nested deeper than " + DEEPEST_BODY);
    }
    if (whole.outputs().size() < node.outputs().size()) {
      throw new IrException(
          node
              + " has "
              + node.outputs().size()
              + " outputs but its body only "
              + whole.outputs().size());
    }
    Graph body = restrict(whole, node);
    String prefix = frame.nodeName(node, "");
    Map<Value, String> names = new LinkedHashMap<>();
    node.presentOutputs().forEach(output -> names.put(output, frame.name(output, editor)));
    Inlined inner =
        new Inlined(
            prefix.isEmpty() ? names.values().iterator().next() : prefix,
            frame.origin(node).by(pass),
            frame.depth() + 1);
    bind(node, operands, body, inner);
    for (int i = 0, read = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        Value result = body.outputs().get(read++);
        if (body.producer(result).isPresent()) {
          inner.outputNames.putIfAbsent(result, names.get(node.output(i)));
        }
      }
    }
    body.parameters()
        .forEach(
            (parameter, tensor) -> {
              Value value = new Value(inner.name(parameter, editor), tensor.type());
              editor.addNode(
                  new Node(
                      OpId.onnx("Constant"),
                      value.name(),
                      Attributes.of("value", Attribute.of(tensor)),
                      ImmutableList.of(),
                      ImmutableList.of(Optional.of(value)),
                      inner.origin));
              inner.put(parameter, value);
            });
    body.nodes().forEach(part -> add(editor, part, inner));
    for (int i = 0, read = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        Value old = node.output(i);
        Value result = inner.get(body.outputs().get(read++));
        String name = names.get(old);
        frame.put(old, result.name().equals(name) ? result : identity(editor, result, name, inner));
      }
    }
  }

  /** The body without what only absent outputs need. */
  private static Graph restrict(Graph body, Node node) {
    if (body.outputs().size() == node.presentOutputs().size()) {
      return body;
    }
    GraphEditor editor = body.edit();
    editor.clearOutputs();
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        editor.output(body.outputs().get(i));
      }
    }
    return editor.freezeLive();
  }

  /** The inputs of a body are those of the node that are there. */
  private static void bind(
      Node node, ImmutableList<Optional<Value>> operands, Graph body, Frame inner) {
    List<Value> given = operands.stream().flatMap(Optional::stream).toList();
    if (body.inputs().size() != given.size()) {
      throw new IrException(
          node + " has " + given.size() + " inputs but its body " + body.inputs().size());
    }
    for (int i = 0; i < given.size(); i++) {
      inner.put(body.inputs().get(i), given.get(i));
    }
  }

  private static Value identity(GraphEditor editor, Value read, String name, Inlined frame) {
    Value value = new Value(name, read.valueType());
    editor.addNode(
        new Node(
            OpId.onnx("Identity"),
            name,
            Attributes.NONE,
            ImmutableList.of(Optional.of(read)),
            ImmutableList.of(Optional.of(value)),
            frame.origin));
    return value;
  }

  /** What is inferred; where that is open, what is declared. */
  private static TensorType refine(TensorType inferred, TensorType declared) {
    return inferred.completedBy(declared);
  }

  static TensorType withDims(TensorType type, UnaryOperator<Dim> change) {
    return type.shape().isRanked()
        ? type.withShape(Shape.of(type.shape().dims().stream().map(change).toList()))
        : type;
  }
}
