package dev.manticore.onnx;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.checkFromIndexSize;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A tensor of float32, float16 or bfloat16 as another of these, converted as it is read. Widening
 * is exact, so that narrowing what was widened gives the bits that there were; other numbers are
 * rounded to nearest, ties to even.
 */
public final class ConvertedData implements TensorData {

  private static final ImmutableSet<ElementType> CONVERTED =
      ImmutableSet.of(ElementType.FLOAT32, ElementType.FLOAT16, ElementType.BFLOAT16);

  private static final int CHUNK = 1 << 16;

  private final String name;
  private final Tensor source;
  private final ElementType target;

  private ConvertedData(String name, Tensor source, ElementType target) {
    this.name = name;
    this.source = source;
    this.target = target;
  }

  /**
   * The tensor as another element type; itself if it is of that already. Reading throws {@code
   * MNT-PRECISION} where a number is too large for float16.
   *
   * @param name what messages call the tensor
   */
  public static Tensor convert(String name, Tensor tensor, ElementType target) {
    if (tensor.elementType() == target) {
      return tensor;
    }
    checkArgument(
        CONVERTED.contains(tensor.elementType()) && CONVERTED.contains(target),
        "%s cannot be converted to %s",
        tensor.type(),
        target);
    return new Tensor(
        tensor.type().withElementType(target), new ConvertedData(name, tensor, target));
  }

  @Override
  public long byteSize() {
    return source.shape().elementCount() * target.byteSize();
  }

  @Override
  public void read(long offset, ByteBuffer into) {
    checkFromIndexSize(offset, (long) into.remaining(), byteSize());
    int width = target.byteSize();
    int skip = (int) (offset % width);
    long element = offset / width;
    while (into.hasRemaining()) {
      int count = (int) Math.min(CHUNK, (skip + (long) into.remaining() + width - 1) / width);
      ByteBuffer converted = convert(element, count).position(skip);
      converted.limit(Math.min(width * count, skip + into.remaining()));
      into.put(converted);
      element += count;
      skip = 0;
    }
  }

  private ByteBuffer convert(long element, int count) {
    int width = source.elementType().byteSize();
    ByteBuffer from = ByteBuffer.allocate(width * count).order(ByteOrder.LITTLE_ENDIAN);
    source.data().read(width * element, from);
    ByteBuffer to = ByteBuffer.allocate(target.byteSize() * count).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      float value = get(from, i);
      switch (target) {
        case FLOAT16 -> to.putShort(2 * i, half(value));
        case BFLOAT16 -> to.putShort(2 * i, NumberFormats.floatToBfloat(value));
        default -> to.putFloat(4 * i, value);
      }
    }
    return to;
  }

  private float get(ByteBuffer from, int index) {
    return switch (source.elementType()) {
      case FLOAT16 -> NumberFormats.halfToFloat(from.getShort(2 * index));
      case BFLOAT16 -> Float.intBitsToFloat(from.getShort(2 * index) << 16);
      default -> from.getFloat(4 * index);
    };
  }

  private short half(float value) {
    short half = NumberFormats.floatToHalf(value);
    if ((half & 0x7fff) == 0x7c00 && !Float.isInfinite(value)) {
      throw new ManticoreException(
          "MNT-PRECISION",
          "tensor '"
              + name
              + "' holds "
              + value
              + ", which is too large for float16; write it as bfloat16 or float32");
    }
    return half;
  }
}
