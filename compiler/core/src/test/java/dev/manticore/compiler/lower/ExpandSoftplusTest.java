package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class ExpandSoftplusTest {

  @Test
  void givesTheSameToFloatPrecision() {
    double[] x = new double[2001];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) ((i - 1000) * 0.02);
    }
    x[0] = -100;
    x[2000] = 1000;
    Tensor input = Tensor.ofDoubles(ElementType.FLOAT32, Shape.of(x.length), x);
    Graph graph = softplus(x.length);

    Graph expanded = new ExpandSoftplus().run(graph);

    assertThat(expanded.nodes()).noneMatch(node -> node.op().isOnnx("Softplus"));
    try (ModelSession session =
        ModelSession.open(
            CpuDevice.instance(), OnnxExporter.toBytes(expanded), SessionConfig.defaults())) {
      double[] y = session.run(Map.of("x", input)).get("y").toDoubles();
      for (int i = 0; i < x.length; i++) {
        double exact = Math.max(x[i], 0) + Math.log1p(Math.exp(-Math.abs(x[i])));
        assertThat(y[i])
            .as("at %s", x[i])
            .isCloseTo(exact, within(4e-7 * exact + Float.MIN_NORMAL));
      }
    }
  }

  private static Graph softplus(long size) {
    GraphEditor editor = new GraphEditor("softplus");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, size));
    Value y = new Value("y", x.type());
    Value inner = editor.add(OpId.onnx("Softplus"), x);
    editor.addNode(
        Node.of(OpId.onnx("Identity"), "y", Attributes.NONE, List.of(inner), List.of(y)));
    editor.output(y);
    return editor.freeze();
  }
}
