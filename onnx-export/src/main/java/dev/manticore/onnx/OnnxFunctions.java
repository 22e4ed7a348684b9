package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.protobuf.ByteString;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Operators of domain {@code dev.manticore} as model-local functions: a viewer shows one box for
 * each, and any runtime of ONNX can run it by its body.
 *
 * <p>Nodes whose bodies are the same share a function. It has the operator's name, and that of a
 * further body of one operator a number: {@code CausalConv}, {@code CausalConv_2}. Functions cannot
 * have variadic inputs, so a mixture of two values is a {@code Mixture2}. Inputs are in the places
 * of the operator's; the attributes are declared and not read, since a body is made for their
 * values. {@link OnnxImporter} finds the operator in all this again.
 */
public final class OnnxFunctions {

  /** Operators whose last input is variadic, and the number of those before. */
  private static final ImmutableMap<String, Integer> VARIADIC = ImmutableMap.of("Mixture", 1);

  private static final Pattern NUMBERED = Pattern.compile("(.*?)([0-9]*)(_[0-9]+)?");

  private final List<Graph.Function> functions = new ArrayList<>();
  private final Map<Key, OpId> known = new HashMap<>();
  private final Map<String, Integer> counts = new HashMap<>();

  private record Key(String name, ByteString body) {}

  private OnnxFunctions() {}

  /**
   * The same graph with a function for every operator of domain {@code dev.manticore} that has a
   * body in the catalogue, and the nodes, those of subgraphs too, calling them.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-ONNX-FUNCTION} if a body has parameters
   */
  public static Graph define(Graph graph) {
    OnnxFunctions definitions = new OnnxFunctions();
    GraphEditor editor = new GraphEditor(graph.name());
    definitions.fill(graph, editor);
    graph.opsets().forEach(editor::opset);
    graph.metadata().forEach(editor::metadata);
    editor.model(graph.model());
    graph.functions().forEach(editor::function);
    definitions.functions.forEach(editor::function);
    return editor.freeze();
  }

  /** Copies a graph, whose values stay the objects that they are, with its nodes made calls. */
  private void fill(Graph graph, GraphEditor editor) {
    editor.annotations(graph.annotations());
    graph.inputs().forEach(editor::addInput);
    graph.parameters().forEach(editor::setParameter);
    graph.nodes().forEach(node -> editor.addNode(rewrite(node, editor)));
    graph.outputs().forEach(editor::output);
  }

  private Node rewrite(Node node, GraphEditor editor) {
    Attributes attributes =
        node.attributes()
            .mapGraphs(
                subgraph -> {
                  GraphEditor inner = editor.subgraph(subgraph.name());
                  fill(subgraph, inner);
                  return inner.freeze();
                });
    OpId op = node.op();
    if (op.domain().equals(OpId.MANTICORE)) {
      Call call =
          new Call(op, node.attributes(), node.inputs(), node.outputs().size(), editor::constantOf);
      Optional<Graph> body = body(call);
      if (body.isPresent()) {
        op = function(op, node, body.get());
      }
    }
    return new Node(
        op,
        node.name(),
        attributes,
        node.inputs(),
        node.outputs(),
        node.origin(),
        node.annotations());
  }

  private OpId function(OpId op, Node node, Graph body) {
    Integer fixed = VARIADIC.get(op.name());
    String name = fixed == null ? op.name() : op.name() + (node.inputs().size() - fixed);
    ImmutableList<String> attributes = node.attributes().values().keySet().asList();
    Key key =
        new Key(
            name + attributes,
            CanonicalFunction.of(GraphWriter.function(new Graph.Function(op, attributes, body))));
    OpId found = known.get(key);
    if (found != null) {
      return found;
    }
    int number = counts.merge(name, 1, Integer::sum);
    OpId function = new OpId(op.domain(), number == 1 ? name : name + "_" + number, op.version());
    known.put(key, function);
    GraphEditor inner = new GraphEditor(body.name());
    fill(body, inner);
    body.opsets().forEach(inner::opset);
    functions.add(new Graph.Function(function, attributes, inner.freeze()));
    return function;
  }

  /**
   * The body of an operator's use, with an input for each of the use's, absent ones included; empty
   * if the catalogue has none.
   */
  private static Optional<Graph> body(Call call) {
    return Catalogue.standard()
        .find(call.op())
        .flatMap(operator -> operator.body(call))
        .map(body -> aligned(body, call));
  }

  private static Graph aligned(Graph body, Call call) {
    if (body.inputs().size() == call.inputCount()) {
      return body;
    }
    GraphEditor editor = new GraphEditor(body.name());
    body.inputs().forEach(input -> editor.freshName(input.name()));
    body.nodes().forEach(editor::addNode);
    int next = 0;
    for (int i = 0; i < call.inputCount(); i++) {
      editor.addInput(
          call.hasInput(i)
              ? body.inputs().get(next++)
              : new Value(
                  editor.freshName("absent" + i),
                  new TensorType(ElementType.FLOAT32, Shape.unranked())));
    }
    body.parameters().forEach(editor::setParameter);
    body.outputs().forEach(editor::output);
    body.opsets().forEach(editor::opset);
    return editor.freeze();
  }

  /**
   * The operator of our own that a function stands for: by its name, and because its body is the
   * operator's for such a use.
   *
   * @param canonical the function's canonical form
   */
  static Optional<OpId> recognise(
      OpId function,
      ByteString canonical,
      Attributes attributes,
      List<Optional<Value>> inputs,
      int outputCount,
      Function<Value, Optional<Tensor>> constants) {
    if (!function.domain().equals(OpId.MANTICORE) || !function.overload().isEmpty()) {
      return Optional.empty();
    }
    Matcher name = NUMBERED.matcher(function.name());
    if (!name.matches()) {
      return Optional.empty();
    }
    OpId op = new OpId(function.domain(), name.group(1), function.version());
    try {
      return body(new Call(op, attributes, ImmutableList.copyOf(inputs), outputCount, constants))
          .filter(
              body ->
                  CanonicalFunction.of(
                          GraphWriter.function(new Graph.Function(op, ImmutableList.of(), body)))
                      .equals(canonical))
          .map(body -> op);
    } catch (RuntimeException e) {
      // The operator does not accept such operands, so the function is another one.
      return Optional.empty();
    }
  }
}
