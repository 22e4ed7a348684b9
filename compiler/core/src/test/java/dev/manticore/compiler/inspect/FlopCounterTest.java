package dev.manticore.compiler.inspect;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.InlineBodies;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class FlopCounterTest {

  private final GraphEditor editor = new GraphEditor("test");

  @Test
  void aMatrixProductIsTwoOperationsForEachProductInWhateverFormItIsWritten() {
    Value a = input("a", 2, 3, 5);
    Value b = input("b", 5, 7);
    Value flat = input("flat", 6, 5);
    Value bias = input("bias", 7);
    Value product = editor.add(OpId.onnx("MatMul"), a, b);
    Value sum =
        editor.add(
            OpId.onnx("Einsum"), Attributes.of("equation", Attribute.of("...i,ij->...j")), a, b);
    Value gemm = editor.add(OpId.onnx("Gemm"), flat, b, bias);

    FlopCounter counter = count(product, sum, gemm);

    assertThat(counter.of(product.name())).isEqualTo(2 * 2 * 3 * 5 * 7);
    assertThat(counter.of(sum.name())).isEqualTo(2 * 2 * 3 * 5 * 7);
    assertThat(counter.of(gemm.name())).isEqualTo(2 * 6 * 5 * 7 + 6 * 7);
  }

  @Test
  void aProductOfOursCountsAsThatOfOnnxRuntimeAndItsAdditions() {
    Value a = input("a", 2, 3, 5);
    Value b = input("b", 7, 5);
    Value row = input("row", 7);
    Value all = input("all", 2, 3, 7);
    Attributes attributes = Attributes.of("transA", 0).with("transB", 1);
    Value theirs = editor.add(OpId.microsoft("FusedMatMul"), attributes, a, b);
    Node ours =
        new Node(
            OpId.kernel("FusedMatMulAddAdd"),
            "ours",
            attributes,
            ImmutableList.of(Optional.of(a), Optional.of(b), Optional.of(row), Optional.of(all)),
            ImmutableList.of(Optional.of(new Value("ours", theirs.type()))),
            Origin.NONE);
    editor.addNode(ours);
    editor.output(theirs);
    editor.output(ours.output());
    FlopCounter counter = FlopCounter.of(editor.freeze());

    long product = 2 * 2 * 3 * 5 * 7;
    assertThat(counter.of(theirs.name())).isEqualTo(product);
    assertThat(counter.of("ours")).isEqualTo(product + 2 * 2 * 3 * 7);
    assertThat(FlopCounter.ofProduct(ours)).hasValue(product);
    assertThat(counter.uncounted()).isEmpty();
  }

  @Test
  void aScanIsItsBodyTimesItsTurns() {
    Value state = input("state", 4);
    Value steps = input("steps", 9, 4);
    GraphEditor body = editor.subgraph("body");
    Value h = body.input("h", steps.type().withShape(Shape.of(4)));
    Value x = body.input("x", steps.type().withShape(Shape.of(4)));
    Value next = body.add(OpId.onnx("Add"), body.add(OpId.onnx("Exp"), h), x);
    body.output(next);
    Value last =
        editor
            .add(
                OpId.onnx("Scan"),
                "Scan",
                Attributes.of("body", Attribute.of(body.freeze())).with("num_scan_inputs", 1),
                List.of(Optional.of(state), Optional.of(steps)),
                1)
            .get(0);

    assertThat(count(last).of(last.name())).isEqualTo(9 * 2 * 4);
  }

  @Test
  void anOperatorOfOurOwnCountsAsItsBodyDoes() {
    Value x = input("x", 2, 3, 4);
    Value weight = editor.parameter("weight", Tensor.ofFloats(Shape.of(6, 4), new float[24]));
    Value bias = editor.parameter("bias", Tensor.ofFloats(Shape.of(6), new float[6]));
    Value gate = input("gate", 1);
    Value y = editor.add(OpId.manticore("Projector"), x, weight, bias, gate);
    editor.output(y);
    Graph graph = editor.freeze();

    Graph inlined = InlineBodies.all().run(graph);
    FlopCounter parts = FlopCounter.of(inlined);
    long sum = inlined.nodes().stream().mapToLong(node -> parts.of(node.output().name())).sum();

    assertThat(FlopCounter.of(graph).of(y.name())).isEqualTo(sum).isGreaterThan(2 * 2 * 3 * 4 * 6);
  }

  @Test
  void whatIsNotKnownIsNamedAndNotGuessed() {
    Value x = editor.input("x", new TensorType(ElementType.FLOAT32, Shape.unranked()));
    Value y = editor.add(OpId.onnx("Exp"), x);
    Value z = editor.add(new OpId("some.vendor", "Magic", 1), input("known", 2));

    FlopCounter counter = count(y, z);

    assertThat(counter.uncounted()).containsEntry("Exp", 1).containsEntry("some.vendor.Magic", 1);
    assertThat(counter.of(y.name())).isZero();
  }

  @Test
  void integersAreNoFloatingPointOperations() {
    Value x = editor.input("x", new TensorType(ElementType.INT64, Shape.of(8)));
    Value y = editor.add(OpId.onnx("Add"), x, x);

    FlopCounter counter = count(y);

    assertThat(counter.of(y.name())).isZero();
    assertThat(counter.uncounted()).isEmpty();
  }

  private Value input(String name, long... extents) {
    return editor.input(name, new TensorType(ElementType.FLOAT32, Shape.of(extents)));
  }

  private FlopCounter count(Value... outputs) {
    for (Value output : outputs) {
      editor.output(output);
    }
    return FlopCounter.of(editor.freeze());
  }
}
