package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
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
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The parallel form against the recurrence that defines it. */
class ParallelScanTest {

  private static final int BATCH = 2;
  private static final int CHANNELS = 3;
  private static final int STATES = 4;

  static Stream<Arguments> cases() {
    return IntStream.of(1, 2, 31, 32, 33, 70, 128)
        .boxed()
        .flatMap(
            length ->
                Stream.of(
                    Arguments.of(length, false, false),
                    Arguments.of(length, true, false),
                    Arguments.of(length, false, true),
                    Arguments.of(length, true, true)));
  }

  @ParameterizedTest(name = "length {0}, state {1}, known {2}")
  @MethodSource("cases")
  void isTheRecurrence(int length, boolean carries, boolean known) {
    Dim extent = known ? Dim.of(length) : Dim.of("length");
    Graph graph = graph(extent, carries);
    Map<String, Tensor> inputs = inputs(length, carries);
    Map<String, NdArray> exact = new LinkedHashMap<>();
    inputs.forEach((name, tensor) -> exact.put(name, NdArray.of(tensor)));
    Map<String, NdArray> expected = new Interpreter().run(graph, exact);

    Graph parallel = new ParallelScan().run(graph);

    assertThat(parallel.nodes()).noneMatch(node -> node.op().domain().equals(OpId.MANTICORE));
    assertThat(parallel.nodes().stream().anyMatch(node -> node.op().isOnnx("Scan")))
        .isEqualTo(!known);
    new Interpreter()
        .run(parallel, exact)
        .forEach((name, value) -> assertClose(value.data(), expected.get(name).data(), 1e-12));
    try (ModelSession session =
        ModelSession.open(
            Devices.byName("cpu"),
            OnnxExporter.toBytes(Lowering.forTarget(graph, Target.TENSORRT_10, Precision.FLOAT32)),
            SessionConfig.defaults())) {
      session
          .run(inputs)
          .forEach(
              (name, value) -> assertClose(value.toDoubles(), expected.get(name).data(), 2e-6));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 31, 32, 33, 70, 128})
  void theGradientIsThatOfTheRecurrence(int length) {
    Graph forward = graph(Dim.of(length), false);
    GraphEditor editor = forward.edit();
    List<Value> operands = new ArrayList<>();
    for (String name : List.of("x", "delta", "a", "b", "c")) {
      operands.add(forward.parameter(name).orElseGet(() -> forward.input(name)));
    }
    operands.add(input(editor, "dy", Dim.of("batch"), Dim.of(length), Dim.of(CHANNELS)));
    editor.clearOutputs();
    new Ops(editor)
        .own("SelectiveScanGrad", Attributes.NONE, 5, operands.toArray(Value[]::new))
        .forEach(editor::output);
    Graph graph = editor.freezeLive();
    Map<String, Tensor> inputs = inputs(length, false);
    inputs.put("dy", draw(new Random(3), v -> v, BATCH, length, CHANNELS));
    Map<String, NdArray> exact = new LinkedHashMap<>();
    inputs.forEach((name, tensor) -> exact.put(name, NdArray.of(tensor)));
    List<NdArray> expected = List.copyOf(new Interpreter().run(graph, exact).values());

    Graph parallel = new ParallelScan().run(graph);

    assertThat(parallel.nodes())
        .noneMatch(node -> node.op().domain().equals(OpId.MANTICORE) || node.op().isOnnx("Scan"));
    List<NdArray> computed = List.copyOf(new Interpreter().run(parallel, exact).values());
    assertThat(computed).hasSize(5);
    for (int i = 0; i < computed.size(); i++) {
      assertClose(computed.get(i).data(), expected.get(i).data(), 1e-12);
    }
  }

  private static void assertClose(double[] actual, double[] expected, double tolerance) {
    assertThat(actual).hasSameSizeAs(expected);
    double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
    for (int i = 0; i < actual.length; i++) {
      assertThat(actual[i]).isCloseTo(expected[i], within(tolerance * largest));
    }
  }

  private static Graph graph(Dim length, boolean carries) {
    GraphEditor editor = new GraphEditor("scan");
    Dim batch = Dim.of("batch");
    Value x = input(editor, "x", batch, length, Dim.of(CHANNELS));
    Value delta = input(editor, "delta", batch, length, Dim.of(CHANNELS));
    Value b = input(editor, "b", batch, length, Dim.of(STATES));
    Value c = input(editor, "c", batch, length, Dim.of(STATES));
    float[] decay = new float[CHANNELS * STATES];
    for (int i = 0; i < decay.length; i++) {
      // From none to so much that nothing of a step is left after the next.
      decay[i] = -(float) (i * i);
    }
    Value a = editor.parameter("a", Tensor.ofFloats(Shape.of(CHANNELS, STATES), decay));
    if (carries) {
      Value state = input(editor, "state", batch, Dim.of(CHANNELS), Dim.of(STATES));
      List<Value> results =
          new Ops(editor)
              .own("SelectiveScanWithState", Attributes.NONE, 2, x, delta, a, b, c, state);
      results.forEach(editor::output);
    } else {
      editor.output(
          new Ops(editor).own("SelectiveScan", Attributes.NONE, 1, x, delta, a, b, c).get(0));
    }
    return editor.freeze();
  }

  private static Value input(GraphEditor editor, String name, Dim... dims) {
    return editor.input(name, new TensorType(ElementType.FLOAT32, Shape.of(dims)));
  }

  private static Map<String, Tensor> inputs(int length, boolean carries) {
    Random random = new Random(length);
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    inputs.put("x", draw(random, v -> v, BATCH, length, CHANNELS));
    inputs.put("delta", draw(random, v -> Math.log1p(Math.exp(2 * v)), BATCH, length, CHANNELS));
    inputs.put("b", draw(random, v -> v, BATCH, length, STATES));
    inputs.put("c", draw(random, v -> v, BATCH, length, STATES));
    if (carries) {
      inputs.put("state", draw(random, v -> 3 * v, BATCH, CHANNELS, STATES));
    }
    return inputs;
  }

  private static Tensor draw(Random random, DoubleUnaryOperator map, long... extents) {
    Shape shape = Shape.of(extents);
    float[] values = new float[(int) shape.elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) map.applyAsDouble(random.nextGaussian());
    }
    return Tensor.ofFloats(shape, values);
  }
}
