package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import java.util.Map;
import java.util.Optional;

/** Lets nodes read other values than they did, their subgraphs included. */
public final class Rewiring {

  private Rewiring() {}

  /** The node with other values in place of some that it, or a subgraph of it, reads. */
  public static Node rewire(Node node, Map<Value, Value> replacements) {
    ImmutableList.Builder<Optional<Value>> inputs =
        ImmutableList.builderWithExpectedSize(node.inputs().size());
    for (Optional<Value> input : node.inputs()) {
      Value replacement = input.isPresent() ? replacements.get(input.get()) : null;
      inputs.add(replacement == null ? input : Optional.of(replacement));
    }
    return new Node(
        node.op(),
        node.name(),
        node.attributes().mapGraphs(subgraph -> rewire(subgraph, replacements)),
        inputs.build(),
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
