package dev.manticore.kernels;

/**
 * What a Mamba block does after the projection that its scan depends on, from a state on: the time
 * step, the {@linkplain SelectiveScan selective scan}, what passes it by, and the gate. With {@code
 * d} a channel, {@code n} a state and {@code r} a column of the time step,
 *
 * <pre>
 * delta[t,d] = mask[t] log(1 + exp(sum over r of step[t,r] weight[r,d] + bias[d]))
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
 * @param rank columns of the time step
 * @param columns of the rows that the gate is part of
 * @param first the column at which the gate begins in them
 */
public record GatedScanWithState(
    int batch, int length, int channels, int states, int rank, int columns, int first) {

  /** Channels that lie side by side. */
  public static final int BLOCK = Blocks.LANES;

  /** Steps whose rows are copied at a time. */
  private static final int CHUNK = 8;

  /** Channels of one task, and of one that has a single step: waking a thread costs more then. */
  private static final int GROUP = 16 * BLOCK;

  private static final int GROUP_OF_STEP = 48 * BLOCK;

  /**
   * The operands that are not states, all of them read only.
   *
   * @param x {@code [batch, length, channels]}
   * @param mixing step, B and C side by side, {@code [batch, length, rank + 2 states]}
   * @param weight {@code [rank, channels]}
   * @param bias {@code [channels]}
   * @param mask {@code [batch, length]}
   * @param a {@code [channels / BLOCK, states, BLOCK]}
   * @param skip {@code [channels]}
   * @param gate {@code [batch, length, columns]}, of which the channels are used
   */
  public record Operands(
      Floats x,
      Floats mixing,
      Floats weight,
      Floats bias,
      Floats mask,
      Floats a,
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
    int group = length == 1 ? GROUP_OF_STEP : GROUP;
    int groups = (channels + group - 1) / group;
    int mixed = rank + 2 * states;
    parallel.run(
        batch * groups,
        task -> {
          int sequence = task / groups;
          int channel = task % groups * group;
          int width = Math.min(group, channels - channel);
          Scratch scratch = Scratch.ofThread();
          float[] xs = scratch.get(0, CHUNK * width);
          float[] deltas = scratch.get(1, CHUNK * width);
          float[] gates = scratch.get(2, CHUNK * width);
          float[] ys = scratch.get(3, CHUNK * width);
          float[] as = scratch.get(4, width * states);
          float[] h = scratch.get(5, width * states);
          float[] mixings = scratch.get(6, CHUNK * mixed);
          float[] bs = scratch.get(7, CHUNK * states);
          float[] cs = scratch.get(8, CHUNK * states);
          float[] weights = scratch.get(9, rank * width);
          float[] biases = scratch.get(10, width);
          float[] skips = scratch.get(11, width);
          float[] masks = scratch.get(12, CHUNK);
          long state = ((long) sequence * channels + channel) * states;
          in.a.read((long) channel * states, as, 0, width * states);
          before.read(state, h, 0, width * states);
          for (int r = 0; r < rank; r++) {
            in.weight.read((long) r * channels + channel, weights, r * width, width);
          }
          in.bias.read(channel, biases, 0, width);
          in.skip.read(channel, skips, 0, width);
          for (int chunk = 0; chunk < length; chunk += CHUNK) {
            int steps = Math.min(CHUNK, length - chunk);
            long row = (long) sequence * length + chunk;
            for (int t = 0; t < steps; t++) {
              in.x.read((row + t) * channels + channel, xs, t * width, width);
              in.gate.read((row + t) * columns + first + channel, gates, t * width, width);
              System.arraycopy(biases, 0, deltas, t * width, width);
            }
            in.mixing.read(row * mixed, mixings, 0, steps * mixed);
            for (int t = 0; t < steps; t++) {
              System.arraycopy(mixings, t * mixed + rank, bs, t * states, states);
              System.arraycopy(mixings, t * mixed + rank + states, cs, t * states, states);
            }
            in.mask.read(row, masks, 0, steps);
            blocks.multiply(
                steps, rank, width, mixings, 0, mixed, 1, weights, 0, width, deltas, 0, width);
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
