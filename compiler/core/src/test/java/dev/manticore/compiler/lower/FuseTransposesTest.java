package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class FuseTransposesTest {

  private final GraphEditor editor = new GraphEditor("transposes");
  private final Ops ops = new Ops(editor);
  private final Value a = editor.input("a", TensorType.of(ElementType.FLOAT32, 5, 3));
  private final Value b = editor.input("b", TensorType.of(ElementType.FLOAT32, 7, 5));

  private Node run(Value output) {
    editor.output(output);
    Graph graph = editor.freeze();
    Graph changed = new FuseTransposes().run(graph);

    assertThat(result(changed)).isEqualTo(result(graph));
    assertThat(changed.nodes()).hasSize(1);
    return changed.nodes().get(0);
  }

  private static double[] result(Graph graph) {
    Random random = new Random(1);
    NdArray a = NdArray.of(ElementType.FLOAT32, new int[] {5, 3}, random.doubles(15).toArray());
    NdArray b = NdArray.of(ElementType.FLOAT32, new int[] {7, 5}, random.doubles(35).toArray());
    return new Interpreter()
        .run(graph, Map.of("a", a, "b", b))
        .get(graph.outputs().get(0).name())
        .data();
  }

  @Test
  void aProductReadsItsOperandsTransposed() {
    Node product = run(ops.matMul(ops.transpose(a, 1, 0), ops.transpose(b, 1, 0)));

    assertThat(product.op()).isEqualTo(OpId.microsoft("FusedMatMul"));
    assertThat(product.attributes().intValue("transA", 0)).isEqualTo(1);
    assertThat(product.attributes().intValue("transB", 0)).isEqualTo(1);
  }

  @Test
  void aTransposedProductIsTheProductOfTheTransposed() {
    Node product = run(ops.transpose(ops.matMul(b, a), 1, 0));

    assertThat(product.inputs().stream().map(value -> value.orElseThrow().name()))
        .containsExactly("a", "b");
    assertThat(product.attributes().intValue("transA", 0)).isEqualTo(1);
  }

  @Test
  void twoTransposesInARowAreNone() {
    Value same = ops.transpose(ops.transpose(b, 1, 0), 1, 0);

    assertThat(run(ops.matMul(same, a)).op()).isEqualTo(OpId.onnx("MatMul"));
  }

  @Test
  void threeTransposesInARowAreOne() {
    Value turned = ops.transpose(ops.transpose(ops.transpose(a, 1, 0), 1, 0), 1, 0);

    Node product = run(ops.matMul(turned, ops.transpose(b, 1, 0)));

    assertThat(product.inputs().stream().map(value -> value.orElseThrow().name()))
        .containsExactly("a", "b");
    assertThat(product.attributes().intValue("transA", 0)).isEqualTo(1);
  }
}
