package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.infer;
import static dev.manticore.ir.op.OperatorHarness.iota;
import static dev.manticore.ir.op.OperatorHarness.longs;
import static dev.manticore.ir.op.OperatorHarness.run;
import static dev.manticore.ir.op.OperatorHarness.shape;
import static dev.manticore.ir.op.OperatorHarness.type;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import org.junit.jupiter.api.Test;

class CreationOperatorsTest {

  @Test
  void constantsComeFromAnyOfTheirAttributes() {
    assertThat(run("Constant", Attributes.of("value_int", 3)).shape()).isEmpty();
    assertThat(run("Constant", Attributes.of("value_ints", Attribute.ofInts(3, 4))).data())
        .containsExactly(3, 4);
    assertThat(run("Constant", Attributes.of("value_float", Attribute.of(0.5f))).data())
        .containsExactly(0.5);
    assertThat(run("Constant", Attributes.of("value_floats", Attribute.ofFloats(1, 2))).data())
        .containsExactly(1, 2);
    Tensor tensor = Tensor.ofFloats(Shape.of(1, 1), 9);
    assertThat(run("Constant", Attributes.of("value", Attribute.of(tensor))).shape())
        .containsExactly(1, 1);
    assertThatThrownBy(() -> run("Constant")).hasMessageContaining("needs one of the attributes");
  }

  @Test
  void shapesAreFilledAndMeasured() {
    assertThat(run("ConstantOfShape", longs(2)).data()).containsExactly(0, 0);
    Attributes value = Attributes.of("value", Attribute.of(Tensor.vector(7)));
    assertThat(run("ConstantOfShape", value, longs(1, 2)).data()).containsExactly(7, 7);
    assertThat(infer("ConstantOfShape", Attributes.NONE, type(ElementType.INT64, 2)))
        .isEqualTo(type("?", "?"));
    assertThat(run("Shape", Attributes.of("start", -2).with("end", 9), iota(2, 3, 4)).data())
        .containsExactly(3, 4);
    assertThat(run("Size", iota(2, 3)).data()).containsExactly(6);
  }

  @Test
  void rangesStopBeforeTheirLimit() {
    NdArray start = floats(shape(), 1);
    NdArray limit = floats(shape(), 2.1);

    assertThat(run("Range", start, limit, floats(shape(), 0.5)).data()).containsExactly(1, 1.5, 2);
    assertThat(run("Range", limit, start, floats(shape(), 1)).data()).isEmpty();
    assertThatThrownBy(() -> run("Range", start, limit, floats(shape(), 0)))
        .hasMessageContaining("cannot be zero");
  }

  @Test
  void eyesHaveADiagonal() {
    assertThat(run("EyeLike", Attributes.of("k", 1), iota(2, 3)).data())
        .containsExactly(0, 1, 0, 0, 0, 1);
  }
}
