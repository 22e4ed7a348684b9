package dev.manticore.compiler.bench;

import java.util.function.IntConsumer;

/**
 * How fast threads together read and copy, in bytes a second.
 *
 * @param reading two arrays
 * @param copying one array to another: what is read and what is written
 * @param bytes of all arrays that this was measured with
 */
record Bandwidth(double reading, double copying, long bytes) {

  /** A run goes through its arrays until it has gone through so many bytes. */
  private static final long RUN_BYTES = 128L << 20;

  /**
   * Measures it.
   *
   * @param size bytes of all arrays, about
   */
  static Bandwidth measure(SharedThreads shared, long size) {
    EqualArrays arrays = new EqualArrays(shared, size);
    int times = Math.toIntExact(Math.max(1, RUN_BYTES / arrays.bytes()));
    double read = shared.bestSeconds(repeated(arrays::read, times));
    double copy = shared.bestSeconds(repeated(arrays::copy, times));
    return new Bandwidth(
        times * arrays.bytes() / read, times * arrays.bytes() / copy, arrays.bytes());
  }

  private static IntConsumer repeated(IntConsumer task, int times) {
    return thread -> {
      for (int time = 0; time < times; time++) {
        task.accept(thread);
      }
    };
  }

  double better() {
    return Math.max(reading, copying);
  }
}
