package dev.manticore.kernels;

import java.util.Arrays;

/**
 * The gradient of a depthwise convolution over time that looks back only, {@code y[t,d] = sum over
 * j of w[d,j] x[t - K + 1 + j, d] + bias[d]}. The loops run over channels, which lie side by side.
 *
 * @param batch sequences
 * @param length steps of a sequence
 * @param channels channels
 * @param taps K
 */
public record CausalConvGradient(int batch, int length, int channels, int taps) {

  private static final int CHUNK = 32;
  private static final int GROUP = 256;

  private int groups() {
    return (channels + GROUP - 1) / GROUP;
  }

  private static void addProduct(int count, float[] factor, float[] rows, int at, float[] sum) {
    for (int i = 0; i < count; i++) {
      sum[i] += factor[i] * rows[at + i];
    }
  }

  /**
   * @param x {@code [batch, length, channels]}
   * @param weight {@code [channels, taps]}
   * @param dy {@code [batch, length, channels]}
   * @param dx as x
   * @param dweight as weight
   * @param dbias {@code [channels]}
   */
  public void compute(
      Parallel parallel,
      Floats x,
      Floats weight,
      Floats dy,
      Floats dx,
      Floats dweight,
      Floats dbias) {
    float[][][] sums = new float[batch * groups()][][];
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          float[][] factors = group.taps(weight);
          float[][] sum = new float[taps + 1][group.count];
          float[] ones = new float[group.count];
          Arrays.fill(ones, 1);
          float[] xs = group.rows();
          float[] dys = group.rows();
          float[] result = new float[group.count];
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            group.read(x, first - taps + 1, first + steps, xs);
            group.read(dy, first, first + steps + taps - 1, dys);
            for (int t = 0; t < steps; t++) {
              Arrays.fill(result, 0);
              int at = t * group.count;
              for (int tap = 0; tap < taps; tap++) {
                // Step t is read by step t + K - 1 - tap through this tap.
                addProduct(
                    group.count, factors[tap], dys, at + (taps - 1 - tap) * group.count, result);
                addProducts(group.count, xs, at + tap * group.count, dys, at, sum[tap]);
              }
              addProduct(group.count, ones, dys, at, sum[taps]);
              dx.write(group.at(first + t), result, 0, group.count);
            }
          }
          sums[task] = sum;
        });
    writeSums(sums, dweight, dbias);
  }

  private static void addProducts(int count, float[] a, int atA, float[] b, int atB, float[] sum) {
    for (int i = 0; i < count; i++) {
      sum[i] += a[atA + i] * b[atB + i];
    }
  }

  private void writeSums(float[][][] sums, Floats dweight, Floats dbias) {
    float[] weights = new float[channels * taps];
    float[] biases = new float[channels];
    for (int task = 0; task < sums.length; task++) {
      int first = new Group(task).firstChannel;
      for (int i = 0; i < sums[task][taps].length; i++) {
        biases[first + i] += sums[task][taps][i];
        for (int tap = 0; tap < taps; tap++) {
          weights[(first + i) * taps + tap] += sums[task][tap][i];
        }
      }
    }
    dweight.write(0, weights, 0, weights.length);
    dbias.write(0, biases, 0, biases.length);
  }

  /** Some channels of one sequence. */
  private final class Group {
    private final int sequence;
    private final int firstChannel;
    private final int count;

    Group(int task) {
      this.sequence = task / groups();
      this.firstChannel = task % groups() * GROUP;
      this.count = Math.min(GROUP, channels - firstChannel);
    }

    float[] rows() {
      return new float[(CHUNK + taps - 1) * count];
    }

    long at(int step) {
      return ((long) sequence * length + step) * channels + firstChannel;
    }

    /** Steps from {@code first} to before {@code end}; outside the sequence there are zeros. */
    void read(Floats from, int first, int end, float[] rows) {
      for (int step = first; step < end; step++) {
        int to = (step - first) * count;
        if (step < 0 || step >= length) {
          Arrays.fill(rows, to, to + count, 0);
        } else {
          from.read(at(step), rows, to, count);
        }
      }
    }

    /** The weights, tap by tap. */
    float[][] taps(Floats weight) {
      float[] rows = new float[count * taps];
      weight.read((long) firstChannel * taps, rows, 0, rows.length);
      float[][] byTap = new float[taps][count];
      for (int i = 0; i < count; i++) {
        for (int tap = 0; tap < taps; tap++) {
          byTap[tap][i] = rows[i * taps + tap];
        }
      }
      return byTap;
    }
  }
}
