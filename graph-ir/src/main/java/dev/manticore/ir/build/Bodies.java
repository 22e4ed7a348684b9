package dev.manticore.ir.build;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Copies graphs into graphs: bodies of operators in place of their nodes, regions of one model into another. */
public final class Bodies {

  private Bodies() {}

  /**
   * Replaces a node by the body of its operator.
   *
   * @return whether the operator has a body
   */
  public static boolean inline(GraphEditor editor, Node node) {
    Optional<Graph> body =
        Catalogue.standard()
            .find(node.op())
            .flatMap(
                operator ->
                    operator.body(
                        new Call(
                            node.op(),
                            node.attributes(),
                            node.inputs(),
                            node.outputs().size(),
                            editor::constantOf)));
    body.ifPresent(graph -> replace(editor, node, graph));
    return body.isPresent();
  }

  private static void replace(GraphEditor editor, Node node, Graph body) {
    Map<Value, Value> values = new HashMap<>();
    List<Value> operands = node.presentInputs();
    for (int i = 0; i < operands.size(); i++) {
      values.put(body.inputs().get(i), operands.get(i));
    }
    editor.removeNode(node);
    editor.withOrigin(node.origin());
    editor.enter(node.name());
    for (Node inner : body.nodes()) {
      copy(editor, inner, values);
    }
    editor.leave();
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        // The value keeps its name and type; the copy is what it is.
        editor.addNode(
            new Node(
                OpId.onnx("Identity"),
                node.output(i).name(),
                Attributes.NONE,
                ImmutableList.of(Optional.of(values.get(body.outputs().get(i)))),
                ImmutableList.of(Optional.of(node.output(i))),
                node.origin()));
      }
    }
  }

  /**
   * Copies a node, inferring the types of its outputs anew.
   *
   * @param values what the values that it reads are called in the editor; extended with its outputs. A value that is not
   *     there is read as it is.
   */
  public static void copy(GraphEditor editor, Node node, Map<Value, Value> values) {
    List<Optional<Value>> operands = new ArrayList<>();
    for (Optional<Value> input : node.inputs()) {
      operands.add(input.map(value -> values.getOrDefault(value, value)));
    }
    Map<String, Attribute> attributes = new LinkedHashMap<>(node.attributes().values());
    attributes.replaceAll(
        (name, attribute) ->
            attribute instanceof Attribute.GraphValue subgraph
                ? Attribute.of(copySubgraph(editor, subgraph.value(), values))
                : attribute);
    List<Value> results =
        editor.add(
            node.op(), node.op().name(), Attributes.of(attributes), operands, node.outputs().size());
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        values.put(node.output(i), results.get(i));
      }
    }
  }

  private static Graph copySubgraph(GraphEditor around, Graph graph, Map<Value, Value> outer) {
    if (!graph.parameters().isEmpty()) {
      throw new IrException(graph + " inside another graph has parameters of its own");
    }
    GraphEditor editor = around.subgraph(graph.name());
    Map<Value, Value> values = new HashMap<>(outer);
    for (Value input : graph.inputs()) {
      values.put(input, editor.input(editor.freshName(input.name()), input.type()));
    }
    graph.nodes().forEach(node -> copy(editor, node, values));
    graph.outputs().forEach(output -> editor.output(values.getOrDefault(output, output)));
    return editor.freeze();
  }
}
