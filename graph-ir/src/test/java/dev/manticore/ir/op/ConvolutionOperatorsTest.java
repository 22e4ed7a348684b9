package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.infer;
import static dev.manticore.ir.op.OperatorHarness.iota;
import static dev.manticore.ir.op.OperatorHarness.run;
import static dev.manticore.ir.op.OperatorHarness.runAll;
import static dev.manticore.ir.op.OperatorHarness.shape;
import static dev.manticore.ir.op.OperatorHarness.type;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConvolutionOperatorsTest {

  @Test
  void aCausalDepthwiseConvolutionLooksBack() {
    Attributes causal = Attributes.of("group", 2).with("pads", Attribute.ofInts(1, 0));
    NdArray input = floats(shape(1, 2, 3), 1, 2, 3, 10, 20, 30);
    NdArray weight = floats(shape(2, 1, 2), 1, 10, -1, 1);

    NdArray result = run("Conv", causal, input, weight, floats(0.5, 0));

    assertThat(result.data()).containsExactly(10.5, 21.5, 32.5, 10, 10, 10);
    assertThat(infer("Conv", causal, type("batch", 2, "length"), type(2, 1, 2)))
        .isEqualTo(type("batch", 2, "length"));
  }

  @Test
  void stridesDilationsAndChannelsWorkTogether() {
    Attributes attributes =
        Attributes.of("strides", Attribute.ofInts(2)).with("dilations", Attribute.ofInts(2));

    NdArray result = run("Conv", attributes, iota(1, 2, 5), floats(shape(1, 2, 2), 1, 1, 1, 1));

    assertThat(result.data()).containsExactly(0 + 2 + 5 + 7, 2 + 4 + 7 + 9);
  }

  @Test
  void twoAxesWithPaddingChosenToKeepTheSize() {
    Attributes same = Attributes.of("auto_pad", Attribute.of("SAME_UPPER"));
    NdArray ones = floats(shape(1, 1, 2, 2), 1, 1, 1, 1);

    NdArray result = run("Conv", same, iota(1, 1, 2, 2), ones);

    assertThat(result.shape()).containsExactly(1, 1, 2, 2);
    assertThat(result.data()).containsExactly(6, 4, 5, 3);
  }

  @Test
  void channelsMustFit() {
    assertThatThrownBy(() -> infer("Conv", Attributes.NONE, type(1, 3, 8), type(4, 2, 3)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("the numbers of channels differ: 3 and 2");
    assertThatThrownBy(() -> infer("Conv", Attributes.NONE, type(1, 2, 2), type(4, 2, 3)))
        .hasMessageContaining("does not fit into axis 0 of 2");
  }

  @Test
  void aTransposedConvolutionSpreads() {
    Attributes stride = Attributes.of("strides", Attribute.ofInts(2));

    NdArray result =
        run(
            "ConvTranspose",
            stride,
            floats(shape(1, 1, 2), 1, 2),
            floats(shape(1, 1, 3), 1, 10, 100));

    assertThat(result.data()).containsExactly(1, 10, 102, 20, 200);
  }

  @Test
  void poolsTakeTheMaximumOrTheMean() {
    Attributes windows =
        Attributes.of("kernel_shape", Attribute.ofInts(2)).with("pads", Attribute.ofInts(1, 0));

    List<NdArray> max = runAll(OpId.onnx("MaxPool"), windows, 2, floats(shape(1, 1, 3), 3, 1, 2));

    assertThat(max.get(0).data()).containsExactly(3, 3, 2);
    assertThat(max.get(1).data()).containsExactly(0, 0, 2);
    assertThat(run("AveragePool", windows, iota(1, 1, 3)).data()).containsExactly(0, 0.5, 1.5);
    assertThat(
            run(
                    "AveragePool",
                    windows.with("count_include_pad", 1),
                    floats(shape(1, 1, 3), 2, 2, 2))
                .data())
        .containsExactly(1, 2, 2);
    assertThat(run("GlobalAveragePool", iota(1, 2, 2)).data()).containsExactly(0.5, 2.5);
    assertThat(run("GlobalMaxPool", iota(1, 2, 2)).data()).containsExactly(1, 3);
  }
}
