package dev.manticore.compiler.memory;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Makes ONNX Runtime run nodes in a given order.
 *
 * <p>ONNX Runtime takes the nodes that no other reads, the last of the file first, and runs each
 * after all that it depends on, depth first ({@code GraphViewer} in its {@code
 * core/graph/graph_viewer.cc}); the order of the file decides nothing else. So nodes get a reader
 * that nobody reads, a {@code Shape} of none of the axes, in the reverse of the order at the end of
 * the file: the last one makes the first node run, and so on. A node whose successor in the order
 * reads it needs none. This holds if ONNX Runtime leaves the graph as it is, without optimization.
 */
final class ExecutionOrder {

  private ExecutionOrder() {}

  /**
   * Adds what makes nodes run in an order.
   *
   * @param order all nodes of the editor but constants, each after all that it reads
   */
  static void impose(GraphEditor editor, List<Node> order) {
    Set<Value> read = new HashSet<>();
    order.forEach(node -> read.addAll(node.reads()));
    int end = order.size();
    // Nodes that nobody reads, at the end of it, may come in any order.
    while (end > 0 && order.get(end - 1).presentOutputs().stream().noneMatch(read::contains)) {
      end--;
    }
    ImmutableList.Builder<Value> last = ImmutableList.builder();
    for (int i = 0; i < end; i++) {
      Node node = order.get(i);
      boolean followed =
          i + 1 < end
              && order.get(i + 1).reads().stream().anyMatch(node.presentOutputs()::contains);
      if (!followed) {
        last.add(node.presentOutputs().get(0));
      }
    }
    for (Value value : last.build().reverse()) {
      editor.add(
          OpId.onnx("Shape"),
          "after/" + value.name(),
          Attributes.of("start", 0).with("end", 0),
          List.of(Optional.of(value)),
          1);
    }
  }
}
