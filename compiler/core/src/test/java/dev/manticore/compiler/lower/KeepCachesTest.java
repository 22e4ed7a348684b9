package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderSession;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Decoders that keep their caches, against the models that they are made of, reading at once. */
class KeepCachesTest {

  private static final Device CPU = Devices.byName("cpu");

  /** What the tables of positions of the fixtures allow, and more than the room at first. */
  private static final int LENGTH = 60;

  private static final int ROOM = 13;

  @TempDir Path directory;

  @ParameterizedTest
  @MethodSource("dev.manticore.compiler.FixtureModels#all")
  void everyLogitOfEveryPieceIsThatOfTheWhole(String name) {
    Graph model = FixtureModels.load(name);
    Graph decoder = DecoderBuilder.build(model).graph();
    // As an artifact has it, too: written without operators of our own.
    Path file = directory.resolve("decoder.onnx");
    OnnxExporter.write(Lowering.portable(decoder), file, OnnxExporter.Options.DEFAULT);

    for (Graph form : List.of(decoder, OnnxImporter.read(file))) {
      assertKeeps(form);
      assertReads(form, model, 1, LENGTH, 20, 1, 1, 7, 1);
      assertReads(form, model, 3, 30, 5, 1, 3);
    }
  }

  private static void assertKeeps(Graph decoder) {
    Graph lowered = Lowering.decoderForDevice(decoder, CPU);
    assertThat(lowered.inputs())
        .noneMatch(
            input ->
                DecoderState.of(input.name(), input.type())
                    .filter(DecoderState::grows)
                    .isPresent());
    assertThat(lowered.nodes())
        .noneMatch(node -> node.op().isOnnx("Softmax") && node.output().shape().rank() == 4);
  }

  private static void assertReads(
      Graph decoder, Graph model, int batch, int length, int... pieces) {
    int vocabulary = Math.toIntExact(model.outputs().get(0).shape().dim(-1).extent());
    long[] ids = new Random(length).longs((long) batch * length, 0, vocabulary).toArray();
    double[] expected;
    try (ModelSession whole = open(Lowering.portable(model))) {
      expected =
          whole
              .run(
                  Map.of(
                      model.inputs().get(0).name(), Tensor.ofLongs(Shape.of(batch, length), ids)))
              .get(model.outputs().get(0).name())
              .toDoubles();
    }
    try (ModelSession session = open(Lowering.decoderForDevice(decoder, CPU));
        DecoderSession reading = new DecoderSession(session, batch, ROOM)) {
      for (int time = 0; time < 2; time++) {
        int from = 0;
        for (int piece = 0; from < length; piece++) {
          int count = Math.min(pieces[piece % pieces.length], length - from);
          long[] part = new long[batch * count];
          for (int row = 0; row < batch; row++) {
            System.arraycopy(ids, row * length + from, part, row * count, count);
          }
          double[] logits = reading.read(part).toDoubles();
          for (int row = 0; row < batch; row++) {
            for (int i = 0; i < count * vocabulary; i++) {
              assertThat(logits[row * count * vocabulary + i])
                  .isCloseTo(expected[(row * length + from) * vocabulary + i], within(1e-4));
            }
          }
          from += count;
        }
        reading.reset();
      }
    }
  }

  private static ModelSession open(Graph graph) {
    return ModelSession.open(CPU, OnnxExporter.toBytes(graph), SessionConfig.defaults());
  }

  @Test
  void inDoublePrecisionNothingChanges() {
    Decoder decoder = DecoderBuilder.build(FixtureModels.load("huggingface/gpt-neo"));
    Graph kept = new KeepCaches().run(decoder.graph());
    Map<String, NdArray> growing = new LinkedHashMap<>();
    Map<String, NdArray> room = new LinkedHashMap<>();
    growing.put(
        Decoder.INPUT_IDS, NdArray.of(Tensor.ofLongs(Shape.of(2, 4), 1, 2, 3, 4, 5, 6, 7, 8)));
    growing.put(
        Decoder.ATTENTION_MASK,
        NdArray.of(Tensor.ofLongs(Shape.of(2, 7), 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1)));
    room.putAll(growing);
    Random random = new Random(1);
    for (DecoderState state : decoder.states()) {
      long heads = state.type().shape().dim(1).extent();
      long width = state.type().shape().dim(3).extent();
      boolean turned = state.kind() == DecoderState.Kind.KEY;
      float[] small = new float[(int) (2 * heads * 3 * width)];
      float[] large = new float[(int) (2 * heads * 9 * width)];
      for (int head = 0; head < 2 * heads; head++) {
        for (int slot = 0; slot < 3; slot++) {
          for (int i = 0; i < width; i++) {
            float value = (float) random.nextGaussian();
            small[(int) ((head * 3 + slot) * width + i)] = value;
            large[(int) (turned ? (head * width + i) * 9 + slot : (head * 9 + slot) * width + i)] =
                value;
          }
        }
      }
      growing.put(state.past(), NdArray.of(Tensor.ofFloats(Shape.of(2, heads, 3, width), small)));
      Shape shape = turned ? Shape.of(2, heads, width, 9) : Shape.of(2, heads, 9, width);
      room.put(state.past(), NdArray.of(Tensor.ofFloats(shape, large)));
    }

    double[] expected = new Interpreter().run(decoder.graph(), growing).get(Decoder.LOGITS).data();
    double[] actual = new Interpreter().run(kept, room).get(Decoder.LOGITS).data();

    int vocabulary = expected.length / 8;
    // The second sequence's first two slots are no tokens; all that it reads now are.
    for (int i = 0; i < 8 * vocabulary; i++) {
      assertThat(actual[i]).isCloseTo(expected[i], within(1e-9));
    }
  }

  @Test
  void aCacheThatIsReadElsewhereGoesOnGrowing() {
    Graph decoder = DecoderBuilder.build(FixtureModels.load("huggingface/gpt-neo")).graph();
    GraphEditor editor = decoder.edit();
    Node concat =
        decoder.nodes().stream()
            .filter(node -> node.op().isOnnx("Concat") && node.inputs().size() == 2)
            .filter(node -> node.input(0).name().startsWith("past_key_values."))
            .findFirst()
            .orElseThrow();
    editor.output(new Ops(editor).named("sum", new Ops(editor).reduceSum(concat.output(), 2)));
    Graph more = editor.freeze();

    assertThat(new KeepCaches().run(more)).isSameAs(more);
  }

  /** One attention over a growing cache, as a decoder has it. */
  private static Graph attention(long queryHeads, long keyHeads, long valueWidth, boolean masked) {
    GraphEditor editor = new GraphEditor("attention");
    Ops ops = new Ops(editor);
    Dim batch = Dim.of("batch");
    Value mask =
        editor.input(
            Decoder.ATTENTION_MASK,
            new TensorType(ElementType.INT64, Shape.of(batch, Dim.of("total_length"))));
    Dim length = Dim.of("length");
    Value q = heads(editor, "q", batch, queryHeads, length, 8);
    Value k = heads(editor, "k", batch, keyHeads, length, 8);
    Value v = heads(editor, "v", batch, keyHeads, length, valueWidth);
    Dim past = Dim.of("past_length");
    Value keys = ops.concat(2, heads(editor, "past_key_values.0.key", batch, keyHeads, past, 8), k);
    Value values =
        ops.concat(
            2, heads(editor, "past_key_values.0.value", batch, keyHeads, past, valueWidth), v);
    Value scores = ops.matMul(q, ops.transpose(keys, 0, 1, 3, 2));
    Value bias =
        masked
            ? editor.input(
                "bias",
                new TensorType(ElementType.FLOAT32, Shape.of(length, Dim.of("total_length"))))
            : ops.unsqueeze(ops.reduceSum(ops.cast(mask, ElementType.FLOAT32), 0, 1), 0, 1);
    Value mixed = ops.matMul(ops.softmax(ops.add(scores, bias), -1), values);
    editor.output(ops.named("logits", mixed));
    editor.output(ops.named("present.0.key", keys));
    editor.output(ops.named("present.0.value", values));
    return editor.freeze();
  }

  private static Value heads(
      GraphEditor editor, String name, Dim batch, long heads, Dim tokens, long width) {
    return editor.input(
        name,
        new TensorType(ElementType.FLOAT32, Shape.of(batch, Dim.of(heads), tokens, Dim.of(width))));
  }

  @Test
  void whatTheKernelDoesNotTakeGoesOnGrowing() {
    Graph plain = attention(4, 4, 8, true);
    assertThat(new KeepCaches().run(plain)).isNotSameAs(plain);
    Graph shared = attention(4, 1, 8, true);
    assertThat(new KeepCaches().run(shared)).isSameAs(shared);
    Graph narrow = attention(4, 4, 4, true);
    assertThat(new KeepCaches().run(narrow)).isSameAs(narrow);
    Graph oneForAll = attention(4, 4, 8, false);
    assertThat(new KeepCaches().run(oneForAll)).isSameAs(oneForAll);
  }

  @Test
  void aDecoderWhoseStatesAreReadAsOutputsStaysAsItIs() {
    GraphEditor editor = attention(4, 4, 8, true).edit();
    Value present =
        editor.outputs().stream()
            .filter(output -> output.name().equals("present.0.key"))
            .findFirst()
            .orElseThrow();
    editor.output(new Ops(editor).named("sum", new Ops(editor).reduceSum(present, 2)));
    Graph more = editor.freeze();

    assertThat(new KeepCaches().run(more)).isSameAs(more);
  }

  @Test
  void aModelWithoutCachesStaysAsItIs() {
    Graph decoder = DecoderBuilder.build(FixtureModels.load("huggingface/mamba")).graph();

    assertThat(new KeepCaches().run(decoder)).isSameAs(decoder);
  }
}
