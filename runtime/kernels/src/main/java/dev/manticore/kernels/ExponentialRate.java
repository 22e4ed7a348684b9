package dev.manticore.kernels;

/**
 * The exponential function by itself, over and over, for measuring how many of its values a thread
 * can compute: no kernel that needs them is faster.
 */
public final class ExponentialRate {

  /** Values of a window, which stay in the nearest cache. */
  public static final int WINDOW = 512;

  private static final float LEAST = -8;

  private ExponentialRate() {}

  /**
   * Computes windows of exponentials on the calling thread, in the vector form where there is one.
   *
   * @return the sum of one window
   */
  public static float compute(int windows) {
    Blocks blocks = Holder.BLOCKS;
    float[] x = new float[WINDOW];
    float[] y = new float[WINDOW];
    for (int i = 0; i < WINDOW; i++) {
      x[i] = LEAST * i / WINDOW;
    }
    for (int window = 0; window < windows; window++) {
      blocks.scaledExp(WINDOW, x, 1f, y);
    }
    float sum = 0;
    for (float value : y) {
      sum += value;
    }
    return sum;
  }

  private static final class Holder {
    private static final Blocks BLOCKS = Forms.vector().orElseGet(PlainBlocks::new);
  }
}
