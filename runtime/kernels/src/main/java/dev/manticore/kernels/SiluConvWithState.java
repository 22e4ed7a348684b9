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
 * @param columns of the rows that x is part of
 * @param first the column at which x begins in them
 */
public record SiluConvWithState(
    int batch, int length, int channels, int taps, int columns, int first) {

  /** Steps that are worked on together: their rows fit the nearest cache. */
  private static final int CHUNK = 16;

  /** Channels of one task, and of one that has a single step: waking a thread costs more then. */
  private static final int GROUP = 256;

  private static final int GROUP_OF_STEP = 768;

  /**
   * Computes y, and the last steps.
   *
   * @param x {@code [batch, length, columns]}, of which the channels are used
   * @param mask {@code [batch, length]}
   * @param weight {@code [taps, channels]}
   * @param bias {@code [channels]}
   * @param before the last steps of before, oldest first, {@code [batch, taps - 1, channels]}
   * @param y {@code [batch, length, channels]}
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
    int group = length == 1 ? GROUP_OF_STEP : GROUP;
    int groups = (channels + group - 1) / group;
    int kept = taps - 1;
    parallel.run(
        batch * groups,
        task -> {
          int sequence = task / groups;
          int channel = task % groups * group;
          int count = Math.min(group, channels - channel);
          int width = (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
          Scratch scratch = Scratch.ofThread();
          float[] factors = scratch.zeros(0, taps * width);
          float[] shift = scratch.zeros(1, width);
          float[] rows = scratch.zeros(2, (kept + CHUNK) * width);
          float[] ys = scratch.get(3, CHUNK * width);
          float[] masks = scratch.get(4, CHUNK);
          copyRows(weight, channel, channels, taps, count, factors, 0, width);
          bias.read(channel, shift, 0, count);
          long state = (long) sequence * kept * channels + channel;
          copyRows(before, state, channels, kept, count, rows, 0, width);
          for (int chunk = 0; chunk < length; chunk += CHUNK) {
            int steps = Math.min(CHUNK, length - chunk);
            long step = (long) sequence * length + chunk;
            copyRows(
                x,
                step * columns + first + channel,
                columns,
                steps,
                count,
                rows,
                kept * width,
                width);
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
              y.write((step + t) * channels + channel, ys, t * width, count);
            }
            System.arraycopy(rows, steps * width, rows, 0, kept * width);
          }
          for (int row = 0; row < kept; row++) {
            after.write(state + (long) row * channels, rows, row * width, count);
          }
        });
  }

  /** Some columns of rows that follow each other. */
  private static void copyRows(
      Floats from, long at, int stride, int rows, int count, float[] target, int to, int width) {
    for (int row = 0; row < rows; row++) {
      from.read(at + (long) row * stride, target, to + row * width, count);
    }
  }
}
