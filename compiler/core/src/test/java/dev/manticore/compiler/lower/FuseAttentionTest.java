package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.compiler.TinyModels;
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
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.FoldConstants;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.onnx.huggingface.ModelConfig;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class FuseAttentionTest {

  private static final int BATCH = 2;
  private static final int LENGTH = 5;
  private static final int HEADS = 3;
  private static final int WIDTH = 4;

  /** The ways in which models spell it. */
  enum Spelling {
    /** Keys are transposed once, no scale. */
    PLAIN,
    /** A scale by division, the mask first, keys transposed twice. */
    DIVIDED,
    /** A scale by a product; queries pass through another operator between heads and product. */
    ROTATED,
    /** Something else reads the mixed values of the heads too. */
    READ_BY_OTHERS
  }

  @ParameterizedTest
  @EnumSource
  void recognises(Spelling spelling) {
    Graph graph = model(spelling);

    Graph fused = new FuseAttention().run(graph);

    assertThat(fused.nodes()).filteredOn(FuseAttentionTest::isAttention).hasSize(1);
    assertThat(fused.nodes()).noneMatch(node -> node.op().isOnnx("Softmax"));
    if (spelling == Spelling.PLAIN) {
      assertThat(fused.nodes()).noneMatch(node -> node.op().isOnnx("Transpose"));
    }
    assertThat(run(fused)).usingElementComparator(FuseAttentionTest::close).isEqualTo(run(graph));
  }

  static Stream<ModelConfig> families() {
    return Stream.of(
        TinyModels.gpt2(2, 16),
        TinyModels.gptNeo(2, 16),
        TinyModels.gptNeoX(2, 16, true),
        TinyModels.gptNeoX(2, 16, false));
  }

  @ParameterizedTest
  @MethodSource("families")
  void recognisesEveryLayerOfAModel(ModelConfig config) {
    Graph graph =
        PassPipeline.of(Specialise.of(Map.of("batch", 2L, "length", 7L)), new FoldConstants())
            .run(TinyModels.build("m", config, 3));

    Graph fused = new FuseAttention().run(graph);

    assertThat(fused.nodes()).filteredOn(FuseAttentionTest::isCausal).hasSize(2);
    assertThat(fused.nodes())
        .as("transposes of heads")
        .noneMatch(node -> node.op().isOnnx("Transpose") && node.output().shape().rank() == 4);
    Map<String, NdArray> ids = Map.of("input_ids", NdArray.of(TinyModels.ids(2, 7, 1)));
    double[] logits = new Interpreter().run(fused, ids).get("logits").data();
    assertThat(logits)
        .usingComparatorWithPrecision(1e-6)
        .containsExactly(new Interpreter().run(graph, ids).get("logits").data());
  }

  /** How a mask is made, of the positions of queries and of keys. */
  interface Making {
    Value mask(Ops ops, int length, int window, double hidden);
  }

  /** The ways in which masks are made. */
  enum Made {
    CONSTANT(
        (ops, length, window, hidden) ->
            ops.editor().constant(table(length, (i, j) -> j > i || i - j >= window, hidden))),
    COMPARED(
        (ops, length, window, hidden) -> {
          Value keys = positions(ops, length);
          Value queries = ops.unsqueeze(keys, 1);
          Value first = ops.sub(queries, ops.scalar(ElementType.INT64, window - 1));
          Value seen =
              ops.onnx(
                  "And",
                  ops.onnx("LessOrEqual", keys, queries),
                  ops.onnx("LessOrEqual", first, keys));
          return ops.where(seen, number(ops, 0), number(ops, hidden));
        }),
    OTHER_WAY_ROUND(
        (ops, length, window, hidden) -> {
          Value keys = positions(ops, length);
          Value away = ops.sub(ops.unsqueeze(keys, 1), keys);
          Value seen =
              ops.onnx(
                  "And",
                  ops.onnx("Not", ops.onnx("Less", away, ops.scalar(ElementType.INT64, 0))),
                  ops.onnx("Greater", ops.scalar(ElementType.INT64, window), away));
          return ops.unsqueeze(ops.where(seen, number(ops, 0), number(ops, hidden)), 0, 1);
        });

    private final Making making;

    Made(Making making) {
      this.making = making;
    }
  }

  static Stream<Arguments> causalMasks() {
    return Stream.of(Made.values())
        .flatMap(
            made ->
                Stream.of(
                    Arguments.of(made, 2, 1, -1e9),
                    Arguments.of(made, 7, 3, -1e9),
                    Arguments.of(made, 7, 256, Double.NEGATIVE_INFINITY),
                    Arguments.of(made, 33, 33, -Float.MAX_VALUE),
                    Arguments.of(made, 257, 256, -Float.MAX_VALUE),
                    Arguments.of(made, 300, 256, Double.NEGATIVE_INFINITY)));
  }

  @ParameterizedTest
  @MethodSource("causalMasks")
  void writesACausalMaskAsAWindow(Made made, int length, int window, double hidden) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = made.making.mask(ops, length, window, hidden);
    editor.output(ops.named("y", attention(ops, length, mask, Spelling.DIVIDED)));
    Graph graph = editor.freeze();

    Graph fused = new FuseAttention().run(graph);

    assertThat(fused.nodes())
        .filteredOn(FuseAttentionTest::isCausal)
        .extracting(node -> node.attributes().intValue("window", 0))
        .containsExactly((long) Math.min(length, window));
    assertThat(fused.nodes())
        .flatExtracting(Node::presentOutputs)
        .noneMatch(value -> value.shape().elementCount() == (long) length * length);
    assertThat(run(fused)).usingElementComparator(FuseAttentionTest::close).isEqualTo(run(graph));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 257, 300})
  void writesTheMaskOfAChoiceAsAWindow(int length) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    TensorType type = TensorType.of(ElementType.FLOAT32, BATCH, length, HEADS * WIDTH);
    Value q = heads(ops, length, editor.input("q", type));
    Value v = heads(ops, length, editor.input("v", type));
    Value k = heads(ops, length, editor.input("k", type));
    Value keys = positions(ops, length);
    Value later = ops.onnx("Greater", keys, ops.unsqueeze(keys, 1));
    Value scores = ops.mul(ops.matMul(q, ops.transpose(k, 0, 1, 3, 2)), 0.3);
    Value masked = ops.where(later, number(ops, Double.NEGATIVE_INFINITY), scores);
    editor.output(ops.named("y", ops.matMul(ops.softmax(masked, -1), v)));
    Graph graph = editor.freeze();

    Graph fused = new FuseAttention().run(graph);

    assertThat(fused.nodes()).filteredOn(FuseAttentionTest::isCausal).hasSize(length > 1 ? 1 : 0);
    assertThat(run(fused)).usingElementComparator(FuseAttentionTest::close).isEqualTo(run(graph));
  }

  static Stream<Arguments> otherMasks() {
    return Stream.of(
        Arguments.of("one later key is seen", (Hides) (i, j) -> j > i + 1, -1e30),
        Arguments.of("a query does not see itself", (Hides) (i, j) -> j >= i, -1e30),
        Arguments.of("all later keys are seen", (Hides) (i, j) -> j < i - 2, -1e30),
        Arguments.of("one key more is hidden", (Hides) (i, j) -> j > i || i == 4 && j == 1, -1e30),
        Arguments.of("one key more is seen", (Hides) (i, j) -> j > i && j != 4, -1e30),
        Arguments.of("every other key is hidden", (Hides) (i, j) -> j > i || j % 2 == 1, -1e30),
        Arguments.of("hidden by what may be outweighed", (Hides) (i, j) -> j > i, -1e4));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("otherMasks")
  void leavesAnyOtherMaskAsItIs(String name, Hides hides, double hidden) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.constant(table(LENGTH, hides, hidden));
    editor.output(ops.named("y", attention(ops, mask, Spelling.PLAIN)));

    Graph fused = new FuseAttention().run(editor.freeze());

    assertThat(fused.nodes())
        .filteredOn(FuseAttentionTest::isAttention)
        .extracting(node -> node.input(3))
        .containsExactly(mask);
  }

  @Test
  void leavesACausalMaskThatIsAnInput() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.input("mask", TensorType.of(ElementType.FLOAT32, LENGTH, LENGTH));
    editor.output(ops.named("y", attention(ops, mask, Spelling.PLAIN)));

    Graph fused = new FuseAttention().run(editor.freeze());

    assertThat(fused.nodes()).filteredOn(FuseAttentionTest::isAttention).hasSize(1);
  }

  @Test
  void leavesAMaskThatIsTrained() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.parameter("mask", table(LENGTH, (i, j) -> j > i, -1e30));
    editor.output(attention(ops, mask, Spelling.PLAIN));
    Graph graph = editor.freeze();

    assertThat(new FuseAttention().run(graph)).isSameAs(graph);
  }

  @Test
  void leavesAMaskOfEachHead() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.constant(random(Shape.of(HEADS, LENGTH, LENGTH), 9));
    editor.output(attention(ops, mask, Spelling.PLAIN));
    Graph graph = editor.freeze();

    assertThat(new FuseAttention().run(graph)).isSameAs(graph);
  }

  private static boolean isAttention(Node node) {
    return node.op().equals(OpId.manticore("Attention"));
  }

  private static boolean isCausal(Node node) {
    return node.op().equals(OpId.manticore("CausalAttention"));
  }

  /** Whether a mask hides a key from a query. */
  interface Hides {
    boolean hides(int query, int key);
  }

  private static Tensor table(int length, Hides hides, double hidden) {
    float[] values = new float[length * length];
    for (int i = 0; i < values.length; i++) {
      values[i] = hides.hides(i / length, i % length) ? (float) hidden : 0;
    }
    return Tensor.ofFloats(Shape.of(length, length), values);
  }

  private static Value positions(Ops ops, long length) {
    return ops.onnx(
        "Range",
        ops.scalar(ElementType.INT64, 0),
        ops.scalar(ElementType.INT64, length),
        ops.scalar(ElementType.INT64, 1));
  }

  private static Value number(Ops ops, double value) {
    return ops.scalar(ElementType.FLOAT32, value);
  }

  private static int close(double one, double other) {
    return Math.abs(one - other) < 1e-12 ? 0 : Double.compare(one, other);
  }

  private static Graph model(Spelling spelling) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.constant(random(Shape.of(LENGTH, LENGTH), 9));
    editor.output(ops.named("y", attention(ops, mask, spelling)));
    return editor.freezeLive();
  }

  private static Value attention(Ops ops, Value mask, Spelling spelling) {
    return attention(ops, LENGTH, mask, spelling);
  }

  private static Value attention(Ops ops, long length, Value mask, Spelling spelling) {
    GraphEditor editor = ops.editor();
    TensorType type = TensorType.of(ElementType.FLOAT32, BATCH, length, HEADS * WIDTH);
    Value q = heads(ops, length, editor.input("q", type));
    Value v = heads(ops, length, editor.input("v", type));
    Value k = ops.reshape(editor.input("k", type), BATCH, length, HEADS, WIDTH);
    Value turned =
        spelling == Spelling.DIVIDED
            ? ops.transpose(ops.transpose(k, 0, 2, 1, 3), 0, 1, 3, 2)
            : ops.transpose(k, 0, 2, 3, 1);
    if (spelling == Spelling.ROTATED) {
      q = ops.tanh(q);
    }
    Value scores = ops.matMul(q, turned);
    if (spelling == Spelling.DIVIDED) {
      scores = ops.div(scores, ops.scalar(ElementType.FLOAT32, 2));
    } else if (spelling == Spelling.ROTATED) {
      scores = ops.mul(scores, 0.3);
    }
    Value masked = spelling == Spelling.DIVIDED ? ops.add(mask, scores) : ops.add(scores, mask);
    Value weights = ops.onnx("Softmax", Attributes.of("axis", 3), masked);
    Value mixed = ops.matMul(weights, v);
    Value y = ops.reshape(ops.transpose(mixed, 0, 2, 1, 3), BATCH, length, HEADS * WIDTH);
    return spelling == Spelling.READ_BY_OTHERS ? ops.add(y, ops.reshapeLike(mixed, y)) : y;
  }

  private static Value heads(Ops ops, long length, Value x) {
    return ops.transpose(ops.reshape(x, BATCH, length, HEADS, WIDTH), 0, 2, 1, 3);
  }

  private static List<Double> run(Graph graph) {
    Map<String, NdArray> inputs = new HashMap<>();
    for (Value input : graph.inputs()) {
      inputs.put(input.name(), NdArray.of(random(input.shape(), input.name().hashCode())));
    }
    double[] values =
        new Interpreter().run(graph, inputs).get(graph.outputs().get(0).name()).data();
    return Arrays.stream(values).boxed().toList();
  }

  private static Tensor random(Shape shape, long seed) {
    double[] values = new Random(seed).doubles(shape.elementCount(), -2, 2).toArray();
    return Tensor.ofDoubles(ElementType.FLOAT32, shape, values);
  }
}
