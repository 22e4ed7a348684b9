package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.rewrite.Canonicalise;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Models in 16 bits, rounded where a runtime rounds, against themselves in double precision. */
class LowerPrecisionTest {

  private static final int LENGTH = 24;

  static Stream<Arguments> cases() {
    return FixtureModels.all()
        .flatMap(
            name ->
                Stream.of(
                    Arguments.of(name, Precision.FLOAT16), Arguments.of(name, Precision.BFLOAT16)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void logitsStayWithinTheBounds(String name, Precision precision) {
    Graph model = FixtureModels.load(name);
    Graph lowered = Lowering.forTarget(model, Target.TENSORRT_10, precision);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    Map<String, NdArray> inputs =
        Map.of(model.inputs().get(0).name(), NdArray.of(ids(vocabulary, LENGTH)));

    double[] expected = new Interpreter().run(model, inputs).values().iterator().next().data();
    double[] actual = Interpreter.rounding().run(lowered, inputs).values().iterator().next().data();

    assertWithin(precision, actual, expected);
  }

  static Stream<Arguments> withSinglePrecision() {
    return Stream.concat(
        cases(), FixtureModels.all().map(name -> Arguments.of(name, Precision.FLOAT32)));
  }

  @ParameterizedTest
  @MethodSource("withSinglePrecision")
  void decodersCarryKeysAndValuesInTheirPrecision(String name, Precision precision) {
    Graph model = FixtureModels.load(name);
    // A decoder is made of the normal form, in which an export's rounded constants are exact.
    Graph normal = new Canonicalise().run(new Lift().run(model));
    Decoder decoder = DecoderBuilder.withCapacity(model, LENGTH);
    Graph lowered = Lowering.forTarget(decoder.graph(), Target.TENSORRT_10, precision);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    Tensor ids = ids(vocabulary, LENGTH);
    double[] expected =
        new Interpreter()
            .run(normal, Map.of(normal.inputs().get(0).name(), NdArray.of(ids)))
            .values()
            .iterator()
            .next()
            .data();

    double[] actual = new double[expected.length];
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    for (Value input : lowered.inputs()) {
      Optional<DecoderState> state = DecoderState.of(input.name(), input.type());
      if (state.isPresent()) {
        boolean isCache = DecoderState.isCache(input.name());
        boolean isCounter = state.get().kind() == DecoderState.Kind.LENGTH;
        assertThat(input.elementType())
            .isEqualTo(
                isCache ? precision.type() : isCounter ? ElementType.INT64 : ElementType.FLOAT32);
        assertThat(lowered.output(state.get().present()).elementType())
            .isEqualTo(input.elementType());
        inputs.put(input.name(), NdArray.of(state.get().begin(1)));
      }
    }
    long[] all = ids.toLongs();
    int[] pieces = {10, 1, 1, 5, 1, 1, 5};
    int from = 0;
    for (int count : pieces) {
      long[] piece = Arrays.copyOfRange(all, from, from + count);
      inputs.put(Decoder.INPUT_IDS, NdArray.of(Tensor.ofLongs(Shape.of(1, count), piece)));
      Map<String, NdArray> outputs = Interpreter.rounding().run(lowered, inputs);
      double[] logits = outputs.get(Decoder.LOGITS).data();
      System.arraycopy(logits, 0, actual, from * vocabulary, logits.length);
      for (Value input : lowered.inputs()) {
        DecoderState.of(input.name(), input.type())
            .ifPresent(state -> inputs.put(state.past(), outputs.get(state.present())));
      }
      from += count;
    }
    assertThat(from).isEqualTo(LENGTH);
    assertWithin(precision, actual, expected);
  }

  private static Tensor ids(int vocabulary, int length) {
    return Tensor.ofLongs(
        Shape.of(1, length), new Random(3).longs(length, 0, vocabulary).toArray());
  }

  /** The bounds of docs/deploying.md. */
  private static void assertWithin(Precision precision, double[] actual, double[] expected) {
    if (precision == Precision.FLOAT32) {
      for (int i = 0; i < expected.length; i++) {
        assertThat(actual[i]).isCloseTo(expected[i], within(1e-9));
      }
      return;
    }
    double largest = 0;
    double error = 0;
    double sum = 0;
    for (int i = 0; i < expected.length; i++) {
      assertThat(actual[i]).isFinite();
      largest = Math.max(largest, Math.abs(expected[i]));
      error = Math.max(error, Math.abs(expected[i] - actual[i]));
      sum += Math.abs(expected[i] - actual[i]);
    }
    boolean half = precision == Precision.FLOAT16;
    assertThat(error / largest).isLessThan(half ? 0.015 : 0.12);
    assertThat(sum / expected.length / largest).isLessThan(half ? 0.0015 : 0.012);
    // What was not rounded at all would be much closer.
    assertThat(error / largest).isGreaterThan(half ? 1e-4 : 1e-3);
  }

  @Test
  void whatNeedsItStaysInSinglePrecision() {
    Graph model = FixtureModels.load("hybrid/mamba+gpt-neo-2/hybrid.json");

    Graph lowered = Lowering.forTarget(model, Target.ONNXRUNTIME_CPU, Precision.FLOAT16);

    Map<String, Set<ElementType>> types = new TreeMap<>();
    for (Node node : lowered.nodes()) {
      if (!node.inputs().isEmpty() && node.hasInput(0)) {
        types
            .computeIfAbsent(node.op().name(), name -> new HashSet<>())
            .add(node.input(0).elementType());
      }
    }
    for (String operator : List.of("LayerNormalization", "RMSNormalization", "Softmax", "Scan")) {
      assertThat(types.get(operator)).as(operator).containsExactly(ElementType.FLOAT32);
    }
    assertThat(types.get("MatMul")).containsExactly(ElementType.FLOAT16);
    assertThat(types.get("Conv")).containsExactly(ElementType.FLOAT16);
    assertThat(types.get("Mul")).contains(ElementType.FLOAT32);
    lowered
        .parameters()
        .keySet()
        .forEach(
            parameter ->
                assertThat(parameter.elementType())
                    .as(parameter.name())
                    .isEqualTo(
                        parameter.name().contains("alpha")
                                || parameter.name().contains("ln_")
                                || parameter.name().contains("norm")
                                || parameter.name().endsWith("A_log")
                            ? ElementType.FLOAT32
                            : ElementType.FLOAT16));
    assertThat(lowered.outputs().get(0).elementType()).isEqualTo(ElementType.FLOAT32);
  }

  @Test
  void onnxRuntimeComputesItOnTheProcessor() {
    Graph model = FixtureModels.load("hybrid/mamba+gpt-neo-2/hybrid.json");
    Graph lowered = Lowering.forTarget(model, Target.ONNXRUNTIME_CPU, Precision.FLOAT16);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    Tensor ids = ids(vocabulary, LENGTH);
    double[] expected =
        new Interpreter()
            .run(model, Map.of(model.inputs().get(0).name(), NdArray.of(ids)))
            .values()
            .iterator()
            .next()
            .data();
    try (ModelSession session =
        ModelSession.open(
            Devices.byName("cpu"), OnnxExporter.toBytes(lowered), SessionConfig.defaults())) {
      double[] actual =
          session
              .run(Map.of(model.inputs().get(0).name(), ids))
              .values()
              .iterator()
              .next()
              .toDoubles();
      assertWithin(Precision.FLOAT16, actual, expected);
    }
  }

  @Test
  void brainFloatIsNothingForTheProcessor() {
    Graph model = FixtureModels.load("huggingface/gpt2");

    assertThatThrownBy(() -> Lowering.forTarget(model, Target.ONNXRUNTIME_CPU, Precision.BFLOAT16))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("onnxruntime-cpu does not run")
        .hasMessageContaining("BFLOAT16");
  }

  @Test
  void outputsMayBeReadOnAndMayBeInputsAndMasksAreNoWeights() {
    GraphEditor editor = new GraphEditor("outputs");
    Ops ops = new Ops(editor);
    Value x = editor.input("x", new TensorType(ElementType.FLOAT32, Shape.of(2, 2)));
    Value w = editor.parameter("w", Tensor.ofFloats(Shape.of(2, 2), 1, 2, 3, 4));
    Value mask =
        editor.parameter("mask", Tensor.ofFloats(Shape.of(2, 2), 0, -Float.MAX_VALUE, 0, 0));
    Value product = ops.named("product", ops.matMul(x, w));
    editor.output(product);
    editor.output(ops.named("weights", ops.softmax(ops.add(product, mask), -1)));
    editor.output(x);
    Graph graph = editor.freeze();

    Graph lowered = Lowering.forTarget(graph, Target.ONNXRUNTIME_CPU, Precision.FLOAT16);

    assertThat(lowered.outputs())
        .extracting(Value::name)
        .containsExactly("product", "weights", "x");
    Map<String, NdArray> results =
        Interpreter.rounding()
            .run(lowered, Map.of("x", NdArray.of(Tensor.ofFloats(Shape.of(2, 2), 1, 0, 0, 1))));
    assertThat(results.get("product").data()).containsExactly(1, 2, 3, 4);
    assertThat(results.get("weights").data()[1]).isZero();
    assertThat(results.get("x").data()).containsExactly(1, 0, 0, 1);
  }

  @Test
  void aWeightTooLargeForHalfPrecisionIsNamed() {
    GraphEditor editor = new GraphEditor("large");
    Value x = editor.input("x", new TensorType(ElementType.FLOAT32, Shape.of(1, 2)));
    Value w = editor.parameter("w", Tensor.ofFloats(Shape.of(2, 1), 1, 70000));
    editor.output(new Ops(editor).matMul(x, w));
    Graph graph = editor.freeze();
    Graph lowered = Lowering.forTarget(graph, Target.ONNXRUNTIME_CPU, Precision.FLOAT16);

    assertThatThrownBy(() -> OnnxExporter.toBytes(lowered))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'w' holds 70000");
  }
}
