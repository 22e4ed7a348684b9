package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

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
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

final class UseProductsTest {

  private static final int ROWS = 128;
  private static final int DEPTH = 96;
  private static final int COLUMNS = 112;

  private final GraphEditor editor = new GraphEditor("products");
  private final Ops ops = new Ops(editor);
  private final Value a = input("a", 2, ROWS / 2, DEPTH);
  private final Value b = input("b", DEPTH, COLUMNS);

  private Value input(String name, long... extents) {
    return editor.input(name, TensorType.of(ElementType.FLOAT32, extents));
  }

  private Graph run(Value... outputs) {
    for (Value output : outputs) {
      editor.output(output);
    }
    Graph graph = editor.freeze();
    Graph changed = new UseProducts().run(graph);
    assertThat(results(changed)).usingRecursiveComparison().isEqualTo(results(graph));
    return changed;
  }

  /** What each output is, by name. */
  private static Map<String, double[]> results(Graph graph) {
    Map<String, NdArray> inputs = new TreeMap<>();
    for (Value input : graph.inputs()) {
      double[] values =
          new Random(input.name().hashCode())
              .doubles(input.shape().elementCount(), -1, 1)
              .toArray();
      inputs.put(
          input.name(), NdArray.of(Tensor.ofDoubles(ElementType.FLOAT32, input.shape(), values)));
    }
    Map<String, double[]> results = new TreeMap<>();
    new Interpreter().run(graph, inputs).forEach((name, array) -> results.put(name, array.data()));
    return results;
  }

  private static List<OpId> ops(Graph graph) {
    return graph.nodes().stream().map(node -> node.op()).toList();
  }

  @Test
  void whatIsAddedToAProductIsAddedByIt() {
    Value bias = input("bias", COLUMNS);
    Value residual = input("residual", 2, ROWS / 2, COLUMNS);

    Graph changed = run(ops.add(residual, ops.add(ops.matMul(a, b), bias)));

    assertThat(ops(changed)).containsExactly(OpId.kernel("FusedMatMulAddAdd"));
  }

  @Test
  void aThirdAddendIsAddedByANodeOfItsOwn() {
    Value sum = ops.matMul(a, b);
    for (String name : List.of("x", "y", "z")) {
      sum = ops.add(sum, input(name, COLUMNS));
    }

    assertThat(ops(run(sum))).containsExactly(OpId.kernel("FusedMatMulAddAdd"), OpId.onnx("Add"));
  }

  @Test
  void twoProductsThatAreAddedBecomeOneAfterTheOther() {
    Value other = ops.matMul(input("c", 2, ROWS / 2, DEPTH), input("d", DEPTH, COLUMNS));

    assertThat(ops(run(ops.add(ops.matMul(a, b), other))))
        .containsExactlyInAnyOrder(OpId.kernel("FusedMatMul"), OpId.kernel("FusedMatMulAdd"));
  }

  @Test
  void aProductThatOthersReadIsKept() {
    Value product = ops.matMul(a, b);
    Value bias = input("bias", COLUMNS);

    assertThat(ops(run(ops.add(product, bias), ops.mul(product, bias))))
        .containsExactlyInAnyOrder(OpId.kernel("FusedMatMul"), OpId.onnx("Add"), OpId.onnx("Mul"));
  }

  @Test
  void whatBroadcastsOtherwiseIsAddedByItself() {
    Value column = input("column", 2, ROWS / 2, 1);
    Value wider = input("wider", 3, 1, 1, COLUMNS);

    Graph changed = run(ops.add(ops.matMul(a, b), column), ops.add(ops.matMul(a, b), wider));

    assertThat(ops(changed))
        .containsExactlyInAnyOrder(
            OpId.kernel("FusedMatMul"),
            OpId.onnx("Add"),
            OpId.kernel("FusedMatMul"),
            OpId.onnx("Add"));
  }

  @Test
  void smallOnesFewRowsConstantsAndBatchesStay() {
    Value weight = editor.parameter("weight", zeros(DEPTH, COLUMNS));
    Graph changed =
        run(
            ops.matMul(a, weight),
            ops.matMul(input("few", 15, 1024), input("wide", 1024, 1024)),
            ops.matMul(input("small", 64, 16), input("narrow", 16, 16)),
            ops.matMul(input("p", 8, 64, 64), input("q", 8, 64, 64)));

    assertThat(ops(changed)).containsOnly(OpId.onnx("MatMul")).hasSize(4);
  }

  private static Tensor zeros(long... extents) {
    Shape shape = Shape.of(extents);
    return Tensor.ofFloats(shape, new float[(int) shape.elementCount()]);
  }
}
