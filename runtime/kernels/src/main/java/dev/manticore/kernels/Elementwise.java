package dev.manticore.kernels;

import java.util.Arrays;

/** Kernels that work element by element, in windows that fit the nearest cache together. */
public final class Elementwise {

  /** Four windows, 8 KiB, leave room in a cache of 32 KiB for what comes next. */
  private static final int WINDOW = 512;

  private static final int WINDOWS_OF_A_TASK = 64;

  private Elementwise() {}

  /**
   * One step of AdamW: parameters decayed by rate times weight decay, then moved along the
   * corrected moments. The results may be where the operands are.
   *
   * @param count elements of each
   * @param settings learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t, 1 - beta2^t,
   *     scale of the gradient
   */
  public static void adamW(
      Parallel parallel,
      long count,
      Floats parameter,
      Floats first,
      Floats second,
      Floats gradient,
      float[] settings,
      Floats parameterOut,
      Floats firstOut,
      Floats secondOut) {
    adamW(
        Forms.chosen(),
        parallel,
        count,
        parameter,
        first,
        second,
        gradient,
        settings,
        parameterOut,
        firstOut,
        secondOut);
  }

  static void adamW(
      Blocks blocks,
      Parallel parallel,
      long count,
      Floats parameter,
      Floats first,
      Floats second,
      Floats gradient,
      float[] settings,
      Floats parameterOut,
      Floats firstOut,
      Floats secondOut) {
    Floats[] in = {parameter, first, second, gradient};
    Floats[] out = {parameterOut, firstOut, secondOut};
    windows(
        parallel,
        count,
        in,
        out,
        new int[] {0, 1, 2},
        (size, w) -> blocks.adamW(size, w[0], w[1], w[2], w[3], settings));
  }

  /** {@code dx = dy gelu'(x)} for the approximation of GELU by the hyperbolic tangent. */
  public static void geluGradient(Parallel parallel, long count, Floats x, Floats dy, Floats dx) {
    Blocks blocks = Forms.chosen();
    windows(
        parallel,
        count,
        new Floats[] {x, dy},
        new Floats[] {dx},
        new int[] {1},
        (size, w) -> blocks.geluGradient(size, w[0], w[1], w[1]));
  }

  /** {@code dx = dy silu'(x)}. */
  public static void siluGradient(Parallel parallel, long count, Floats x, Floats dy, Floats dx) {
    Blocks blocks = Forms.chosen();
    windows(
        parallel,
        count,
        new Floats[] {x, dy},
        new Floats[] {dx},
        new int[] {1},
        (size, w) -> blocks.siluGradient(size, w[0], w[1], w[1]));
  }

  /** Computes one window in place. */
  private interface Window {
    void compute(int count, float[][] arrays);
  }

  /**
   * @param results the array of which each output is written
   */
  private static void windows(
      Parallel parallel, long count, Floats[] in, Floats[] out, int[] results, Window window) {
    long taskSize = (long) WINDOW * WINDOWS_OF_A_TASK;
    parallel.run(
        Math.toIntExact((count + taskSize - 1) / taskSize),
        task -> {
          long first = task * taskSize;
          long end = Math.min(count, first + taskSize);
          float[][] arrays = new float[in.length][(int) Math.min(WINDOW, padded(end - first))];
          for (long from = first; from < end; from += WINDOW) {
            int size = (int) Math.min(WINDOW, end - from);
            int padded = (int) padded(size);
            for (int i = 0; i < in.length; i++) {
              in[i].read(from, arrays[i], 0, size);
              Arrays.fill(arrays[i], size, padded, 0);
            }
            window.compute(padded, arrays);
            for (int i = 0; i < out.length; i++) {
              out[i].write(from, arrays[results[i]], 0, size);
            }
          }
        });
  }

  private static long padded(long count) {
    return (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
  }
}
