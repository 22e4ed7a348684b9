package dev.manticore.kernels;

/**
 * What a Mamba block does between its projections, from a state on: the time step, the {@linkplain
 * SelectiveScan selective scan}, what passes it by, and the gate. With {@code d} a channel and
 * {@code n} a state,
 *
 * <pre>
 * delta[t,d] = mask[t] log(1 + exp(step[t,d] + bias[d]))
 * h[t,d,n]   = exp(delta[t,d] A[d,n]) h[t-1,d,n] + delta[t,d] x[t,d] B[t,n]
 * y[t,d]     = (sum over n of h[t,d,n] C[t,n] + skip[d] x[t,d]) gate[t,d] / (1 + exp(-gate[t,d]))
 * </pre>
 *
 * <p>Where the mask is 0 no time passes. A and h lie in blocks of {@link #BLOCK} channels, {@code
 * [channels / BLOCK, states, BLOCK]}, as they are worked on: nothing is turned for a single step.
 * Results do not depend on the number of threads.
 *
 * @param batch sequences
 * @param length steps of a sequence
 * @param channels channels, a multiple of {@link #BLOCK}
 * @param states states of a channel
 */
public record GatedScanWithState(int batch, int length, int channels, int states) {

  /** Channels that lie side by side. */
  public static final int BLOCK = Blocks.LANES;

  /** Steps whose rows are copied at a time. */
  private static final int CHUNK = 8;

  /** Channels of one task. */
  private static final int GROUP = 16 * BLOCK;

  /**
   * The operands that are not states, all of them read only.
   *
   * @param x {@code [batch, length, channels]}
   * @param step as x
   * @param bias {@code [channels]}
   * @param mask {@code [batch, length]}
   * @param a {@code [channels / BLOCK, states, BLOCK]}
   * @param b {@code [batch, length, states]}
   * @param c as b
   * @param skip {@code [channels]}
   * @param gate as x
   */
  public record Operands(
      Floats x,
      Floats step,
      Floats bias,
      Floats mask,
      Floats a,
      Floats b,
      Floats c,
      Floats skip,
      Floats gate) {}

  /**
   * Computes y, and the state after the last step.
   *
   * @param before h[-1], {@code [batch, channels / BLOCK, states, BLOCK]}
   * @param y {@code [batch, length, channels]}
   * @param after the last h, as before; may be the same
   */
  public void compute(Parallel parallel, Operands operands, Floats before, Floats y, Floats after) {
    compute(Forms.chosen(), parallel, operands, before, y, after);
  }

  void compute(
      Blocks blocks, Parallel parallel, Operands in, Floats before, Floats y, Floats after) {
    int groups = (channels + GROUP - 1) / GROUP;
    parallel.run(
        batch * groups,
        task -> {
          int sequence = task / groups;
          int channel = task % groups * GROUP;
          int width = Math.min(GROUP, channels - channel);
          Scratch scratch = Scratch.ofThread();
          float[] xs = scratch.get(0, CHUNK * width);
          float[] deltas = scratch.get(1, CHUNK * width);
          float[] gates = scratch.get(2, CHUNK * width);
          float[] ys = scratch.get(3, CHUNK * width);
          float[] as = scratch.get(4, width * states);
          float[] h = scratch.get(5, width * states);
          float[] bs = scratch.get(6, CHUNK * states);
          float[] cs = scratch.get(7, CHUNK * states);
          float[] biases = scratch.get(8, width);
          float[] skips = scratch.get(9, width);
          float[] masks = scratch.get(10, CHUNK);
          long state = ((long) sequence * channels + channel) * states;
          in.a.read((long) channel * states, as, 0, width * states);
          before.read(state, h, 0, width * states);
          in.bias.read(channel, biases, 0, width);
          in.skip.read(channel, skips, 0, width);
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            long row = (long) sequence * length + first;
            for (int t = 0; t < steps; t++) {
              long at = (row + t) * channels + channel;
              in.x.read(at, xs, t * width, width);
              in.step.read(at, deltas, t * width, width);
              in.gate.read(at, gates, t * width, width);
            }
            in.b.read(row * states, bs, 0, steps * states);
            in.c.read(row * states, cs, 0, steps * states);
            in.mask.read(row, masks, 0, steps);
            addRow(steps, width, deltas, biases);
            blocks.softplus(steps * width, deltas, deltas);
            scaleRows(steps, width, deltas, masks);
            blocks.scan(steps, width, states, xs, deltas, as, bs, cs, h, ys);
            blocks.silu(steps * width, gates, gates);
            pass(steps, width, ys, skips, xs, gates);
            for (int t = 0; t < steps; t++) {
              y.write((row + t) * channels + channel, ys, t * width, width);
            }
          }
          after.write(state, h, 0, width * states);
        });
  }

  private static void addRow(int steps, int width, float[] rows, float[] row) {
    for (int t = 0; t < steps; t++) {
      for (int i = 0; i < width; i++) {
        rows[t * width + i] += row[i];
      }
    }
  }

  private static void scaleRows(int steps, int width, float[] rows, float[] factors) {
    for (int t = 0; t < steps; t++) {
      float factor = factors[t];
      for (int i = 0; i < width; i++) {
        rows[t * width + i] *= factor;
      }
    }
  }

  /** {@code y = (y + skip x) gate}. */
  private static void pass(int steps, int width, float[] y, float[] skip, float[] x, float[] gate) {
    for (int t = 0; t < steps; t++) {
      for (int i = 0; i < width; i++) {
        int at = t * width + i;
        y[at] = Math.fma(skip[i], x[at], y[at]) * gate[at];
      }
    }
  }
}
