package dev.manticore.runtime;

import dev.manticore.kernels.Floats;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Objects;

/**
 * The values of a float32 tensor outside the heap, of any number, copied from and to arrays. Valid
 * during the call of a kernel only.
 */
public final class FloatView implements Floats {

  /** Elements of one window; a {@link java.nio.ByteBuffer} ends at 2 GiB. */
  private static final int SHIFT = 27;

  private static final int COPIED = 1 << 14;

  private static final int MASK = (1 << SHIFT) - 1;

  private final FloatBuffer[] windows;
  private final long address;
  private final long size;

  FloatView(long address, long size) {
    this.address = address;
    this.size = size;
    this.windows = new FloatBuffer[Math.toIntExact((size + MASK) >> SHIFT)];
    for (int window = 0; window < windows.length; window++) {
      long first = (long) window << SHIFT;
      long bytes = 4 * Math.min(1L << SHIFT, size - first);
      windows[window] =
          new RawPointer(address + 4 * first, bytes)
              .asByteBuffer()
              .order(ByteOrder.nativeOrder())
              .asFloatBuffer();
    }
  }

  /** Where the first element lies, for native code. */
  long address() {
    return address;
  }

  /** The number of elements. */
  public long size() {
    return size;
  }

  /** Takes over the values of a tensor of the same size; nothing is done if it is this one. */
  void copyFrom(FloatView source) {
    if (source.address == address) {
      return;
    }
    float[] part = new float[(int) Math.min(size, COPIED)];
    for (long done = 0; done < size; done += part.length) {
      int count = (int) Math.min(part.length, size - done);
      source.read(done, part, 0, count);
      write(done, part, 0, count);
    }
  }

  @Override
  public void read(long from, float[] target, int at, int count) {
    Objects.checkFromIndexSize(from, count, size);
    for (int done = 0; done < count; ) {
      FloatBuffer window = windows[(int) ((from + done) >> SHIFT)];
      int start = (int) (from + done) & MASK;
      int step = Math.min(count - done, window.capacity() - start);
      window.get(start, target, at + done, step);
      done += step;
    }
  }

  @Override
  public void write(long to, float[] source, int at, int count) {
    Objects.checkFromIndexSize(to, count, size);
    for (int done = 0; done < count; ) {
      FloatBuffer window = windows[(int) ((to + done) >> SHIFT)];
      int start = (int) (to + done) & MASK;
      int step = Math.min(count - done, window.capacity() - start);
      window.put(start, source, at + done, step);
      done += step;
    }
  }
}
