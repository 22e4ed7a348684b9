package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every form of every fixture against the graph itself, in double precision, and run. */
class LoweringTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final int BATCH = 2;
  private static final int LENGTH = 37;

  @ParameterizedTest
  @MethodSource("dev.manticore.compiler.FixtureModels#all")
  void everyTargetComputesWhatTheGraphDoes(String name) {
    Graph model = FixtureModels.load(name);
    String input = model.inputs().get(0).name();
    String output = model.outputs().get(0).name();
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    Tensor ids =
        Tensor.ofLongs(
            Shape.of(BATCH, LENGTH), new Random(7).longs(BATCH * LENGTH, 0, vocabulary).toArray());
    Map<String, NdArray> exact = Map.of(input, NdArray.of(ids));
    double[] expected = new Interpreter().run(model, exact).get(output).data();

    for (Target target : Target.values()) {
      Graph lowered = Lowering.forTarget(model, target, Precision.FLOAT32);
      assertClose(
          target.toString(),
          new Interpreter().run(lowered, exact).get(output).data(),
          expected,
          1e-9);
      assertClose(target + ", run", run(lowered, input, ids, output), expected, 1e-4);
    }
    Graph ours = Lowering.forDevice(model, CPU);
    // Our own form has a softplus that is right to 4e-9 (ExpandSoftplus), which layers make more
    // of.
    assertClose("ours", new Interpreter().run(ours, exact).get(output).data(), expected, 1e-6);
    assertClose("ours, run", run(ours, input, ids, output), expected, 1e-4);
  }

  private static double[] run(Graph graph, String input, Tensor ids, String output) {
    try (ModelSession session = GraphSession.open(graph, CPU, SessionConfig.defaults())) {
      return session.run(Map.of(input, ids)).get(output).toDoubles();
    }
  }

  private static void assertClose(
      String what, double[] actual, double[] expected, double tolerance) {
    assertThat(actual).as(what).hasSameSizeAs(expected);
    for (int i = 0; i < actual.length; i++) {
      assertThat(actual[i]).as(what).isCloseTo(expected[i], within(tolerance));
    }
  }

  @Test
  void anOperatorOfAnotherDomainIsNamed() {
    GraphEditor editor = new GraphEditor("foreign");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 2, 2));
    editor.output(editor.add(OpId.microsoft("Inverse"), x));
    Graph graph = editor.freeze();

    assertThatThrownBy(() -> Lowering.forTarget(graph, Target.ONNXRUNTIME_CPU, Precision.FLOAT32))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no plain ai.onnx can be made of")
        .hasMessageContaining("Inverse");
  }

  @Test
  void weightsOfAnySizeReachASession() {
    GraphEditor editor = new GraphEditor("large");
    long rows = 17L << 18;
    Value x = editor.input("x", TensorType.of(ElementType.INT64, 1));
    float[] values = new float[(int) (4 * rows)];
    values[values.length - 1] = 5;
    Value table = editor.parameter("table", Tensor.ofFloats(Shape.of(rows, 4), values));
    editor.output(editor.add(OpId.onnx("Gather"), table, x));
    Graph graph = editor.freeze();
    assertThat(graph.parameters().get(table).data().byteSize()).isGreaterThan(64L << 20);

    double[] row =
        run(graph, "x", Tensor.ofLongs(Shape.of(1), rows - 1), graph.outputs().get(0).name());

    assertThat(row).containsExactly(0, 0, 0, 5);
    assertThat(OnnxExporter.toBytes(graph).length).isGreaterThan(64 << 20);
  }
}
