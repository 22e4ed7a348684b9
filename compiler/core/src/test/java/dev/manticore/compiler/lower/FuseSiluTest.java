package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import org.junit.jupiter.api.Test;

final class FuseSiluTest {

  private final GraphEditor editor = new GraphEditor("silu");
  private final Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 2, 3));

  private Value onnx(String name, Value... operands) {
    return editor.add(OpId.onnx(name), operands);
  }

  private Graph fused() {
    return FuseSilu.pass().run(editor.freeze());
  }

  @Test
  void aValueTimesItsSigmoidIsOneOperatorWhicheverComesFirst() {
    Value first = onnx("Mul", x, onnx("Sigmoid", x));
    editor.output(onnx("Mul", onnx("Sigmoid", first), first));

    assertThat(fused().nodes())
        .extracting(node -> node.op())
        .containsExactly(OpId.manticore("Silu"), OpId.manticore("Silu"));
  }

  @Test
  void theSigmoidOfAnotherValueIsAGate() {
    Value y = editor.input("y", x.type());
    editor.output(onnx("Mul", y, onnx("Sigmoid", x)));

    assertThat(fused().nodes())
        .extracting(node -> node.op().name())
        .containsExactly("Sigmoid", "Mul");
  }

  @Test
  void aSigmoidThatSomethingElseReadsStays() {
    Value gate = onnx("Sigmoid", x);
    editor.output(onnx("Mul", x, gate));
    editor.output(gate);

    assertThat(fused().nodes())
        .extracting(node -> node.op().name())
        .containsExactlyInAnyOrder("Sigmoid", "Silu");
  }
}
