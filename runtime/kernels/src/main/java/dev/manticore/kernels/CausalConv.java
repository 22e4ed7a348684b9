package dev.manticore.kernels;

import java.util.Arrays;

/**
 * A depthwise convolution over time that looks back only, {@code y[t,d] = sum over j of w[d,j] x[t
 * - K + 1 + j, d] + bias[d]}, and its gradient. The loops run over channels, which lie side by
 * side. Results do not depend on the number of threads.
 *
 * @param batch sequences
 * @param length steps of a sequence
 * @param channels channels
 * @param taps K
 */
public record CausalConv(int batch, int length, int channels, int taps) {

  /** Steps that are worked on together: their rows fit the nearest cache. */
  private static final int CHUNK = 16;

  private static final int GROUP = 128;

  private int groups() {
    return (channels + GROUP - 1) / GROUP;
  }

  /**
   * Computes y.
   *
   * @param x {@code [batch, length, channels]}
   * @param weight {@code [channels, taps]}
   * @param bias {@code [channels]}
   * @param y as x
   */
  public void forward(Parallel parallel, Floats x, Floats weight, Floats bias, Floats y) {
    forward(Forms.chosen(), parallel, x, weight, bias, y);
  }

  void forward(Blocks blocks, Parallel parallel, Floats x, Floats weight, Floats bias, Floats y) {
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          float[] factors = group.taps(weight);
          float[] shift = group.scratch.zeros(1, group.width);
          bias.read(group.firstChannel, shift, 0, group.count);
          float[] xs = group.rows(2);
          float[] ys = group.rows(3);
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            group.read(x, first - taps + 1, first + steps, xs);
            blocks.causalConv(steps, group.width, taps, xs, factors, shift, ys);
            group.write(y, first, steps, ys);
          }
        });
  }

  /**
   * Computes the gradients of all inputs from that of y.
   *
   * @param x {@code [batch, length, channels]}
   * @param weight {@code [channels, taps]}
   * @param dy {@code [batch, length, channels]}
   * @param dx as x
   * @param dweight as weight
   * @param dbias {@code [channels]}
   */
  public void gradient(
      Parallel parallel,
      Floats x,
      Floats weight,
      Floats dy,
      Floats dx,
      Floats dweight,
      Floats dbias) {
    gradient(Forms.chosen(), parallel, x, weight, dy, dx, dweight, dbias);
  }

  void gradient(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats weight,
      Floats dy,
      Floats dx,
      Floats dweight,
      Floats dbias) {
    float[][] sums = new float[batch * groups()][];
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          float[] factors = group.taps(weight);
          float[] sum = new float[(taps + 1) * group.width];
          float[] xs = group.rows(2);
          float[] dys = group.rows(3);
          float[] dxs = group.rows(4);
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            group.read(x, first - taps + 1, first + steps, xs);
            group.read(dy, first, first + steps + taps - 1, dys);
            blocks.causalConvGradient(steps, group.width, taps, xs, factors, dys, dxs, sum);
            group.write(dx, first, steps, dxs);
          }
          sums[task] = sum;
        });
    writeSums(sums, dweight, dbias);
  }

  private void writeSums(float[][] sums, Floats dweight, Floats dbias) {
    float[] weights = new float[channels * taps];
    float[] biases = new float[channels];
    for (int task = 0; task < sums.length; task++) {
      Group group = new Group(task);
      for (int i = 0; i < group.count; i++) {
        biases[group.firstChannel + i] += sums[task][taps * group.width + i];
        for (int tap = 0; tap < taps; tap++) {
          weights[(group.firstChannel + i) * taps + tap] += sums[task][tap * group.width + i];
        }
      }
    }
    dweight.write(0, weights, 0, weights.length);
    dbias.write(0, biases, 0, biases.length);
  }

  /** Some channels of one sequence, their number rounded up. */
  private final class Group {
    private final Scratch scratch = Scratch.ofThread();
    private final int sequence;
    private final int firstChannel;
    private final int count;
    private final int width;

    Group(int task) {
      this.sequence = task / groups();
      this.firstChannel = task % groups() * GROUP;
      this.count = Math.min(GROUP, channels - firstChannel);
      this.width = (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
    }

    float[] rows(int slot) {
      return scratch.zeros(slot, (CHUNK + taps - 1) * width);
    }

    private long at(int step) {
      return ((long) sequence * length + step) * channels + firstChannel;
    }

    /** Steps from {@code first} to before {@code end}; outside the sequence there are zeros. */
    void read(Floats from, int first, int end, float[] rows) {
      for (int step = first; step < end; step++) {
        int to = (step - first) * width;
        if (step < 0 || step >= length) {
          Arrays.fill(rows, to, to + count, 0);
        } else {
          from.read(at(step), rows, to, count);
        }
      }
    }

    void write(Floats to, int first, int steps, float[] rows) {
      for (int t = 0; t < steps; t++) {
        to.write(at(first + t), rows, t * width, count);
      }
    }

    /** The weights, {@code [taps][width]}. */
    float[] taps(Floats weight) {
      float[] rows = new float[count * taps];
      weight.read((long) firstChannel * taps, rows, 0, rows.length);
      float[] byTap = scratch.zeros(0, taps * width);
      for (int i = 0; i < count; i++) {
        for (int tap = 0; tap < taps; tap++) {
          byTap[tap * width + i] = rows[i * taps + tap];
        }
      }
      return byTap;
    }
  }
}
