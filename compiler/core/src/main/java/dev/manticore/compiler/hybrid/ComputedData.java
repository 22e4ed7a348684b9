package dev.manticore.compiler.hybrid;

import dev.manticore.ir.TensorData;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/**
 * Float32 values that are computed one after the other as they are read, and from the beginning
 * again when something before is read: nothing is held.
 */
final class ComputedData implements TensorData {

  /** The value at an index; asked for all in order, from 0 on. */
  interface Values {
    float at(long index);
  }

  private final long bytes;
  private final Supplier<Values> start;
  private Values values;
  private long next;

  /**
   * @param start gives the values anew, always the same
   */
  ComputedData(long bytes, Supplier<Values> start) {
    this.bytes = bytes;
    this.start = start;
  }

  @Override
  public long byteSize() {
    return bytes;
  }

  @Override
  public synchronized void read(long offset, ByteBuffer target) {
    if (offset < 0 || offset + target.remaining() > bytes) {
      throw new IndexOutOfBoundsException("beyond the " + bytes + " bytes of a tensor");
    }
    long end = offset + target.remaining();
    long index = offset / Float.BYTES;
    if (values == null || index < next) {
      values = start.get();
      next = 0;
    }
    for (; next < index; next++) {
      values.at(next);
    }
    while (next * Float.BYTES < end) {
      int bits = Float.floatToRawIntBits(values.at(next));
      long at = next * Float.BYTES;
      for (int b = 0; b < Float.BYTES; b++) {
        if (at + b >= offset && at + b < end) {
          target.put((byte) (bits >>> (8 * b)));
        }
      }
      next++;
    }
    if (end % Float.BYTES != 0) {
      // The rest of the last value may be asked for next.
      values = null;
    }
  }
}
