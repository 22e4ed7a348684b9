package dev.manticore.runtime;

import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.Objects;

/**
 * The values of an int64 tensor outside the heap, of any number, copied from and to arrays. Valid
 * during the call of a kernel only.
 */
public final class LongView {

  /** Elements of one window; a {@link java.nio.ByteBuffer} ends at 2 GiB. */
  private static final int SHIFT = 27;

  private static final int MASK = (1 << SHIFT) - 1;

  private final LongBuffer[] windows;
  private final long size;

  LongView(long address, long size) {
    this.size = size;
    this.windows = new LongBuffer[Math.toIntExact((size + MASK) >> SHIFT)];
    for (int window = 0; window < windows.length; window++) {
      long first = (long) window << SHIFT;
      long bytes = 8 * Math.min(1L << SHIFT, size - first);
      windows[window] =
          new RawPointer(address + 8 * first, bytes)
              .asByteBuffer()
              .order(ByteOrder.nativeOrder())
              .asLongBuffer();
    }
  }

  /** The number of elements. */
  public long size() {
    return size;
  }

  /**
   * Copies {@code count} elements from {@code from} on to {@code target}, beginning at {@code at}.
   */
  public void read(long from, long[] target, int at, int count) {
    Objects.checkFromIndexSize(from, count, size);
    for (int done = 0; done < count; ) {
      LongBuffer window = windows[(int) ((from + done) >> SHIFT)];
      int start = (int) (from + done) & MASK;
      int step = Math.min(count - done, window.capacity() - start);
      window.get(start, target, at + done, step);
      done += step;
    }
  }

  /** Copies {@code count} elements of {@code source}, beginning at {@code at}, to {@code to} on. */
  public void write(long to, long[] source, int at, int count) {
    Objects.checkFromIndexSize(to, count, size);
    for (int done = 0; done < count; ) {
      LongBuffer window = windows[(int) ((to + done) >> SHIFT)];
      int start = (int) (to + done) & MASK;
      int step = Math.min(count - done, window.capacity() - start);
      window.put(start, source, at + done, step);
      done += step;
    }
  }
}
