package dev.manticore.kernels;

import java.util.Arrays;

/**
 * Kernels that work row by row of {@code [rows, width]}.
 *
 * @param rows the number of rows
 * @param width the elements of a row
 */
public record Rows(long rows, int width) {

  /** The label that is left out of the loss, as PyTorch and Hugging Face have it. */
  public static final long IGNORED = -100;

  /** Rows of one task; fixed, since the order of the sums over rows follows from it. */
  private static final int GROUP = 64;

  private int groups() {
    return Math.toIntExact((rows + GROUP - 1) / GROUP);
  }

  private int padded() {
    return (width + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
  }

  /**
   * The gradient of a layer normalisation over the last axis.
   *
   * @param mean {@code [rows]}
   * @param inverse one over the standard deviation, {@code [rows]}
   */
  public void layerNormGradient(
      Parallel parallel,
      Floats x,
      Floats scale,
      Floats mean,
      Floats inverse,
      Floats dy,
      Floats dx,
      Floats dscale,
      Floats dbias) {
    Blocks blocks = Forms.chosen();
    float[][] sums =
        normGradient(
            blocks,
            parallel,
            x,
            scale,
            dy,
            dx,
            (first, count) -> {
              float[] centres = new float[count];
              float[] factors = new float[count];
              mean.read(first, centres, 0, count);
              inverse.read(first, factors, 0, count);
              return (row, values) -> new float[] {centres[row], factors[row], 1f / width};
            });
    dscale.write(0, sums[0], 0, width);
    dbias.write(0, sums[1], 0, width);
  }

  /** The gradient of a normalisation by the root of the mean square, over the last axis. */
  public void rmsNormGradient(
      Parallel parallel,
      Floats x,
      Floats scale,
      Floats dy,
      float epsilon,
      Floats dx,
      Floats dscale) {
    Blocks blocks = Forms.chosen();
    float[][] sums =
        normGradient(
            blocks,
            parallel,
            x,
            scale,
            dy,
            dx,
            (first, count) ->
                (row, values) -> {
                  float[] squares = new float[Blocks.LANES];
                  blocks.sumSquares(values.length, 0, values, squares);
                  float mean = sum(squares, 0) / width;
                  return new float[] {0, (float) (1 / Math.sqrt(mean + epsilon)), 0};
                });
    dscale.write(0, sums[0], 0, width);
  }

  /** What each of some rows is normalised by. */
  private interface Statistics {
    RowStatistics of(long first, int count);
  }

  /** What a row is normalised by: its centre, its factor, and the weight of the mean of dy. */
  private interface RowStatistics {
    float[] of(int row, float[] values);
  }

  /** Writes dx; the sums over rows of dy times the normalised values, and of dy. */
  private float[][] normGradient(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats scale,
      Floats dy,
      Floats dx,
      Statistics statistics) {
    int size = padded();
    float[] scales = new float[size];
    scale.read(0, scales, 0, width);
    float[][] dscales = new float[groups()][];
    float[][] dshifts = new float[groups()][];
    parallel.run(
        groups(),
        group -> {
          float[] xs = new float[size];
          float[] dys = new float[size];
          float[] dxs = new float[size];
          float[] sums = new float[2 * Blocks.LANES];
          dscales[group] = new float[size];
          dshifts[group] = new float[size];
          long start = (long) group * GROUP;
          long end = Math.min(rows, start + GROUP);
          RowStatistics normal = statistics.of(start, (int) (end - start));
          for (long row = start; row < end; row++) {
            x.read(row * width, xs, 0, width);
            dy.read(row * width, dys, 0, width);
            float[] by = normal.of((int) (row - start), xs);
            Arrays.fill(sums, 0);
            blocks.normSums(
                size, 0, xs, dys, scales, by[0], by[1], sums, dscales[group], dshifts[group]);
            float first = sum(sums, 0) * by[2];
            float second = sum(sums, Blocks.LANES) / width;
            blocks.normGradient(size, 0, xs, dys, scales, by[0], by[1], first, second, dxs);
            dx.write(row * width, dxs, 0, width);
          }
        });
    return new float[][] {total(dscales), total(dshifts)};
  }

  private float[] total(float[][] parts) {
    float[] total = new float[padded()];
    for (float[] part : parts) {
      for (int i = 0; i < total.length; i++) {
        total[i] += part[i];
      }
    }
    return total;
  }

  private static float sum(float[] lanes, int at) {
    float sum = 0;
    for (int lane = 0; lane < Blocks.LANES; lane++) {
      sum += lanes[at + lane];
    }
    return sum;
  }

  /**
   * The gradient of the logits of the mean cross-entropy over the rows whose label is not -100.
   *
   * @param dloss the gradient of the loss
   * @param dlogits {@code [rows, width]}, written
   */
  public void crossEntropyGradient(
      Parallel parallel, float dloss, Floats logProbabilities, long[] labels, Floats dlogits) {
    Blocks blocks = Forms.chosen();
    int size = padded();
    float scale = dloss / counted(labels);
    parallel.run(
        groups(),
        group -> {
          float[] values = new float[size];
          long end = Math.min(rows, (group + 1L) * GROUP);
          for (long row = (long) group * GROUP; row < end; row++) {
            long label = labels[Math.toIntExact(row)];
            if (label == IGNORED) {
              Arrays.fill(values, 0);
            } else {
              logProbabilities.read(row * width, values, 0, width);
              blocks.scaledExp(size, values, scale, values);
              values[(int) label] -= scale;
            }
            dlogits.write(row * width, values, 0, width);
          }
        });
  }

  /**
   * The cross-entropy of each row of logits, 0 where its label is -100, and the gradient of the
   * logits.
   *
   * @param weight what the gradient of each row is multiplied by
   * @param logits {@code [rows, width]}, replaced by their gradient
   * @param losses {@code [rows]}, written
   */
  public void crossEntropy(
      Parallel parallel, float weight, long[] labels, Floats logits, float[] losses) {
    Blocks blocks = Forms.chosen();
    int size = padded();
    parallel.run(
        groups(),
        group -> {
          float[] values = Scratch.ofThread().get(0, size);
          float[] lanes = new float[Blocks.LANES];
          long end = Math.min(rows, (group + 1L) * GROUP);
          for (int row = group * GROUP; row < end; row++) {
            long place = (long) row * width;
            int label = (int) labels[row];
            losses[row] = 0;
            if (label == IGNORED) {
              Arrays.fill(values, 0, width, 0);
            } else {
              logits.read(place, values, 0, width);
              float logit = values[label];
              Arrays.fill(values, width, size, Float.NEGATIVE_INFINITY);
              Arrays.fill(lanes, Float.NEGATIVE_INFINITY);
              blocks.largest(size, values, lanes);
              float most = largest(lanes);
              Arrays.fill(values, width, size, most + Softmax.LEAST);
              Arrays.fill(lanes, 0);
              blocks.expSums(size, values, most, values, lanes);
              float sum = sum(lanes, 0);
              losses[row] = (float) Math.log(sum) - (logit - most);
              float factor = weight / sum;
              for (int i = 0; i < width; i++) {
                values[i] *= factor;
              }
              values[label] -= weight;
            }
            logits.write(place, values, 0, width);
          }
        });
  }

  private static float largest(float[] lanes) {
    float largest = lanes[0];
    for (float lane : lanes) {
      largest = Math.max(largest, lane);
    }
    return largest;
  }

  /** Labels that are not left out. */
  public static long counted(long[] labels) {
    return Arrays.stream(labels).filter(label -> label != IGNORED).count();
  }
}
