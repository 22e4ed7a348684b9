package dev.manticore.compiler.component;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.HashSet;
import java.util.Set;

/** Which values carry what is in another. */
public final class DataFlow {

  private DataFlow() {}

  /**
   * The values that depend on the elements of one, and not on its shape only, itself among them.
   *
   * @param source an input, a parameter or a value of the graph
   */
  public static Set<Value> from(Graph graph, Value source) {
    Set<Value> data = new HashSet<>(Set.of(source));
    for (Node node : graph.nodes()) {
      boolean shapeOnly = node.op().isOnnx("Shape") || node.op().isOnnx("Size");
      if (!shapeOnly && node.reads().stream().anyMatch(data::contains)) {
        data.addAll(node.presentOutputs());
      }
    }
    return data;
  }
}
