package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import java.util.Map;
import java.util.Optional;

/** Lets nodes read other values than they did, their subgraphs included. */
public final class Rewiring {

  private Rewiring() {}

  /** The node with other values in place of some that it, or a subgraph of it, reads. */
  public static Node rewire(Node node, Map<Value, Value> replacements) {
    return new Node(
        node.op(),
        node.name(),
        node.attributes().mapGraphs(subgraph -> rewire(subgraph, replacements)),
        node.inputs().stream()
            .map(input -> input.map(value -> replacements.getOrDefault(value, value)))
            .collect(ImmutableList.toImmutableList()),
        node.outputs(),
        node.origin(),
        node.annotations());
  }

  private static Graph rewire(Graph graph, Map<Value, Value> replacements) {
    if (graph.captures().stream().noneMatch(replacements::containsKey)) {
      return graph;
    }
    return new Graph(
        graph.name(),
        graph.inputs(),
        graph.parameters(),
        graph.nodes().stream()
            .map(node -> rewire(node, replacements))
            .collect(ImmutableList.toImmutableList()),
        graph.outputs().stream()
            .map(value -> Optional.ofNullable(replacements.get(value)).orElse(value))
            .collect(ImmutableList.toImmutableList()),
        graph.opsets(),
        graph.metadata(),
        graph.functions(),
        graph.model(),
        graph.annotations());
  }
}
