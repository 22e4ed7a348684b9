package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.Set;

/** Lets operators of our own run as the kernels of the same names that a device has. */
public final class UseKernels implements Pass {

  /** Kernels that take all inputs of their operator, the optional ones too. */
  private static final ImmutableMap<String, Integer> INPUTS = ImmutableMap.of("CausalConv", 3);

  private final ImmutableSet<String> kernels;

  /**
   * @param kernels the names of the kernels, without domain
   */
  public UseKernels(Set<String> kernels) {
    this.kernels = ImmutableSet.copyOf(kernels);
  }

  @Override
  public String name() {
    return "use-kernels";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    boolean changed = false;
    for (Node node : graph.nodes()) {
      int inputs = node.inputs().size();
      if (node.op().domain().equals(OpId.MANTICORE)
          && kernels.contains(node.op().name())
          && INPUTS.getOrDefault(node.op().name(), inputs) == inputs) {
        editor.replaceNode(
            node,
            new Node(
                OpId.kernel(node.op().name()),
                node.name(),
                node.attributes(),
                node.inputs(),
                node.outputs(),
                node.origin()));
        changed = true;
      }
    }
    return changed ? editor.freezeLive() : graph;
  }
}
