package dev.manticore.kernels;

/**
 * A depthwise convolution over time that goes on from the last steps of before, then SiLU: with
 * {@code u[t] = mask[t] x[t]}, and before the first step the state,
 *
 * <pre>
 * s[t,d] = sum over j of w[j,d] u[t - K + 1 + j, d] + bias[d],   y[t,d] = s[t,d] / (1 + exp(-s[t,d]))
 * </pre>
 *
 * <p>Results do not depend on the number of threads.
 *
 * @param batch sequences
 * @param length steps of a sequence
 * @param channels channels
 * @param taps K
 */
public record SiluConvWithState(int batch, int length, int channels, int taps) {

  /** Steps that are worked on together: their rows fit the nearest cache. */
  private static final int CHUNK = 16;

  /** Channels of one task. */
  private static final int GROUP = 256;

  /**
   * Computes y, and the last steps.
   *
   * @param x {@code [batch, length, channels]}
   * @param mask {@code [batch, length]}
   * @param weight {@code [taps, channels]}
   * @param bias {@code [channels]}
   * @param before the last steps of before, oldest first, {@code [batch, taps - 1, channels]}
   * @param y as x
   * @param after the last steps, as before; may be the same
   */
  public void compute(
      Parallel parallel,
      Floats x,
      Floats mask,
      Floats weight,
      Floats bias,
      Floats before,
      Floats y,
      Floats after) {
    compute(Forms.chosen(), parallel, x, mask, weight, bias, before, y, after);
  }

  void compute(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats mask,
      Floats weight,
      Floats bias,
      Floats before,
      Floats y,
      Floats after) {
    int groups = (channels + GROUP - 1) / GROUP;
    int kept = taps - 1;
    parallel.run(
        batch * groups,
        task -> {
          int sequence = task / groups;
          int channel = task % groups * GROUP;
          int count = Math.min(GROUP, channels - channel);
          int width = (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
          Scratch scratch = Scratch.ofThread();
          float[] factors = scratch.zeros(0, taps * width);
          float[] shift = scratch.zeros(1, width);
          float[] rows = scratch.zeros(2, (kept + CHUNK) * width);
          float[] ys = scratch.get(3, CHUNK * width);
          float[] masks = scratch.get(4, CHUNK);
          copyRows(weight, channel, taps, count, factors, 0, width);
          bias.read(channel, shift, 0, count);
          long state = (long) sequence * kept * channels + channel;
          copyRows(before, state, kept, count, rows, 0, width);
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            long step = (long) sequence * length + first;
            long at = step * channels + channel;
            copyRows(x, at, steps, count, rows, kept * width, width);
            mask.read(step, masks, 0, steps);
            for (int t = 0; t < steps; t++) {
              int row = (kept + t) * width;
              for (int i = row; i < row + width; i++) {
                rows[i] *= masks[t];
              }
            }
            blocks.causalConv(steps, width, taps, rows, factors, shift, ys);
            blocks.silu(steps * width, ys, ys);
            for (int t = 0; t < steps; t++) {
              y.write(at + (long) t * channels, ys, t * width, count);
            }
            System.arraycopy(rows, steps * width, rows, 0, kept * width);
          }
          for (int row = 0; row < kept; row++) {
            after.write(state + (long) row * channels, rows, row * width, count);
          }
        });
  }

  /** Some channels of rows that follow each other. */
  private void copyRows(
      Floats from, long at, int rows, int count, float[] target, int to, int width) {
    for (int row = 0; row < rows; row++) {
      from.read(at + (long) row * channels, target, to + row * width, count);
    }
  }
}
