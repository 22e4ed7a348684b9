package dev.manticore.compiler.bench;

import java.util.Arrays;

/**
 * How fast threads together read and copy, in bytes a second.
 *
 * @param reading two arrays
 * @param copying one array to another: what is read and what is written
 * @param bytes of all arrays that this was measured with
 */
record Bandwidth(double reading, double copying, long bytes) {

  /** Elements that one call copies or reads, 128 KiB of each array. */
  private static final int PIECE = 1 << 14;

  /** A run goes through its arrays until it has gone through so many bytes. */
  private static final long RUN_BYTES = 128L << 20;

  /**
   * Measures it.
   *
   * @param size bytes of all arrays, about
   */
  static Bandwidth measure(SharedThreads shared, long size) {
    int threads = shared.count();
    int pieces = Math.toIntExact(Math.max(1, size / 2 / threads / Long.BYTES / PIECE));
    long[][] from = new long[threads][];
    long[][] to = new long[threads][];
    // Each thread first touches what is its own.
    shared.run(
        threads,
        thread -> {
          from[thread] = filled(pieces * PIECE);
          to[thread] = filled(pieces * PIECE);
        });
    long bytes = 2L * threads * pieces * PIECE * Long.BYTES;
    int times = Math.toIntExact(Math.max(1, RUN_BYTES / bytes));
    double read = shared.bestSeconds(thread -> read(from[thread], to[thread], times));
    double copy = shared.bestSeconds(thread -> copy(from[thread], to[thread], times));
    return new Bandwidth(times * bytes / read, times * bytes / copy, bytes);
  }

  private static long[] filled(int length) {
    long[] values = new long[length];
    Arrays.fill(values, 1);
    return values;
  }

  /** Compares arrays that are equal, which reads all of both as wide as the processor can. */
  private static void read(long[] a, long[] b, int times) {
    for (int time = 0; time < times; time++) {
      for (int at = 0; at < a.length; at += PIECE) {
        if (Arrays.mismatch(a, at, at + PIECE, b, at, at + PIECE) >= 0) {
          throw new IllegalStateException("the arrays differ at " + at);
        }
      }
    }
  }

  private static void copy(long[] from, long[] to, int times) {
    for (int time = 0; time < times; time++) {
      for (int at = 0; at < from.length; at += PIECE) {
        System.arraycopy(from, at, to, at, PIECE);
      }
    }
  }

  double better() {
    return Math.max(reading, copying);
  }
}
