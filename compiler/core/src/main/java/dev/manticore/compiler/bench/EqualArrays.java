package dev.manticore.compiler.bench;

import java.util.Arrays;

/** Two equal arrays of each of some threads, to be read or copied by all of them at once. */
final class EqualArrays {

  /** Elements that one call copies or reads, 128 KiB of each array. */
  private static final int PIECE = 1 << 14;

  private final SharedThreads shared;
  private final long[][] from;
  private final long[][] to;
  private final long bytes;

  /**
   * @param size bytes of all arrays, about
   */
  EqualArrays(SharedThreads shared, long size) {
    int threads = shared.count();
    int pieces = Math.toIntExact(Math.max(1, size / 2 / threads / Long.BYTES / PIECE));
    this.shared = shared;
    this.from = new long[threads][];
    this.to = new long[threads][];
    // Each thread first touches what is its own.
    shared.run(
        threads,
        thread -> {
          from[thread] = filled(pieces * PIECE);
          to[thread] = filled(pieces * PIECE);
        });
    this.bytes = 2L * threads * pieces * PIECE * Long.BYTES;
  }

  private static long[] filled(int length) {
    long[] values = new long[length];
    Arrays.fill(values, 1);
    return values;
  }

  /** Of all of them. */
  long bytes() {
    return bytes;
  }

  /** Milliseconds that one reading of all of them takes. */
  double readingMilliseconds() {
    long start = System.nanoTime();
    shared.run(shared.count(), this::read);
    return (System.nanoTime() - start) / 1e6;
  }

  /** Compares those of a thread, which reads all of both as wide as the processor can. */
  void read(int thread) {
    long[] a = from[thread];
    long[] b = to[thread];
    for (int at = 0; at < a.length; at += PIECE) {
      if (Arrays.mismatch(a, at, at + PIECE, b, at, at + PIECE) >= 0) {
        throw new IllegalStateException("the arrays differ at " + at);
      }
    }
  }

  /** Copies one of those of a thread to the other. */
  void copy(int thread) {
    long[] source = from[thread];
    for (int at = 0; at < source.length; at += PIECE) {
      System.arraycopy(source, at, to[thread], at, PIECE);
    }
  }
}
