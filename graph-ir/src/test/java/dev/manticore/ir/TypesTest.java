package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
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

  @Test
  void stringsOfAnyBytesComeBack() {
    byte[] bytes = new byte[256];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) i;
    }
    String text = Utf8.decode(bytes);

    assertThat(Utf8.encode(text)).isEqualTo(bytes);
    assertThat(Utf8.decode("é漢😀".getBytes(StandardCharsets.UTF_8))).isEqualTo("é漢😀");
    assertThat(Utf8.encode("é漢😀")).isEqualTo("é漢😀".getBytes(StandardCharsets.UTF_8));
    Tensor tensor = Tensor.ofStrings(Shape.of(2, 2), List.of("", text, "b", "漢"));
    assertThat(tensor.toStrings()).containsExactly("", text, "b", "漢");
    assertThatThrownBy(() -> Tensor.scalar(1L).toStrings()).isInstanceOf(IrException.class);
    assertThatThrownBy(() -> new Tensor(tensor.type(), TensorData.ofBytes(new byte[5])).toStrings())
        .isInstanceOf(IrException.class);
  }

  @Test
  void sparseTensorsAreReadAsDenseOnes() {
    Tensor values = Tensor.ofFloats(Shape.of(3), 1, 2, 3);
    Tensor linear = new SparseTensor(values, Tensor.vector(1, 4, 5), Shape.of(2, 3)).dense();
    Tensor pairs =
        new SparseTensor(values, Tensor.ofLongs(Shape.of(3, 2), 0, 1, 1, 1, 1, 2), Shape.of(2, 3))
            .dense();

    assertThat(linear.toFloats()).containsExactly(0, 1, 0, 0, 2, 3);
    assertThat(pairs.toFloats()).containsExactly(0, 1, 0, 0, 2, 3);
    ByteBuffer window = ByteBuffer.allocate(7);
    linear.data().read(14, window);
    assertThat(window.array()).isEqualTo(Arrays.copyOfRange(linear.data().toByteArray(), 14, 21));
    assertThatThrownBy(
            () -> new SparseTensor(values, Tensor.vector(1, 4, 5), Shape.of(1L << 40, 1L << 40)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () -> new SparseTensor(values, Tensor.vector(1, 4, 4), Shape.of(6)).checkIndices())
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(
            () -> new SparseTensor(values, Tensor.vector(1, 4, 6), Shape.of(6)).checkIndices())
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void onlyTensorsAreComputedWith() {
    Value sequence = new Value("s", new ValueType.SequenceType(TensorType.of(ElementType.INT64)));

    assertThat(sequence).hasToString("%s: seq(i64[])");
    assertThatThrownBy(sequence::type)
        .isInstanceOf(IrException.class)
        .hasMessageContaining("%s: seq(i64[]) is not a tensor");
  }
}
