package dev.manticore.onnx.huggingface;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.checkFromIndexSize;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A tensor of half precision (float16 or bfloat16) as float32, converted as it is read. */
final class WidenedData implements TensorData {

  private static final int CHUNK = 1 << 16;

  private final Tensor source;

  private WidenedData(Tensor source) {
    this.source = source;
  }

  /** The tensor as float32, exactly; itself if it is that already. */
  static Tensor widen(Tensor tensor) {
    if (tensor.elementType() == ElementType.FLOAT32) {
      return tensor;
    }
    checkArgument(
        tensor.elementType() == ElementType.FLOAT16 || tensor.elementType() == ElementType.BFLOAT16,
        "%s cannot be widened",
        tensor.type());
    return new Tensor(tensor.type().withElementType(ElementType.FLOAT32), new WidenedData(tensor));
  }

  @Override
  public long byteSize() {
    return 2 * source.data().byteSize();
  }

  @Override
  public void read(long offset, ByteBuffer target) {
    checkFromIndexSize(offset, (long) target.remaining(), byteSize());
    int skip = (int) (offset % 4);
    long element = offset / 4;
    while (target.hasRemaining()) {
      int count = (int) Math.min(CHUNK, (skip + (long) target.remaining() + 3) / 4);
      ByteBuffer floats = floats(element, count).position(skip);
      floats.limit(Math.min(4 * count, skip + target.remaining()));
      target.put(floats);
      element += count;
      skip = 0;
    }
  }

  private ByteBuffer floats(long element, int count) {
    ByteBuffer halves = ByteBuffer.allocate(2 * count).order(ByteOrder.LITTLE_ENDIAN);
    source.data().read(2 * element, halves);
    ByteBuffer floats = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
    boolean half = source.elementType() == ElementType.FLOAT16;
    for (int i = 0; i < count; i++) {
      short bits = halves.getShort(2 * i);
      floats.putFloat(
          4 * i, half ? NumberFormats.halfToFloat(bits) : Float.intBitsToFloat(bits << 16));
    }
    return floats;
  }
}
