package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class UseTrainingKernelsTest {

  @Test
  void softmaxGradientIsThatOfItsBody() {
    TensorType type = TensorType.of(ElementType.FLOAT32, 2, 3, 4);
    GraphEditor editor = new GraphEditor("gradient");
    Ops ops = new Ops(editor);
    Value dy = editor.input("dy", type);
    Value y = ops.softmax(editor.input("x", type), -1);
    Value dx = ops.own("SoftmaxGrad", Attributes.of("axis", -1), 1, dy, y).get(0);
    editor.output(dx);
    Graph graph = editor.freeze();
    Map<String, Tensor> inputs = Map.of("dy", random(type, 1), "x", random(type, 2));

    Graph lowered = new UseTrainingKernels().run(graph);

    assertThat(lowered.nodes())
        .anyMatch(node -> node.op().equals(OpId.microsoft("SoftmaxGrad_13")));
    double[] expected =
        new Interpreter()
            .run(
                graph, Map.of("dy", NdArray.of(inputs.get("dy")), "x", NdArray.of(inputs.get("x"))))
            .get(dx.name())
            .data();
    try (ModelSession session =
        ModelSession.open(
            CpuDevice.instance(), OnnxExporter.toBytes(lowered), SessionConfig.defaults())) {
      assertThat(session.run(inputs).get(dx.name()).toDoubles())
          .containsExactly(expected, within(1e-6));
    }
  }

  private static Tensor random(TensorType type, long seed) {
    double[] values = new Random(seed).doubles(type.shape().elementCount(), -2, 2).toArray();
    return Tensor.ofDoubles(type.elementType(), type.shape(), values);
  }
}
