package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TypesTest {

  @Test
  void unknownRankUnknownExtentAndScalarAreThreeThings() {
    Shape unknownExtent = Shape.of(Dim.UNKNOWN);

    assertThat(Shape.unranked()).hasToString("*").isNotEqualTo(Shape.scalar());
    assertThat(Shape.scalar()).hasToString("[]").isEqualTo(Shape.of(new long[0]));
    assertThat(unknownExtent).hasToString("[?]").isNotEqualTo(Shape.scalar());
    assertThat(Shape.scalar().isStatic()).isTrue();
    assertThat(Shape.unranked().isStatic()).isFalse();
    assertThat(Shape.scalar().elementCount()).isEqualTo(1);
  }

  @Test
  void typesPrintAsInTheTextualForm() {
    Shape shape = Shape.of(Dim.of("batch"), Dim.of(128), Dim.UNKNOWN);

    assertThat(new TensorType(ElementType.BFLOAT16, shape)).hasToString("bf16[batch,128,?]");
    assertThat(new TensorType(ElementType.INT64, Shape.unranked())).hasToString("i64*");
    assertThat(new Value("x", TensorType.of(ElementType.BOOL))).hasToString("%x: bool[]");
  }

  @Test
  void negativeAxesCountFromTheEnd() {
    Shape shape = Shape.of(2, 3, 4);

    assertThat(shape.dim(-1)).isEqualTo(Dim.of(4));
    assertThat(shape.withDim(-3, Dim.of("n"))).hasToString("[n,3,4]");
  }

  @Test
  void anExtentThatIsNotKnownIsAnError() {
    assertThatThrownBy(() -> Shape.of(Dim.of("n")).elementCount())
        .isInstanceOf(IrException.class)
        .hasMessage("the extent of dimension n is not known");
    assertThatThrownBy(() -> Shape.unranked().rank()).isInstanceOf(IrException.class);
    assertThatThrownBy(() -> Dim.of(-1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void elementTypesAreFoundByNumberAndByName() {
    for (ElementType type : ElementType.values()) {
      assertThat(ElementType.ofOnnxNumber(type.onnxNumber())).isEqualTo(type);
      assertThat(ElementType.ofText(type.text())).isEqualTo(type);
    }
    assertThatThrownBy(() -> ElementType.ofOnnxNumber(0)).isInstanceOf(IrException.class);
    assertThatThrownBy(() -> ElementType.ofText("float")).isInstanceOf(IrException.class);
  }

  @Test
  void tensorsConvertTheirValues() {
    Tensor half = Tensor.ofDoubles(ElementType.FLOAT16, Shape.of(3), 1.5, -2, 1e9);

    assertThat(half.toDoubles()).containsExactly(1.5, -2, Double.POSITIVE_INFINITY);
    assertThat(half.data().byteSize()).isEqualTo(6);
    assertThat(Tensor.ofDoubles(ElementType.BOOL, Shape.of(2), 0, 3).toLongs())
        .containsExactly(0, 1);
    assertThat(Tensor.vector(Long.MIN_VALUE, Long.MAX_VALUE).toLongs())
        .containsExactly(Long.MIN_VALUE, Long.MAX_VALUE);
    assertThat(Tensor.scalar(0.1f).toFloats()).containsExactly(0.1f);
    assertThat(Tensor.scalar(0.1f).toDoubles()).containsExactly((double) 0.1f);
    assertThat(Tensor.ofFloats(Shape.of(0, 4)).toDoubles()).isEmpty();
  }

  @Test
  void aTensorHasAsManyBytesAsItsTypeTakes() {
    assertThatThrownBy(() -> Tensor.ofFloats(Shape.of(3), 1, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("a f32[3] takes 12 bytes, not 8");
  }
}
