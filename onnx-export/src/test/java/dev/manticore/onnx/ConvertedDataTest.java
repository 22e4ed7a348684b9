package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class ConvertedDataTest {

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void everyBitPatternSurvivesWideningAndNarrowing(ElementType type) {
    Tensor all = allPatterns(type);

    Tensor wide = copied(ConvertedData.convert("t", all, ElementType.FLOAT32));

    assertThat(wide.toDoubles()).isEqualTo(all.toDoubles());
    assertThat(ConvertedData.convert("t", wide, type).data().toByteArray())
        .isEqualTo(all.data().toByteArray());
  }

  @Test
  void roundsToNearest() {
    float[] values = {1.0009765f, 1.00048828125f, 1.00146484375f, 65519f, 1e-8f, -0f, 3.1415927f};
    Tensor wide = Tensor.ofFloats(Shape.of(values.length), values);

    for (ElementType type : new ElementType[] {ElementType.FLOAT16, ElementType.BFLOAT16}) {
      Tensor expected = Tensor.ofDoubles(type, wide.shape(), wide.toDoubles());
      assertThat(ConvertedData.convert("t", wide, type).data().toByteArray())
          .isEqualTo(expected.data().toByteArray());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT16", "BFLOAT16"})
  void readsWindowsThatCutElements(ElementType type) {
    Tensor all = allPatterns(type);
    Tensor wide = copied(ConvertedData.convert("t", all, ElementType.FLOAT32));
    Tensor narrow = ConvertedData.convert("t", wide, type);

    for (int offset : new int[] {0, 1, 7, 70001}) {
      ByteBuffer window = ByteBuffer.allocate(40001);
      narrow.data().read(offset, window);
      assertThat(window.array())
          .isEqualTo(Arrays.copyOfRange(all.data().toByteArray(), offset, offset + 40001));
    }
    assertThatThrownBy(() -> narrow.data().read(2 * 65536 - 1, ByteBuffer.allocate(2)))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void refusesNumbersThatFloat16CannotHold() {
    Tensor wide = Tensor.ofFloats(Shape.of(2), Float.POSITIVE_INFINITY, -65520f);

    assertThatThrownBy(
            () -> ConvertedData.convert("a.weight", wide, ElementType.FLOAT16).data().toByteArray())
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("'a.weight'", "-65520", "bfloat16");
  }

  private static Tensor allPatterns(ElementType type) {
    ByteBuffer bits = ByteBuffer.allocate(2 * 65536).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 65536; i++) {
      bits.putShort((short) i);
    }
    return new Tensor(new TensorType(type, Shape.of(65536)), TensorData.ofBytes(bits.array()));
  }

  private static Tensor copied(Tensor tensor) {
    return new Tensor(tensor.type(), TensorData.ofBytes(tensor.data().toByteArray()));
  }
}
