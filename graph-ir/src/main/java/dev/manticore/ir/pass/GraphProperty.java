package dev.manticore.ir.pass;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.function.Predicate;

/** What passes need, make and keep; each can be checked on a graph, its subgraphs included. */
public enum GraphProperty {
  /** Every standard operator is meant as of version {@link OpId#OPSET}. */
  LIFTED {
    @Override
    public boolean holds(Graph graph) {
      return allNodes(
          graph,
          node -> !node.op().domain().equals(OpId.ONNX) || node.op().version() == OpId.OPSET);
    }
  },

  /** Every operator is of the standard domain. */
  STANDARD_OPERATORS {
    @Override
    public boolean holds(Graph graph) {
      return allNodes(graph, node -> node.op().domain().equals(OpId.ONNX));
    }
  },

  /** Every value has a shape whose extents are all known. */
  STATIC_SHAPES {
    @Override
    public boolean holds(Graph graph) {
      return graph.inputs().stream().allMatch(GraphProperty::isStatic)
          && graph.nodes().stream()
              .allMatch(
                  node ->
                      node.presentOutputs().stream().allMatch(GraphProperty::isStatic)
                          && node.attributes().graphs().stream().allMatch(this::holds));
    }
  },

  /** No node has a subgraph. */
  FLAT {
    @Override
    public boolean holds(Graph graph) {
      return graph.nodes().stream().allMatch(node -> node.attributes().graphs().isEmpty());
    }
  };

  public abstract boolean holds(Graph graph);

  private static boolean isStatic(Value value) {
    return value.isTensor() && value.shape().isStatic();
  }

  private static boolean allNodes(Graph graph, Predicate<Node> condition) {
    return graph.nodes().stream()
        .allMatch(
            node ->
                condition.test(node)
                    && node.attributes().graphs().stream()
                        .allMatch(subgraph -> allNodes(subgraph, condition)));
  }
}
