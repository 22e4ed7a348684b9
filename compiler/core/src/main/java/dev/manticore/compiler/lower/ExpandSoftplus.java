package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import dev.manticore.kernels.Softplus;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Writes {@code Softplus} of float32, which ONNX Runtime computes element by element on the CPU,
 * with operators that it computes as vectors, four times as fast, as {@link Softplus} says.
 */
public final class ExpandSoftplus implements Pass {

  /** Highest power first. */
  private static final double[] COEFFICIENTS = {
    Softplus.P4, Softplus.P3, Softplus.P2, Softplus.P1, Softplus.P0
  };

  @Override
  public String name() {
    return "expand-softplus";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    Ops ops = new Ops(editor);
    Map<Value, Value> expanded = new LinkedHashMap<>();
    for (Node node : graph.nodes()) {
      if (node.op().isOnnx("Softplus")
          && node.output().elementType() == ElementType.FLOAT32
          && !graph.outputs().contains(node.output())) {
        editor.withOrigin(node.origin().by(name()));
        expanded.put(node.output(), softplus(ops, node.input(0)));
      }
    }
    if (expanded.isEmpty()) {
      return graph;
    }
    editor.replaceUses(expanded);
    return editor.freezeLive();
  }

  private static Value softplus(Ops ops, Value x) {
    Value e = ops.exp(ops.neg(ops.onnx("Abs", x)));
    Value z = ops.div(e, ops.add(e, 2));
    Value square = ops.mul(z, z);
    Value ratio = ops.scalar(ElementType.FLOAT32, COEFFICIENTS[0]);
    for (int i = 1; i < COEFFICIENTS.length; i++) {
      ratio = ops.add(ops.mul(square, ratio), COEFFICIENTS[i]);
    }
    return ops.add(ops.onnx("Relu", x), ops.mul(z, ratio));
  }
}
