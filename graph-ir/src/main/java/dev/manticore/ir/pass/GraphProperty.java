package dev.manticore.ir.pass;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.List;
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
      if (!areStatic(graph.inputs())) {
        return false;
      }
      for (Node node : graph.nodes()) {
        if (!areStatic(node.presentOutputs())) {
          return false;
        }
        for (Graph subgraph : node.attributes().graphs()) {
          if (!holds(subgraph)) {
            return false;
          }
        }
      }
      return true;
    }
  },

  /** No node has a subgraph. */
  FLAT {
    @Override
    public boolean holds(Graph graph) {
      for (Node node : graph.nodes()) {
        if (!node.attributes().graphs().isEmpty()) {
          return false;
        }
      }
      return true;
    }
  };

  public abstract boolean holds(Graph graph);

  private static boolean areStatic(List<Value> values) {
    for (Value value : values) {
      if (!value.isTensor() || !value.shape().isStatic()) {
        return false;
      }
    }
    return true;
  }

  private static boolean allNodes(Graph graph, Predicate<Node> condition) {
    for (Node node : graph.nodes()) {
      if (!condition.test(node)) {
        return false;
      }
      for (Graph subgraph : node.attributes().graphs()) {
        if (!allNodes(subgraph, condition)) {
          return false;
        }
      }
    }
    return true;
  }
}
