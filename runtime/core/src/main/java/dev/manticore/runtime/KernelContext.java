package dev.manticore.runtime;

import java.util.function.IntConsumer;
import java.util.function.Supplier;

/** One evaluation of one node, as its kernel sees it. */
public interface KernelContext {

  /** The extents of an input. */
  long[] inputShape(int index);

  /** The values of a float32 input, outside the heap, to be read only. */
  FloatView floatInput(int index);

  /** The values of an int64 input, outside the heap, to be read only. */
  LongView longInput(int index);

  /**
   * Memory for a float32 output of this shape. It may be the memory of an input where the caller
   * bound one tensor as both.
   */
  FloatView floatOutput(int index, long... shape);

  /** The address of an input's first element, in the memory of the kernel's device. */
  long inputAddress(int index);

  /**
   * The address of an output of this shape, in the memory of the kernel's device. It may be that of
   * an input where the caller bound one tensor as both.
   */
  long outputAddress(int index, long... shape);

  /**
   * The address of so many bytes in the memory of the kernel's device, of any content. Whatever the
   * kernel starts on {@link #stream} may use them; what comes after it on that stream may too.
   */
  long scratch(long byteSize);

  /**
   * The stream that the device's work is ordered by, a {@code cudaStream_t}, for a kernel of
   * another provider than the CPU's.
   */
  long stream();

  /** An integer attribute of the node. */
  long integer(String attribute);

  /** A float attribute of the node. */
  float real(String attribute);

  /**
   * Something that lives as long as the node: made when first asked for, closed with the session.
   *
   * @param key tells it from other things of the same node; of the type of what is kept
   */
  <T extends AutoCloseable> T kept(Object key, Class<T> type, Supplier<T> make);

  /** The threads that {@link #parallel} shares work between. */
  int threads();

  /**
   * Calls {@code task} with 0 to {@code count} - 1, each once, in any order, on the threads of the
   * session; returns when all are done. What a task throws, the call throws.
   */
  void parallel(int count, IntConsumer task);
}
