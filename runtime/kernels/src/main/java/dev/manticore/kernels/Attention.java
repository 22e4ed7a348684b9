package dev.manticore.kernels;

import java.util.Arrays;

/**
 * Attention of several heads with a mask, and its gradient, tile by tile (Dao et al.,
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

  private static final int TILE = MaskTile.QUERIES;

  /** So many tasks, where there are heads enough, keep all threads busy to the end. */
  private static final int TASKS = 16;

  /** Values of one operand that a task holds, if a single head does not need more. */
  private static final int TASK_VALUES = 1 << 16;

  /**
   * Computes y.
   *
   * @param q {@code [batch, queries, heads * width]}
   * @param k {@code [batch, keys, heads * width]}
   * @param v {@code [batch, keys, heads * width]}
   * @param mask of the queries and keys
   * @param y {@code [batch, queries, heads * width]}
   */
  public void forward(Parallel parallel, Floats q, Floats k, Floats v, Mask mask, Floats y) {
    forward(Forms.chosen(), parallel, q, k, v, mask, y);
  }

  void forward(
      Blocks blocks, Parallel parallel, Floats q, Floats k, Floats v, Mask mask, Floats y) {
    MaskTile[] tiles = mask.tiles(queries, keys);
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          int stride = group.stride;
          float[] qs = group.read(q, queries, 0);
          float[] ks = group.read(k, keys, 1);
          float[] vs = group.read(v, keys, 2);
          float[] ys = group.scratch.zeros(3, queries * stride);
          float[] turned = group.scratch.get(4, padded(width) * TILE);
          float[] p = group.scratch.get(5, padded(keys) * TILE);
          int size = padded(width);
          for (int column = 0; column < stride; column += size) {
            for (MaskTile tile : tiles) {
              int at = tile.first() * stride + column;
              int keysAt = tile.from() * stride + column;
              group.products(blocks, tile, ks, keysAt, qs, at, turned, p);
              blocks.softmax(tile.count(), p, scale, tile.mask(), tile.maskAt());
              blocks.multiply(
                  tile.rows(),
                  tile.count(),
                  size,
                  p,
                  0,
                  1,
                  TILE,
                  vs,
                  keysAt,
                  stride,
                  ys,
                  at,
                  stride);
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
      Mask mask,
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
      Mask mask,
      Floats dy,
      Floats dq,
      Floats dk,
      Floats dv) {
    MaskTile[] tiles = mask.tiles(queries, keys);
    parallel.run(
        batch * groups(),
        task -> {
          Group group = new Group(task);
          int stride = group.stride;
          float[] qs = group.read(q, queries, 0);
          float[] ks = group.read(k, keys, 1);
          float[] vs = group.read(v, keys, 2);
          float[] dys = group.read(dy, queries, 3);
          float[] turned = group.scratch.get(4, padded(width) * TILE);
          float[] p = group.scratch.get(5, padded(keys) * TILE);
          float[] dp = group.scratch.get(6, padded(keys) * TILE);
          float[] dqs = group.scratch.zeros(7, queries * stride);
          float[] dks = group.scratch.zeros(8, padded(keys) * stride);
          float[] dvs = group.scratch.zeros(9, padded(keys) * stride);
          int size = padded(width);
          for (int column = 0; column < stride; column += size) {
            for (MaskTile tile : tiles) {
              int rows = tile.rows();
              int count = tile.count();
              int at = tile.first() * stride + column;
              int keysAt = tile.from() * stride + column;
              group.products(blocks, tile, ks, keysAt, qs, at, turned, p);
              group.products(blocks, tile, vs, keysAt, dys, at, turned, dp);
              blocks.softmax(count, p, scale, tile.mask(), tile.maskAt());
              blocks.softmaxGradient(count, p, dp, scale);
              blocks.multiply(
                  rows, count, size, dp, 0, 1, TILE, ks, keysAt, stride, dqs, at, stride);
              blocks.multiply(
                  count, rows, size, dp, 0, TILE, 1, qs, at, stride, dks, keysAt, stride);
              blocks.multiply(
                  count, rows, size, p, 0, TILE, 1, dys, at, stride, dvs, keysAt, stride);
            }
          }
          group.write(dqs, queries, dq);
          group.write(dks, keys, dk);
          group.write(dvs, keys, dv);
        });
  }

  private static int padded(int count) {
    return MaskTile.padded(count);
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

  /** Some heads of one sequence, copied out with their width rounded up. */
  private final class Group {
    private final Scratch scratch = Scratch.ofThread();
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

    /**
     * The products of the keys that a tile looks at with its queries, {@code [count][TILE]}.
     *
     * @param left keys or values, the tile's first at {@code leftAt}
     * @param right queries or the gradients of their results, the tile's first at {@code rightAt}
     * @param turned overwritten
     */
    void products(
        Blocks blocks,
        MaskTile tile,
        float[] left,
        int leftAt,
        float[] right,
        int rightAt,
        float[] turned,
        float[] products) {
      for (int row = 0; row < TILE; row++) {
        for (int i = 0; i < width; i++) {
          turned[i * TILE + row] = right[rightAt + row * stride + i];
        }
      }
      Arrays.fill(products, 0, tile.count() * TILE, 0);
      blocks.multiply(
          tile.count(), width, TILE, left, leftAt, stride, 1, turned, 0, TILE, products, 0, TILE);
    }
  }
}
