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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

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

    assertThat(fused.nodes()).filteredOn(FuseAttentionTest::isAttention).hasSize(2);
    assertThat(fused.nodes())
        .as("transposes of heads")
        .noneMatch(node -> node.op().isOnnx("Transpose") && node.output().shape().rank() == 4);
    Map<String, NdArray> ids = Map.of("input_ids", NdArray.of(TinyModels.ids(2, 7, 1)));
    double[] logits = new Interpreter().run(fused, ids).get("logits").data();
    assertThat(logits)
        .usingComparatorWithPrecision(1e-6)
        .containsExactly(new Interpreter().run(graph, ids).get("logits").data());
  }

  @Test
  void leavesAMaskThatIsTrained() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value mask = editor.parameter("mask", random(Shape.of(LENGTH, LENGTH), 9));
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
    GraphEditor editor = ops.editor();
    TensorType type = TensorType.of(ElementType.FLOAT32, BATCH, LENGTH, HEADS * WIDTH);
    Value q = heads(ops, editor.input("q", type));
    Value v = heads(ops, editor.input("v", type));
    Value k = ops.reshape(editor.input("k", type), BATCH, LENGTH, HEADS, WIDTH);
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
    Value y = ops.reshape(ops.transpose(mixed, 0, 2, 1, 3), BATCH, LENGTH, HEADS * WIDTH);
    return spelling == Spelling.READ_BY_OTHERS ? ops.add(y, ops.reshapeLike(mixed, y)) : y;
  }

  private static Value heads(Ops ops, Value x) {
    return ops.transpose(ops.reshape(x, BATCH, LENGTH, HEADS, WIDTH), 0, 2, 1, 3);
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
