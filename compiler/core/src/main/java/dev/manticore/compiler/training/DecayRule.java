package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Tells the parameters that weight decay is for from those that it never touches: matrices that
 * multiply and tables that are looked up from norms, biases, {@code A_log}, {@code D} and mixture
 * weights. The use in the graph decides, not the name.
 */
final class DecayRule {

  private static final ImmutableSet<String> VIEWS =
      ImmutableSet.of("Transpose", "Reshape", "Identity");

  private DecayRule() {}

  /** A group of the parameters of these names. */
  static ParameterGroup group(String name, Graph graph, Predicate<String> members) {
    Set<Value> decayed = multiplied(graph);
    ImmutableList.Builder<String> with = ImmutableList.builder();
    ImmutableList.Builder<String> without = ImmutableList.builder();
    for (Value parameter : graph.parameters().keySet()) {
      if (parameter.elementType().isFloating() && members.test(parameter.name())) {
        (decayed.contains(parameter) ? with : without).add(parameter.name());
      }
    }
    return new ParameterGroup(name, with.build(), without.build());
  }

  private static Set<Value> multiplied(Graph graph) {
    Set<Value> found = new HashSet<>();
    for (Node node : graph.nodes().reverse()) {
      boolean view = node.op().domain().equals(OpId.ONNX) && VIEWS.contains(node.op().name());
      if (view && found.contains(node.output())) {
        found.add(node.input(0));
      }
      switch (node.op().name()) {
        case "MatMul", "Gemm" -> {
          found.add(node.input(0));
          found.add(node.input(1));
        }
        case "Conv", "CausalConv", "Projector" -> found.add(node.input(1));
        case "Gather" -> found.add(node.input(0));
        default -> {
          // Everything else leaves its parameters undecayed.
        }
      }
    }
    return found;
  }
}
