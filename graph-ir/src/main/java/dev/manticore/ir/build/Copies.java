package dev.manticore.ir.build;

import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Copies nodes, with their subgraphs, from one graph into another. */
public final class Copies {

  private Copies() {}

  /**
   * Copies a node, inferring the types of its outputs anew.
   *
   * @param values what the values that it reads are called in the editor; extended with its
   *     outputs. A value that is not there is read as it is.
   */
  public static void copy(GraphEditor editor, Node node, Map<Value, Value> values) {
    List<Optional<Value>> operands = new ArrayList<>();
    for (Optional<Value> input : node.inputs()) {
      operands.add(input.map(value -> values.getOrDefault(value, value)));
    }
    List<Value> results =
        editor.add(
            node.op(),
            node.op().name(),
            node.attributes().mapGraphs(subgraph -> copySubgraph(editor, subgraph, values)),
            operands,
            node.outputs().size());
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
      values.put(input, editor.freshInput(input.name(), input.valueType()));
    }
    graph.nodes().forEach(node -> copy(editor, node, values));
    graph.outputs().forEach(output -> editor.output(values.getOrDefault(output, output)));
    return editor.freeze();
  }
}
