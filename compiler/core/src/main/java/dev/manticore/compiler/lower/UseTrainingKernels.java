package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;

/**
 * Lets operators of our own run as kernels of ONNX Runtime's training build where those win on the
 * CPU: {@code SoftmaxGrad_13} takes half the time of the operators that it stands for. Others of
 * them lose against ours or against plain operators ({@code LayerNormalizationGrad}, {@code
 * FastGeluGrad}) or are not repeatable ({@code GatherGrad}).
 */
public final class UseTrainingKernels implements Pass {

  @Override
  public String name() {
    return "use-training-kernels";
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
      if (node.op().domain().equals(OpId.MANTICORE) && node.op().name().equals("SoftmaxGrad")) {
        editor.replaceNode(
            node,
            new Node(
                OpId.microsoft("SoftmaxGrad_13"),
                node.name(),
                Attributes.of("axis", node.attributes().intValue("axis", -1)),
                ImmutableList.copyOf(node.inputs()),
                node.outputs(),
                node.origin().by(name())));
        changed = true;
      }
    }
    return changed ? editor.freezeLive() : graph;
  }
}
