package dev.manticore.kernels;

import java.util.Arrays;

/**
 * Attention of several heads with an additive mask, and its gradient, tile by tile (Dao et al.,
 * "FlashAttention", 2022): the weights of all queries over all keys are never held at once. With
 * {@code i} a query and {@code j} a key,
 *
 * <pre>
 * p[i,j] = softmax over j of (scale q[i] . k[j] + mask[i,j]),   y[i] = sum over j of p[i,j] v[j]
 * </pre>
 *
 * <p>Keys that the mask excludes for all queries of a tile, those before and after a range, are not
 * worked on: half of all where attention is causal. Results do not depend on the number of threads.
 *
 * @param batch sequences
 * @param queries positions that look
 * @param keys positions that are looked at
 * @param heads heads, each with its own columns of queries, keys and values
 * @param width columns of a head
 * @param scale what the products of queries and keys are multiplied by
 */
public record Attention(int batch, int queries, int keys, int heads, int width, float scale) {

  /** Queries that are worked on together. */
  private static final int TILE = 16;

  /** An entry of the mask that is no larger excludes its key, unless all of its row are such. */
  private static final float EXCLUDED = -1e30f;

  /** So many tasks, where there are heads enough, keep all threads busy to the end. */
  private static final int TASKS = 16;

  /** Values of one operand that a task holds, if a single head does not need more. */
  private static final int TASK_VALUES = 1 << 16;

  /** Arrays that a thread uses again: tasks are short, and cleared memory is not free. */
  private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

  private static final class Scratch {
    private final float[][] arrays = new float[16][0];

    /** An array of at least this size, with anything in it. */
    float[] get(int slot, int size) {
      if (arrays[slot].length < size) {
        arrays[slot] = new float[size];
      }
      return arrays[slot];
    }

    float[] zeros(int slot, int size) {
      float[] array = get(slot, size);
      Arrays.fill(array, 0, size, 0);
      return array;
    }
  }

  /**
   * Computes y.
   *
   * @param q {@code [batch, queries, heads * width]}
   * @param k {@code [batch, keys, heads * width]}
   * @param v {@code [batch, keys, heads * width]}
   * @param mask {@code [queries, keys]}, added before the softmax
   * @param y {@code [batch, queries, heads * width]}
   */
  public void forward(Parallel parallel, Floats q, Floats k, Floats v, Floats mask, Floats y) {
    forward(Forms.chosen(), parallel, q, k, v, mask, y);
  }

  void forward(
      Blocks blocks, Parallel parallel, Floats q, Floats k, Floats v, Floats mask, Floats y) {
    int[][] ranges = ranges(mask);
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          float[] qs = group.read(q, queries, 0);
          float[] ks = group.read(k, keys, 1);
          float[] vs = group.read(v, keys, 2);
          float[] ys = group.scratch.zeros(3, queries * group.stride);
          float[] turned = group.scratch.get(4, padded(width) * padded(keys));
          float[] weights = group.scratch.get(5, TILE * padded(keys));
          float[] masks = group.scratch.get(6, TILE * padded(keys));
          float[] sums = group.scratch.get(7, Blocks.LANES);
          for (int head = 0; head < group.count; head++) {
            int column = head * padded(width);
            group.turn(ks, column, turned);
            for (int tile = 0; tile < ranges.length; tile++) {
              int first = tile * TILE;
              int rows = Math.min(TILE, queries - first);
              int from = ranges[tile][0];
              int count = ranges[tile][1] - from;
              readMask(mask, first, rows, from, count, masks);
              int at = first * group.stride + column;
              group.scores(blocks, rows, from, count, qs, at, turned, weights);
              for (int row = 0; row < rows; row++) {
                blocks.softmax(count, weights, row * count, scale, masks, row * count, sums);
              }
              blocks.multiply(
                  rows,
                  count,
                  padded(width),
                  weights,
                  0,
                  count,
                  1,
                  vs,
                  from * group.stride + column,
                  group.stride,
                  ys,
                  at,
                  group.stride);
            }
          }
          group.write(ys, queries, y);
        });
  }

  /**
   * Computes the gradients of queries, keys and values from that of y. The weights are computed
   * again.
   *
   * @param dy as y
   */
  public void gradient(
      Parallel parallel,
      Floats q,
      Floats k,
      Floats v,
      Floats mask,
      Floats dy,
      Floats dq,
      Floats dk,
      Floats dv) {
    gradient(Forms.chosen(), parallel, q, k, v, mask, dy, dq, dk, dv);
  }

  void gradient(
      Blocks blocks,
      Parallel parallel,
      Floats q,
      Floats k,
      Floats v,
      Floats mask,
      Floats dy,
      Floats dq,
      Floats dk,
      Floats dv) {
    int[][] ranges = ranges(mask);
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          int stride = group.stride;
          float[] qs = group.read(q, queries, 0);
          float[] ks = group.read(k, keys, 1);
          float[] vs = group.read(v, keys, 2);
          float[] dys = group.read(dy, queries, 3);
          float[] turnedK = group.scratch.get(4, padded(width) * padded(keys));
          float[] p = group.scratch.get(5, TILE * padded(keys));
          float[] masks = group.scratch.get(6, TILE * padded(keys));
          float[] sums = group.scratch.get(7, Blocks.LANES);
          float[] turnedV = group.scratch.get(8, padded(width) * padded(keys));
          float[] dp = group.scratch.get(9, TILE * padded(keys));
          float[] dqs = group.scratch.zeros(10, queries * stride);
          float[] dks = group.scratch.zeros(11, padded(keys) * stride);
          float[] dvs = group.scratch.zeros(12, padded(keys) * stride);
          for (int head = 0; head < group.count; head++) {
            int column = head * padded(width);
            group.turn(ks, column, turnedK);
            group.turn(vs, column, turnedV);
            for (int tile = 0; tile < ranges.length; tile++) {
              int first = tile * TILE;
              int rows = Math.min(TILE, queries - first);
              int from = ranges[tile][0];
              int count = ranges[tile][1] - from;
              readMask(mask, first, rows, from, count, masks);
              int at = first * stride + column;
              int keysAt = from * stride + column;
              group.scores(blocks, rows, from, count, qs, at, turnedK, p);
              group.scores(blocks, rows, from, count, dys, at, turnedV, dp);
              for (int row = 0; row < rows; row++) {
                int begin = row * count;
                blocks.softmax(count, p, begin, scale, masks, begin, sums);
                blocks.softmaxGradient(count, p, dp, begin, scale, sums);
              }
              int size = padded(width);
              blocks.multiply(
                  rows, count, size, dp, 0, count, 1, ks, keysAt, stride, dqs, at, stride);
              blocks.multiply(
                  count, rows, size, dp, 0, 1, count, qs, at, stride, dks, keysAt, stride);
              blocks.multiply(
                  count, rows, size, p, 0, 1, count, dys, at, stride, dvs, keysAt, stride);
            }
          }
          group.write(dqs, queries, dq);
          group.write(dks, keys, dk);
          group.write(dvs, keys, dv);
        });
  }

  private static int padded(int count) {
    return (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
  }

  /** Heads of one task. */
  private int group() {
    int balanced = Math.max(1, heads * batch / TASKS);
    int fitting = Math.max(1, TASK_VALUES / Math.max(1, Math.max(queries, keys) * padded(width)));
    return Math.min(heads, Math.min(balanced, fitting));
  }

  private int groups() {
    return (heads + group() - 1) / group();
  }

  /**
   * For each tile of queries the keys that it works on: the first, and the one after the last, both
   * multiples of {@link Blocks#LANES}.
   */
  private int[][] ranges(Floats mask) {
    int[][] ranges = new int[(queries + TILE - 1) / TILE][];
    float[] row = new float[keys];
    for (int tile = 0; tile < ranges.length; tile++) {
      int from = keys;
      int to = 0;
      for (int query = tile * TILE; query < Math.min(queries, (tile + 1) * TILE); query++) {
        mask.read((long) query * keys, row, 0, keys);
        int first = 0;
        while (first < keys && row[first] <= EXCLUDED) {
          first++;
        }
        int end = keys;
        while (end > first && row[end - 1] <= EXCLUDED) {
          end--;
        }
        // A row that excludes all keys looks at all alike.
        from = Math.min(from, first == end ? 0 : first);
        to = Math.max(to, first == end ? keys : end);
      }
      ranges[tile] = new int[] {from / Blocks.LANES * Blocks.LANES, padded(to)};
    }
    return ranges;
  }

  /** Rows of the mask over a range of keys; keys that only fill the range up are excluded. */
  private void readMask(Floats mask, int first, int rows, int from, int count, float[] values) {
    int there = Math.min(count, keys - from);
    for (int row = 0; row < rows; row++) {
      mask.read((long) (first + row) * keys + from, values, row * count, there);
      Arrays.fill(values, row * count + there, (row + 1) * count, Float.NEGATIVE_INFINITY);
    }
  }

  /** Some heads of one sequence, copied out with their width rounded up. */
  private final class Group {
    private final Scratch scratch = SCRATCH.get();
    private final int sequence;
    private final int firstHead;
    private final int count;
    private final int stride;

    Group(int task) {
      this.sequence = task / groups();
      this.firstHead = task % groups() * group();
      this.count = Math.min(group(), heads - firstHead);
      this.stride = count * padded(width);
    }

    /** {@code [padded rows][heads of the group][padded width]}. */
    float[] read(Floats from, int rows, int slot) {
      float[] values = scratch.get(slot, padded(rows) * stride);
      if (width == padded(width) && count == heads) {
        from.read(at(rows, 0), values, 0, rows * stride);
      } else {
        for (int row = 0; row < rows; row++) {
          for (int head = 0; head < count; head++) {
            int to = row * stride + head * padded(width);
            if (width == padded(width)) {
              from.read(at(rows, row), values, to, stride);
              break;
            }
            from.read(at(rows, row) + (long) head * width, values, to, width);
            Arrays.fill(values, to + width, to + padded(width), 0);
          }
        }
      }
      Arrays.fill(values, rows * stride, padded(rows) * stride, 0);
      return values;
    }

    void write(float[] values, int rows, Floats to) {
      for (int row = 0; row < rows; row++) {
        if (width == padded(width)) {
          to.write(at(rows, row), values, row * stride, stride);
        } else {
          for (int head = 0; head < count; head++) {
            to.write(
                at(rows, row) + (long) head * width,
                values,
                row * stride + head * padded(width),
                width);
          }
        }
      }
    }

    private long at(int rows, int row) {
      return (((long) sequence * rows + row) * heads + firstHead) * width;
    }

    /** One head's keys or values by columns: {@code [padded width][padded keys]}. */
    void turn(float[] rows, int column, float[] turned) {
      int length = padded(keys);
      for (int key = 0; key < length; key++) {
        for (int i = 0; i < padded(width); i++) {
          turned[i * length + key] = rows[key * stride + column + i];
        }
      }
    }

    /** The products of some rows with a range of keys, {@code [rows][count]}. */
    void scores(
        Blocks blocks,
        int rows,
        int from,
        int range,
        float[] left,
        int at,
        float[] turned,
        float[] products) {
      Arrays.fill(products, 0, rows * range, 0);
      blocks.multiply(
          rows, width, range, left, at, stride, 1, turned, from, padded(keys), products, 0, range);
    }
  }
}
