package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
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
import org.junit.jupiter.api.Test;

class LowerOpsetTest {

  private static final Tensor X = Tensor.ofFloats(Shape.of(2, 3), -3, -1, -0.1f, 0.2f, 1, 4);

  private static Graph graph(boolean rotary) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 2, 3));
    Value exact = ops.onnx("Gelu", x);
    Value tanh = ops.onnx("Gelu", Attributes.of("approximate", Attribute.of("tanh")), x);
    Value scale = editor.constant("scale", Tensor.ofFloats(Shape.of(3), 1, 2, 3));
    Value norm =
        ops.onnx(
            "RMSNormalization",
            Attributes.of("axis", -1).with("epsilon", Attribute.of(1e-3f)),
            ops.pad(x, 0, 0, 1),
            scale);
    editor.output(ops.named("exact", exact));
    editor.output(ops.named("tanh", tanh));
    editor.output(ops.named("norm", norm));
    if (rotary) {
      editor.output(ops.onnx("RegexFullMatch", x));
    }
    return editor.freeze();
  }

  @Test
  void anOlderVersionMeansTheSame() {
    Graph graph = graph(false);
    Map<String, NdArray> expected = new Interpreter().run(graph, Map.of("x", NdArray.of(X)));

    Graph lowered = new LowerOpset().run(graph);

    assertThat(lowered.opsets()).containsEntry(OpId.ONNX, LowerOpset.OPSET);
    try (ModelSession session =
        ModelSession.open(
            CpuDevice.instance(), OnnxExporter.toBytes(lowered), SessionConfig.defaults())) {
      session
          .run(Map.of("x", X))
          .forEach(
              (name, computed) ->
                  assertThat(computed.toDoubles())
                      .as(name)
                      .containsExactly(expected.get(name).data(), within(1e-6)));
    }
  }

  @Test
  void aGraphThatNeedsALaterVersionStaysAsItIs() {
    Graph graph = graph(true);

    assertThat(new LowerOpset().run(graph)).isSameAs(graph);
  }
}
