package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import dev.manticore.onnx.ConvertedData;
import java.util.HashMap;
import java.util.Map;

/**
 * Computes in float32 what a graph computes in bfloat16, and rounds each result to what bfloat16
 * holds: for our own process, since no provider of ONNX Runtime has kernels for all of it. The
 * CPU's has next to none, that for CUDA lacks {@code Exp}, {@code Erf} and {@code Sigmoid}. Inputs
 * and outputs of bfloat16 become float32.
 */
public final class EmulateBrainFloat implements Pass {

  /** Whether a graph computes in bfloat16 anywhere. */
  public static boolean isNeeded(Graph graph) {
    return graph.parameters().keySet().stream().anyMatch(EmulateBrainFloat::isBrainFloat)
        || graph.inputs().stream().anyMatch(EmulateBrainFloat::isBrainFloat)
        || graph.nodes().stream()
            .flatMap(node -> node.presentOutputs().stream())
            .anyMatch(EmulateBrainFloat::isBrainFloat);
  }

  @Override
  public String name() {
    return "emulate-brain-float";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    if (!isNeeded(graph)) {
      return graph;
    }
    GraphEditor before = graph.edit();
    GraphEditor editor = new GraphEditor(graph.name());
    Ops ops = new Ops(editor);
    Map<Value, Value> values = new HashMap<>();
    for (Value input : graph.inputs()) {
      if (isBrainFloat(input)) {
        TensorType wide = input.type().withElementType(ElementType.FLOAT32);
        values.put(input, editor.input(input.name(), wide));
      } else {
        editor.addInput(input);
      }
    }
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      Value value = parameter.getKey();
      if (isBrainFloat(value)) {
        values.put(value, editor.parameter(value.name(), widened(value, parameter.getValue())));
      } else {
        editor.setParameter(value, parameter.getValue());
      }
    }
    for (Node node : graph.nodes()) {
      editor.withOrigin(node.origin());
      if (node.op().isOnnx("Cast") && isBrainFloat(node.output())) {
        Value wide =
            ops.cast(values.getOrDefault(node.input(0), node.input(0)), ElementType.FLOAT32);
        values.put(node.output(), rounded(ops, wide));
      } else if (node.op().isOnnx("Constant") && isBrainFloat(node.output())) {
        Tensor tensor = before.constantOf(node.output()).orElseThrow();
        values.put(node.output(), editor.constant(widened(node.output(), tensor)));
      } else {
        Copies.copy(editor, node, values);
        for (Value output : node.presentOutputs()) {
          if (isBrainFloat(output)) {
            values.put(output, rounded(ops, values.get(output)));
          }
        }
      }
    }
    for (Value output : graph.outputs()) {
      Value now = values.getOrDefault(output, output);
      editor.output(now.name().equals(output.name()) ? now : ops.named(output.name(), now));
    }
    graph.metadata().forEach(editor::metadata);
    return editor.freezeLive();
  }

  private static Tensor widened(Value value, Tensor tensor) {
    return ConvertedData.convert(value.name(), tensor, ElementType.FLOAT32);
  }

  private static Value rounded(Ops ops, Value value) {
    return ops.cast(ops.cast(value, ElementType.BFLOAT16), ElementType.FLOAT32);
  }

  private static boolean isBrainFloat(Value value) {
    return value.isTensor() && value.elementType() == ElementType.BFLOAT16;
  }
}
