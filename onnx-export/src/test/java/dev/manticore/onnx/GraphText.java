package dev.manticore.onnx;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import java.util.Arrays;

/** All that a graph holds, as text that tests compare. */
final class GraphText {

  private GraphText() {}

  static String of(Graph graph) {
    StringBuilder text = new StringBuilder();
    write(graph, text);
    graph
        .functions()
        .forEach(
            function -> {
              text.append("function ").append(function.op()).append(function.attributes());
              write(function.body(), text);
            });
    return text.append(graph.opsets()).append(graph.metadata()).toString();
  }

  private static void write(Graph graph, StringBuilder text) {
    text.append(graph.name()).append('\n').append(graph.inputs()).append('\n');
    graph
        .parameters()
        .forEach((value, tensor) -> text.append(value).append(bytes(tensor)).append('\n'));
    for (Node node : graph.nodes()) {
      text.append(node).append(node.op().version()).append(node.inputs()).append(node.outputs());
      node.attributes()
          .values()
          .forEach(
              (name, value) -> {
                text.append(' ').append(name).append('=');
                if (value instanceof Attribute.GraphValue inner) {
                  write(inner.value(), text);
                } else if (value instanceof Attribute.TensorValue tensor) {
                  text.append(bytes(tensor.value()));
                } else {
                  text.append(value);
                }
              });
      text.append('\n');
    }
    text.append(graph.outputs()).append('\n');
  }

  private static String bytes(Tensor tensor) {
    return tensor.type() + Arrays.toString(tensor.data().toByteArray());
  }
}
