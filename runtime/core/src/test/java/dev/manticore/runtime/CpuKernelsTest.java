package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kernel, run by ONNX Runtime in a session, against the definition of the operator of its
 * name in double precision.
 */
class CpuKernelsTest {

  private static final Device CPU = Devices.byName("cpu");

  private static final DoubleUnaryOperator ANY = v -> v;
  private static final DoubleUnaryOperator POSITIVE = v -> Math.log1p(Math.exp(v));
  private static final DoubleUnaryOperator NEGATIVE = v -> -Math.exp(v);

  record Case(String kernel, Attributes attributes, int outputs, List<Tensor> operands) {
    @Override
    public String toString() {
      return kernel + operands.stream().map(o -> o.type().toString()).toList();
    }
  }

  private static Case of(String kernel, int outputs, Tensor... operands) {
    return new Case(kernel, Attributes.NONE, outputs, List.of(operands));
  }

  private static Case with(String kernel, Attributes attributes, int outputs, Tensor... operands) {
    return new Case(kernel, attributes, outputs, List.of(operands));
  }

  private static Tensor draw(DoubleUnaryOperator map, long... extents) {
    Shape shape = Shape.of(extents);
    Random random = new Random(shape.hashCode());
    float[] values = new float[(int) shape.elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) map.applyAsDouble(random.nextGaussian());
    }
    return Tensor.ofFloats(shape, values);
  }

  private static Tensor draw(long... extents) {
    return draw(ANY, extents);
  }

  private static Tensor indices(int end, int ignored, long... extents) {
    Shape shape = Shape.of(extents);
    Random random = new Random(end);
    long[] values = new long[(int) shape.elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = i < ignored ? -100 : random.nextInt(end);
    }
    return Tensor.ofLongs(shape, values);
  }

  private static Tensor settings() {
    return Tensor.ofFloats(Shape.of(8), 1e-2f, 0.9f, 0.99f, 1e-6f, 0.1f, 0.271f, 0.0297f, 0.7f);
  }

  private static Case scan(int b, int l, int d, int n) {
    return of(
        "SelectiveScan",
        1,
        draw(b, l, d),
        draw(POSITIVE, b, l, d),
        draw(NEGATIVE, d, n),
        draw(b, l, n),
        draw(v -> v + 1, b, l, n));
  }

  private static Case scanWithState(int b, int l, int d, int n) {
    List<Tensor> operands = new ArrayList<>(scan(b, l, d, n).operands());
    operands.add(draw(v -> 2 * v, b, d, n));
    return new Case("SelectiveScanWithState", Attributes.NONE, 2, operands);
  }

  private static Case gatedScan(int b, int l, int blocks, int n, int rank, int first, float fill) {
    int d = 16 * blocks;
    return with(
        "GatedScanWithState",
        Attributes.of("first", first),
        2,
        draw(b, l, d),
        draw(v -> 2 * v, b, l, rank + 2 * n),
        draw(rank, d),
        draw(d),
        mask(b, l, fill),
        draw(NEGATIVE, blocks, n, 16),
        draw(v -> v - 1, d),
        draw(v -> 9 * v, b, l, d + 2 * first),
        draw(v -> 2 * v, b, blocks, n, 16));
  }

  private static Case siluConv(int b, int l, int d, int taps, int first, float fill) {
    return with(
        "SiluConvWithState",
        Attributes.of("first", first),
        2,
        draw(v -> 3 * v, b, l, d + 2 * first),
        mask(b, l, fill),
        draw(taps, d),
        draw(d),
        draw(v -> v + 1, b, taps - 1, d));
  }

  /** Ones but for the first steps of each sequence. */
  private static Tensor mask(int b, int l, float fill) {
    float[] values = new float[b * l];
    for (int i = 0; i < values.length; i++) {
      values[i] = l > 1 && i % l < 2 ? fill : 1;
    }
    return Tensor.ofFloats(Shape.of(b, l, 1), values);
  }

  private static Case scanGrad(int b, int l, int d, int n) {
    List<Tensor> operands = new ArrayList<>(scan(b, l, d, n).operands());
    operands.add(draw(v -> v - 0.5, b, l, d));
    return new Case("SelectiveScanGrad", Attributes.NONE, 5, operands);
  }

  private static Attributes heads(int heads, float scale) {
    return Attributes.of("heads", heads).with("scale", Attribute.of(scale));
  }

  private static Tensor[] attention(int b, int l, int m, int width) {
    float[] mask = new float[l * m];
    for (int i = 0; i < l; i++) {
      for (int j = i + 1; j < m; j++) {
        mask[i * m + j] = -Float.MAX_VALUE;
      }
    }
    return new Tensor[] {
      draw(b, l, width),
      draw(b, m, width),
      draw(v -> v + 1, b, m, width),
      Tensor.ofFloats(Shape.of(l, m), mask)
    };
  }

  private static Tensor[] attentionWithState(int b, int l, int total, int room, int width) {
    int heads = width % 3 == 0 ? 3 : Math.min(2, width);
    float[] bias = new float[b * l * total];
    for (int i = 0; i < bias.length; i++) {
      boolean later = i % total > total - l + i / total % l;
      bias[i] = later ? -Float.MAX_VALUE : i % 5;
    }
    return new Tensor[] {
      draw(b, l, width),
      draw(v -> v + 1, b, l, width),
      draw(v -> v - 1, b, l, width),
      draw(b, heads, width / heads, room),
      draw(v -> 2 * v, b, heads, room, width / heads),
      Tensor.ofFloats(Shape.of(b, 1, l, total), bias)
    };
  }

  private static Tensor[] attentionGrad(int b, int l, int m, int width) {
    List<Tensor> operands = new ArrayList<>(List.of(attention(b, l, m, width)));
    operands.add(draw(v -> v - 0.5, b, l, width));
    return operands.toArray(Tensor[]::new);
  }

  private static Case causalAttention(int l, int window) {
    return with(
        "CausalAttention",
        heads(3, 0.4f).with("window", window),
        1,
        draw(2, l, 21),
        draw(v -> v + 0.1, 2, l, 21),
        draw(v -> v - 0.5, 2, l, 21));
  }

  private static Case causalAttentionGrad(int l, int window) {
    return with(
        "CausalAttentionGrad",
        heads(2, 0.2f).with("window", window),
        3,
        draw(2, l, 32),
        draw(v -> v + 0.1, 2, l, 32),
        draw(v -> v - 0.5, 2, l, 32),
        draw(v -> v + 0.2, 2, l, 32));
  }

  private static Case adamW(long... shape) {
    return of(
        "AdamW",
        3,
        draw(shape),
        draw(v -> v * 0.1, shape),
        draw(v -> v * v, shape),
        draw(v -> 3 * v, shape),
        settings());
  }

  static Stream<Case> cases() {
    Attributes epsilon = Attributes.of("epsilon", Attribute.of(1e-5f));
    return Stream.of(
        scan(1, 1, 1, 1),
        scan(2, 20, 150, 16),
        scan(2, 7, 5, 3),
        scanWithState(1, 1, 1, 1),
        scanWithState(2, 20, 150, 16),
        scanWithState(2, 1, 5, 3),
        gatedScan(1, 1, 1, 1, 1, 0, 1),
        gatedScan(2, 1, 51, 16, 3, 0, 1),
        gatedScan(2, 21, 19, 5, 7, 3, 0),
        siluConv(1, 1, 1, 1, 0, 1),
        siluConv(2, 1, 800, 4, 1, 1),
        siluConv(3, 35, 257, 4, 0, 0),
        siluConv(2, 2, 18, 5, 7, 0),
        scanGrad(1, 1, 1, 1),
        scanGrad(2, 20, 150, 16),
        scanGrad(2, 7, 5, 3),
        scanGrad(1, 1100, 20, 5),
        with("Attention", heads(3, 0.4f), 1, attention(2, 20, 23, 21)),
        with("Attention", heads(1, 1), 1, attention(1, 1, 1, 1)),
        with("AttentionWithState", heads(3, 0.4f), 3, attentionWithState(2, 1, 23, 30, 21)),
        with("AttentionWithState", heads(2, 1), 3, attentionWithState(1, 20, 23, 23, 32)),
        with("AttentionWithState", heads(1, 1), 3, attentionWithState(1, 1, 1, 1, 1)),
        with("AttentionGrad", heads(3, 0.4f), 3, attentionGrad(2, 20, 23, 21)),
        with("AttentionGrad", heads(2, 0.2f), 3, attentionGrad(3, 33, 34, 64)),
        causalAttention(1, 1),
        causalAttention(2, 2),
        causalAttention(7, 256),
        causalAttention(33, 5),
        causalAttention(257, 256),
        causalAttention(300, 300),
        causalAttentionGrad(1, 256),
        causalAttentionGrad(2, 1),
        causalAttentionGrad(7, 7),
        causalAttentionGrad(33, 16),
        causalAttentionGrad(257, 257),
        causalAttentionGrad(300, 256),
        of("CausalConv", 1, draw(2, 40, 300), draw(300, 1, 4), draw(300)),
        of("CausalConv", 1, draw(1, 2, 3), draw(3, 1, 4), draw(3)),
        of("CausalConv", 1, draw(3, 5, 17), draw(17, 1, 1), draw(17)),
        of("CausalConvGrad", 3, draw(3, 5, 17), draw(17, 1, 1), draw(3, 5, 17)),
        of("CausalConvGrad", 3, draw(2, 40, 300), draw(300, 1, 4), draw(v -> v + 1, 2, 40, 300)),
        of("CausalConvGrad", 3, draw(1, 2, 3), draw(3, 1, 4), draw(v -> v + 1, 1, 2, 3)),
        with("EmbeddingGrad", Attributes.of("rows", 70), 1, indices(70, 0, 2, 50), draw(2, 50, 5)),
        with("EmbeddingGrad", Attributes.of("rows", 3), 1, indices(2, 0, 9), draw(9, 1030)),
        with("EmbeddingGrad", Attributes.of("rows", 3), 1, indices(2, 0, 0), draw(0, 4)),
        of(
            "CrossEntropyGrad",
            1,
            Tensor.scalar(0.5f),
            draw(v -> -Math.abs(5 * v), 2, 70, 33),
            indices(33, 5, 2, 70)),
        linearCrossEntropy(false, 100, draw(2, 35, 33), draw(33, 71), indices(71, 5, 2, 35)),
        linearCrossEntropy(true, 2, draw(3, 17), draw(v -> 20 * v, 300, 17), indices(300, 2, 3)),
        linearCrossEntropy(true, 1, draw(7, 5), draw(3, 5), indices(3, 3, 7)),
        linearCrossEntropy(false, 300, draw(1700, 5), draw(5, 10_001), indices(10_001, 7, 1700)),
        linearCrossEntropy(
            true,
            32,
            draw(2, 35, 33),
            draw(71, 33),
            draw(2, 35, 20),
            draw(71, 20),
            indices(71, 5, 2, 35)),
        of(
            "LayerNormGrad",
            3,
            draw(2, 50, 33),
            draw(33),
            draw(2, 50, 1),
            draw(POSITIVE, 2, 50, 1),
            draw(v -> v + 1, 2, 50, 33)),
        of(
            "LayerNormGrad",
            3,
            draw(1, 16),
            draw(16),
            draw(1, 1),
            draw(POSITIVE, 1, 1),
            draw(v -> v + 1, 1, 16)),
        with("RmsNormGrad", epsilon, 2, draw(2, 50, 33), draw(33), draw(v -> v + 1, 2, 50, 33)),
        with("RmsNormGrad", epsilon, 2, draw(1, 3), draw(3), draw(v -> v + 1, 1, 3)),
        of("GeluTanhGrad", 1, draw(v -> 4 * v, 3, 5000), draw(v -> v + 1, 3, 5000)),
        of("GeluTanhGrad", 1, Tensor.ofFloats(Shape.of(5), 0, -30, 30, -1e6f, 1e6f), draw(5)),
        of("SiluGrad", 1, draw(v -> 4 * v, 7, 13), draw(v -> v + 1, 7, 13)),
        of("SiluGrad", 1, Tensor.ofFloats(Shape.of(5), 0, -50, 50, -1e9f, 1e9f), draw(5)),
        adamW(3),
        adamW(100, 1001),
        product(false, false, 1, 1, 1),
        product(true, false, 5, 3, 7),
        product(false, true, 130, 66, 33, 1),
        product(true, true, 257, 129, 100, 257),
        product(false, false, 64, 200, 1000, 64),
        product(true, false, 33, 300, 17, 1, 33),
        product(false, true, 200, 64, 65, 200, 200),
        with("FusedMatMul", turned(false, false), 1, draw(3, 50, 20), draw(20, 70)),
        with(
            "FusedMatMulAdd",
            turned(false, true),
            1,
            draw(2, 3, 40, 20),
            draw(70, 20),
            draw(2, 3, 40, 70)));
  }

  /**
   * @param addends rows of each addend
   */
  private static Case product(
      boolean transA, boolean transB, int rows, int columns, int depth, int... addends) {
    List<Tensor> operands = new ArrayList<>();
    operands.add(transA ? draw(depth, rows) : draw(rows, depth));
    operands.add(transB ? draw(columns, depth) : draw(depth, columns));
    for (int height : addends) {
      operands.add(height == 1 ? draw(v -> 9 * v, columns) : draw(v -> 9 * v, height, columns));
    }
    return new Case(
        "FusedMatMul" + "Add".repeat(addends.length), turned(transA, transB), 1, operands);
  }

  /**
   * @param rows held at a time
   */
  private static Case linearCrossEntropy(boolean transB, int rows, Tensor... operands) {
    return with(
        "LinearCrossEntropy" + (operands.length > 3 ? "Sum" : ""),
        Attributes.of("transB", transB ? 1 : 0).with("rows", rows),
        operands.length,
        operands);
  }

  private static Attributes turned(boolean a, boolean b) {
    return Attributes.of("transA", a ? 1 : 0).with("transB", b ? 1 : 0);
  }

  private static Graph graph(Case given) {
    GraphEditor editor = new GraphEditor("case");
    List<Optional<Value>> operands = new ArrayList<>();
    for (int i = 0; i < given.operands().size(); i++) {
      operands.add(Optional.of(editor.input("x" + i, given.operands().get(i).type())));
    }
    editor
        .add(
            OpId.kernel(given.kernel()),
            given.kernel(),
            given.attributes(),
            operands,
            given.outputs())
        .forEach(editor::output);
    return editor.freeze();
  }

  private static Map<String, Tensor> inputs(Case given) {
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    for (int i = 0; i < given.operands().size(); i++) {
      inputs.put("x" + i, given.operands().get(i));
    }
    return inputs;
  }

  /** Those that this machine has. */
  private static Stream<Case> casesHere() {
    Set<String> here = CPU.kernels().stream().map(JavaKernel::name).collect(Collectors.toSet());
    return cases().filter(each -> here.contains(each.kernel()));
  }

  @ParameterizedTest
  @MethodSource("casesHere")
  void agreesWithTheDefinitionAndRepeats(Case given) {
    Graph graph = graph(given);
    Map<String, NdArray> exactInputs = new LinkedHashMap<>();
    inputs(given).forEach((name, tensor) -> exactInputs.put(name, NdArray.of(tensor)));
    Map<String, NdArray> expected = new Interpreter().run(graph, exactInputs);

    try (ModelSession session =
        ModelSession.open(CPU, OnnxExporter.toBytes(graph), SessionConfig.defaults())) {
      Map<String, Tensor> actual = session.run(inputs(given));

      expected.forEach((name, exact) -> assertClose(name, actual.get(name), exact));
      for (int run = 0; run < 5; run++) {
        session
            .run(inputs(given))
            .forEach(
                (name, again) ->
                    assertThat(again.data().toByteArray())
                        .isEqualTo(actual.get(name).data().toByteArray()));
      }
    }
  }

  private static void assertClose(String name, Tensor actual, NdArray exact) {
    assertThat(actual.shape().extents())
        .isEqualTo(Arrays.stream(exact.shape()).asLongStream().toArray());
    double[] values = actual.toDoubles();
    double largest = 1e-30;
    double error = 0;
    for (int i = 0; i < values.length; i++) {
      assertThat(values[i]).as(name + "[" + i + "]").isFinite();
      largest = Math.max(largest, Math.abs(exact.data()[i]));
      error = Math.max(error, Math.abs(values[i] - exact.data()[i]));
    }
    assertThat(error).as(name).isLessThanOrEqualTo(5e-6 * largest);
  }

  @Test
  void everyKernelIsTested() {
    Set<String> tested = cases().map(Case::kernel).collect(Collectors.toSet());

    assertThat(tested)
        .containsExactlyInAnyOrderElementsOf(
            CpuKernels.withVectors().stream().map(JavaKernel::name).toList());
  }

  @Test
  void aStepOfAdamUpdatesItsStateInPlace() {
    Case given = adamW(100, 1001);
    Graph graph = graph(given);
    Map<String, TensorType> types = new LinkedHashMap<>();
    inputs(given).forEach((name, tensor) -> types.put(name, tensor.type()));
    try (DeviceState state = DeviceState.allocate(CPU, types);
        ModelSession session =
            ModelSession.open(CPU, OnnxExporter.toBytes(graph), SessionConfig.defaults());
        Binding binding = session.bind()) {
      inputs(given).forEach((name, tensor) -> state.get(name).write(tensor.data()));
      binding.bindAll(state);
      List<String> results = List.copyOf(session.outputs().keySet());
      for (int i = 0; i < 3; i++) {
        binding.bindOutput(results.get(i), state.get("x" + i));
      }
      Map<String, Tensor> once = session.run(inputs(given));

      binding.run();

      for (int i = 0; i < 3; i++) {
        assertThat(state.get("x" + i).contents().toByteArray())
            .isEqualTo(once.get(results.get(i)).data().toByteArray());
      }
    }
  }

  @Test
  void aCacheIsUpdatedInPlace() {
    Case given =
        with("AttentionWithState", heads(3, 0.4f), 3, attentionWithState(2, 2, 23, 23, 21));
    Graph graph = graph(given);
    try (ModelSession session =
        ModelSession.open(CPU, OnnxExporter.toBytes(graph), SessionConfig.defaults())) {
      Map<String, Tensor> inputs = inputs(given);
      for (String cache : List.of("x3", "x4")) {
        TensorType type = inputs.get(cache).type();
        inputs.put(
            cache, Tensor.ofFloats(type.shape(), new float[(int) type.shape().elementCount()]));
      }
      List<String> results = List.copyOf(session.outputs().keySet());
      Map<String, Tensor> once = session.run(inputs);
      Map<String, String> carried = Map.of(results.get(1), "x3", results.get(2), "x4");
      Map<String, TensorType> kept =
          Map.of("x3", inputs.get("x3").type(), "x4", inputs.get("x4").type());
      inputs.remove("x3");
      inputs.remove("x4");
      try (Recurrence runs = new Recurrence(session, carried, kept, Map.of())) {
        byte[] first = runs.run(inputs).get(results.get(0)).data().toByteArray();
        assertThat(first).isEqualTo(once.get(results.get(0)).data().toByteArray());

        // The same tokens again, into the same slots: the caches are as they were.
        byte[] second = runs.run(inputs).get(results.get(0)).data().toByteArray();
        assertThat(second).isEqualTo(first);
        runs.reset();
        byte[] third = runs.run(inputs).get(results.get(0)).data().toByteArray();
        assertThat(third).isEqualTo(first);
      }
    }
  }

  @Test
  void shapesThatDoNotFitAndIndicesOutOfRangeAreRefused() {
    byte[] model =
        new TinyOnnx()
            .input("ids", TensorType.of(INT64, 2))
            .input("dy", TensorType.of(FLOAT32, 2, 4))
            .output("table", TensorType.of(FLOAT32, 3, 4))
            .node(
                JavaKernel.DOMAIN,
                "EmbeddingGrad",
                List.of("ids", "dy"),
                List.of("table"),
                TinyOnnx.integer("rows", 3))
            .build();
    try (ModelSession session = ModelSession.open(CPU, model, SessionConfig.defaults())) {
      assertThatThrownBy(
              () ->
                  session.run(
                      ImmutableMap.of("ids", Tensor.ofLongs(Shape.of(2), 0, 3), "dy", draw(2, 4))))
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("EmbeddingGrad: index 3 is not from 0 to 2");
    }
  }
}
