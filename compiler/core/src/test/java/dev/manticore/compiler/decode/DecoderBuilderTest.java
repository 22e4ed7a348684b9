package dev.manticore.compiler.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
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
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Decoders, reading in pieces, against the models that they are made of, reading at once. */
class DecoderBuilderTest {

  private static final int LONG = 21;
  private static final int SHORT = 13;

  @ParameterizedTest
  @MethodSource("dev.manticore.compiler.FixtureModels#all")
  void sequencesOfUnequalLengthsInPiecesGiveTheLogitsOfTheWhole(String name) {
    Graph model = FixtureModels.load(name);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    long[] longer = draw(LONG, vocabulary, 1);
    long[] shorter = draw(SHORT, vocabulary, 2);
    Decoder decoder = DecoderBuilder.build(model);
    double[] expectedLonger = whole(model, longer);
    double[] expectedShorter = whole(model, shorter);
    int fill = LONG - SHORT;

    try (ModelSession session = open(decoder.graph())) {
      Map<String, Tensor> states = begin(decoder, 2);
      int from = 0;
      for (int steps : new int[] {10, 1, 1, 4, 1, 4}) {
        int to = from + steps;
        Map<String, Tensor> inputs = new LinkedHashMap<>(states);
        long[] ids = new long[2 * steps];
        long[] mask = new long[2 * to];
        for (int i = 0; i < to; i++) {
          mask[i] = 1;
          mask[to + i] = i < fill ? 0 : 1;
        }
        for (int i = 0; i < steps; i++) {
          int at = from + i;
          ids[i] = longer[at];
          // What fills up may be any token.
          ids[steps + i] = at < fill ? 5 : shorter[at - fill];
        }
        inputs.put(Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(2, steps), ids));
        inputs.put(Decoder.ATTENTION_MASK, Tensor.ofLongs(Shape.of(2, to), mask));
        Map<String, Tensor> outputs = session.run(inputs);
        double[] logits = outputs.get(Decoder.LOGITS).toDoubles();
        for (int i = 0; i < steps; i++) {
          int at = from + i;
          assertRow(logits, i, expectedLonger, at, vocabulary, name + " longer " + at);
          if (at >= fill) {
            assertRow(
                logits, steps + i, expectedShorter, at - fill, vocabulary, name + " shorter " + at);
          }
        }
        for (DecoderState state : decoder.states()) {
          states.put(state.past(), outputs.get(state.present()));
        }
        from = to;
      }
      assertThat(from).isEqualTo(LONG);
    }
  }

  @ParameterizedTest
  @MethodSource("dev.manticore.compiler.FixtureModels#all")
  void withACapacityEachSequenceIsAtAPositionOfItsOwn(String name) {
    Graph model = FixtureModels.load(name);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    long[][] ids = {draw(LONG, vocabulary, 1), draw(LONG, vocabulary, 2)};
    double[][] expected = {whole(model, ids[0]), whole(model, ids[1])};
    int[] read = {9, 3};
    Decoder decoder = DecoderBuilder.withCapacity(model, LONG + 3);
    assertThat(decoder.states()).noneMatch(DecoderState::grows);

    try (ModelSession session = open(decoder.graph())) {
      // Each prompt alone; then both together.
      List<Map<String, Tensor>> alone = new ArrayList<>();
      for (int sequence = 0; sequence < 2; sequence++) {
        Map<String, Tensor> inputs = begin(decoder, 1);
        long[] prompt = Arrays.copyOf(ids[sequence], read[sequence]);
        inputs.put(Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(1, prompt.length), prompt));
        Map<String, Tensor> outputs = session.run(inputs);
        double[] logits = outputs.get(Decoder.LOGITS).toDoubles();
        for (int at = 0; at < prompt.length; at++) {
          assertRow(logits, at, expected[sequence], at, vocabulary, name + " prompt " + at);
        }
        alone.add(outputs);
      }
      Map<String, Tensor> states = new LinkedHashMap<>();
      for (DecoderState state : decoder.states()) {
        states.put(
            state.past(),
            together(alone.get(0).get(state.present()), alone.get(1).get(state.present())));
      }
      for (int steps : new int[] {1, 1, 4, 1, 5}) {
        Map<String, Tensor> inputs = new LinkedHashMap<>(states);
        long[] run = new long[2 * steps];
        for (int sequence = 0; sequence < 2; sequence++) {
          System.arraycopy(ids[sequence], read[sequence], run, sequence * steps, steps);
        }
        inputs.put(Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(2, steps), run));
        Map<String, Tensor> outputs = session.run(inputs);
        double[] logits = outputs.get(Decoder.LOGITS).toDoubles();
        for (int sequence = 0; sequence < 2; sequence++) {
          for (int i = 0; i < steps; i++) {
            int at = read[sequence] + i;
            assertRow(
                logits,
                sequence * steps + i,
                expected[sequence],
                at,
                vocabulary,
                name + " sequence " + sequence + " at " + at);
          }
          read[sequence] += steps;
        }
        for (DecoderState state : decoder.states()) {
          states.put(state.past(), outputs.get(state.present()));
        }
      }
    }
    assertThat(read).containsExactly(21, 15);
  }

  private static Tensor together(Tensor first, Tensor second) {
    byte[] a = first.data().toByteArray();
    byte[] both = Arrays.copyOf(a, 2 * a.length);
    System.arraycopy(second.data().toByteArray(), 0, both, a.length, a.length);
    return new Tensor(
        first.type().withShape(first.shape().withDim(0, Dim.of(2))), TensorData.ofBytes(both));
  }

  @Test
  void layersAreNumberedOverAllComponents() {
    Decoder decoder =
        DecoderBuilder.build(FixtureModels.load("hybrid/mamba+gpt-neo-2/hybrid.json"));

    assertThat(decoder.states().stream().map(DecoderState::past))
        .doesNotHaveDuplicates()
        .startsWith(
            "past_key_values.0.conv_state",
            "past_key_values.0.recurrent_state",
            "past_key_values.1.conv_state",
            "past_key_values.1.recurrent_state")
        .contains("past_key_values.2.key", "past_key_values.2.value");
    assertThat(decoder.graph().inputs().get(0).name()).isEqualTo("input_ids");
    assertThat(decoder.graph().inputs().get(1).name()).isEqualTo("attention_mask");
  }

  /** What is done to the tokens of a small model between its table and its logits. */
  record Mixing(String what, String message, BiFunction<Ops, Value, Value> computation) {
    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<Mixing> mixings() {
    String alone = "each token alone";
    String length = "length of the whole sequence";
    return Stream.of(
        new Mixing(
            "CumSum", alone, (ops, x) -> ops.onnx("CumSum", x, ops.scalar(ElementType.INT64, 1))),
        new Mixing("ReduceMean", alone, (ops, x) -> ops.add(x, ops.reduceMeanKeep(x, 1))),
        new Mixing(
            "a shift of a token", alone, (ops, x) -> ops.slice(ops.pad(x, 1, 1, 0), 1, 0, -1)),
        new Mixing("a shift at once", alone, (ops, x) -> ops.pad(x, 1, 1, -1)),
        new Mixing(
            "the order reversed",
            alone,
            (ops, x) ->
                ops.onnx(
                    "Slice",
                    x,
                    ops.ints(-1),
                    ops.ints(Long.MIN_VALUE + 1),
                    ops.ints(1),
                    ops.ints(-1))),
        new Mixing(
            "tokens by tokens",
            alone,
            (ops, x) -> ops.matMul(ops.matMul(x, ops.transpose(x, 0, 2, 1)), x)),
        new Mixing("batch and length as one", alone, (ops, x) -> ops.reshape(x, -1, 2)),
        new Mixing(
            "a table cut to the length",
            length,
            (ops, x) -> {
              Value table = ops.editor().parameter("positions", draw(9, 2));
              Value end = ops.shapeOf(x, 1, 2);
              return ops.add(x, ops.onnx("Slice", table, ops.ints(0), end, ops.ints(0)));
            }),
        new Mixing(
            "a factor of the length",
            length,
            (ops, x) ->
                ops.mul(x, ops.cast(ops.squeeze(ops.shapeOf(x, 1, 2), 0), ElementType.FLOAT32))),
        new Mixing("attention to all", "later tokens", (ops, x) -> attention(ops, x, -1)),
        new Mixing("softmax over queries", "last axis", (ops, x) -> attention(ops, x, 2)));
  }

  private static Value attention(Ops ops, Value x, int axis) {
    Value heads = ops.transpose(ops.reshape(x, 0, 0, 1, 2), 0, 2, 1, 3);
    Value weights = ops.softmax(ops.matMul(heads, ops.transpose(heads, 0, 1, 3, 2)), axis);
    return ops.reshape(ops.transpose(ops.matMul(weights, heads), 0, 2, 1, 3), 0, 0, 2);
  }

  private static Tensor draw(long... extents) {
    Shape shape = Shape.of(extents);
    Random random = new Random(3);
    float[] values = new float[(int) shape.elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(shape, values);
  }

  @ParameterizedTest
  @MethodSource("mixings")
  void aModelThatMixesTokensInAnotherWayIsRefused(Mixing mixing) {
    GraphEditor editor = new GraphEditor("mixing");
    Ops ops = new Ops(editor);
    Value ids = editor.input("input_ids", tokens(ElementType.INT64));
    Value table = editor.parameter("table", draw(3, 2));
    editor.output(mixing.computation().apply(ops, ops.gather(table, ids, 0)));
    Graph graph = editor.freeze();

    assertThatThrownBy(() -> DecoderBuilder.build(graph))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining(mixing.message());
  }

  @Test
  void otherInputsAndNamesThatAreTakenAreRefused() {
    GraphEditor two = new GraphEditor("two");
    Ops ops = new Ops(two);
    Value ids = two.input("ids", tokens(ElementType.INT64));
    Value more = two.input("types", tokens(ElementType.INT64));
    Value table = two.parameter("table", draw(3, 2));
    two.output(ops.add(ops.gather(table, ids, 0), ops.gather(table, more, 0)));
    Graph withTwo = two.freeze();
    assertThatThrownBy(() -> DecoderBuilder.build(withTwo))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("types");

    GraphEditor taken = new GraphEditor("taken");
    Value name = taken.parameter("attention_mask", draw(3, 2));
    taken.output(
        new Ops(taken).gather(name, taken.input("input_ids", tokens(ElementType.INT64)), 0));
    Graph withName = taken.freeze();
    assertThatThrownBy(() -> DecoderBuilder.build(withName))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("attention_mask");
  }

  @Test
  void idsAreWideWhateverTheModelHas() {
    GraphEditor editor = new GraphEditor("narrow");
    Value ids = editor.input("ids", tokens(ElementType.INT32));
    editor.output(new Ops(editor).gather(editor.parameter("table", draw(3, 2)), ids, 0));

    Graph decoder = DecoderBuilder.build(editor.freeze()).graph();

    assertThat(decoder.input(Decoder.INPUT_IDS).elementType()).isEqualTo(ElementType.INT64);
  }

  @Test
  void beyondTheCapacityNoLogitIsANumber() {
    Graph model = FixtureModels.load("huggingface/gpt-neo");
    Decoder decoder = DecoderBuilder.withCapacity(model, 6);
    try (ModelSession session = open(decoder.graph())) {
      Map<String, Tensor> inputs = begin(decoder, 1);
      inputs.put(Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(1, 6), 1, 2, 3, 4, 5, 6));
      Map<String, Tensor> full = session.run(inputs);
      assertThat(full.get(Decoder.LOGITS).toDoubles()).doesNotContain(Double.NaN);
      decoder.states().forEach(state -> inputs.put(state.past(), full.get(state.present())));
      inputs.put(Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(1, 1), 7));

      assertThat(session.run(inputs).get(Decoder.LOGITS).toDoubles()).containsOnly(Double.NaN);
    }
  }

  private static TensorType tokens(ElementType type) {
    return new TensorType(type, Shape.of(Dim.of("batch"), Dim.of("length")));
  }

  private static long[] draw(int count, int vocabulary, long seed) {
    return new Random(seed).longs(count, 0, vocabulary).toArray();
  }

  private static double[] whole(Graph model, long[] ids) {
    try (ModelSession session = open(model)) {
      return session
          .run(Map.of(model.inputs().get(0).name(), Tensor.ofLongs(Shape.of(1, ids.length), ids)))
          .get(model.outputs().get(0).name())
          .toDoubles();
    }
  }

  private static ModelSession open(Graph graph) {
    return ModelSession.open(
        Devices.byName("cpu"),
        OnnxExporter.toBytes(Lowering.portable(graph)),
        SessionConfig.defaults());
  }

  private static Map<String, Tensor> begin(Decoder decoder, int batch) {
    Map<String, Tensor> states = new LinkedHashMap<>();
    decoder.states().forEach(state -> states.put(state.past(), state.begin(batch)));
    return states;
  }

  private static void assertRow(
      double[] logits, int row, double[] expected, int expectedRow, int vocabulary, String what) {
    for (int i = 0; i < vocabulary; i++) {
      assertThat(logits[row * vocabulary + i])
          .as(what)
          .isCloseTo(expected[expectedRow * vocabulary + i], within(1e-4));
    }
  }
}
