package dev.manticore.compiler.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.verify.Subject;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Decoders, reading in pieces, against the models that they are made of, reading at once. */
class DecoderBuilderTest {

  private static final int LONG = 21;
  private static final int SHORT = 13;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "huggingface/gpt2",
        "huggingface/gpt-neo",
        "huggingface/gpt-neox",
        "huggingface/mamba",
        "huggingface/mamba-state-spaces",
        "huggingface/mamba2",
        "huggingface/gpt2/model.onnx",
        "huggingface/gpt-neo/model.onnx",
        "huggingface/gpt-neox/model.onnx",
        "hybrid/mamba+gpt-neo-1/hybrid.json",
        "hybrid/mamba+gpt-neo-2/hybrid.json",
        "hybrid/mamba+gpt-neo+gpt-neox-2/hybrid.json"
      })
  void sequencesOfUnequalLengthsInPiecesGiveTheLogitsOfTheWhole(String name) {
    Graph model = load(name);
    int vocabulary = (int) model.outputs().get(0).shape().dim(-1).extent();
    long[] longer = draw(LONG, vocabulary, 1);
    long[] shorter = draw(SHORT, vocabulary, 2);
    Decoder decoder = DecoderBuilder.build(model);
    double[] expectedLonger = whole(model, longer);
    double[] expectedShorter = whole(model, shorter);
    int fill = LONG - SHORT;

    try (ModelSession session = open(decoder.graph())) {
      Map<String, Tensor> states = begin(decoder);
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

  @Test
  void layersAreNumberedOverAllComponents() {
    Decoder decoder = DecoderBuilder.build(load("hybrid/mamba+gpt-neo-2/hybrid.json"));

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

  @ParameterizedTest
  @ValueSource(strings = {"CumSum", "ReduceMean", "Pad", "MatMul"})
  void aModelThatMixesTokensInAnotherWayIsRefused(String operator) {
    GraphEditor editor = new GraphEditor("mixing");
    Ops ops = new Ops(editor);
    Shape tokens = Shape.of(Dim.of("batch"), Dim.of("length"));
    Value ids = editor.input("input_ids", new TensorType(ElementType.INT64, tokens));
    Value table = editor.parameter("table", Tensor.ofFloats(Shape.of(3, 2), new float[6]));
    Value x = ops.gather(table, ids, 0);
    editor.output(
        switch (operator) {
          case "CumSum" -> ops.onnx("CumSum", x, ops.scalar(ElementType.INT64, 1));
          case "ReduceMean" -> ops.add(x, ops.reduceMeanKeep(x, 1));
          case "Pad" -> ops.slice(ops.pad(x, 1, 1, 0), 1, 0, -1);
          default -> ops.matMul(ops.matMul(x, ops.transpose(x, 0, 2, 1)), x);
        });
    Graph graph = editor.freeze();

    assertThatThrownBy(() -> DecoderBuilder.build(graph))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining(operator)
        .hasMessageContaining("each token alone");
  }

  private static Graph load(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    return Subject.load(fixture.get(), Fixtures.shared("fixtures/huggingface")).graph();
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

  private static Map<String, Tensor> begin(Decoder decoder) {
    Map<String, Tensor> states = new LinkedHashMap<>();
    decoder.states().forEach(state -> states.put(state.past(), state.begin(2)));
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
