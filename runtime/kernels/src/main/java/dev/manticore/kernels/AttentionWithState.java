package dev.manticore.kernels;

import java.util.Arrays;

/**
 * Attention of the tokens of a run to those and to all before them, whose keys and values are in a
 * cache with room for more. With {@code i} a token of the run, {@code j} one of all,
 *
 * <pre>
 * p[i,j] = softmax over j of (scale q[i] . k[j] + bias[i,j]),   y[i] = sum over j of p[i,j] v[j]
 * </pre>
 *
 * <p>Keys lie in the cache turned, so that the products of one query with many keys need no sums
 * across lanes, and a cache is read once, whatever the number of queries. Results do not depend on
 * the number of threads.
 *
 * @param batch sequences
 * @param queries tokens of the run
 * @param total tokens of all, those of the run among them, as the last
 * @param capacity slots of the cache, no less than {@code total}
 * @param heads heads
 * @param width columns of a head
 * @param scale what the products of queries and keys are multiplied by
 * @param biases how many there are: of each sequence and head, or one for all of them
 */
public record AttentionWithState(
    int batch,
    int queries,
    int total,
    int capacity,
    int heads,
    int width,
    float scale,
    Biases biases) {

  private static final int TILE = MaskTile.QUERIES;

  /** Values of a cache that a task holds at once: they stay in its core's own cache. */
  private static final int PART_VALUES = 1 << 16;

  /** So many tasks, where there are heads enough, keep all threads busy to the end. */
  private static final int TASKS = 16;

  /**
   * Whether each sequence and each head has a bias of its own.
   *
   * @param bySequence else one is for all sequences
   * @param byHead else one is for all heads
   */
  public record Biases(boolean bySequence, boolean byHead) {}

  /**
   * Computes y, and the cache with the keys and values of the run.
   *
   * @param q {@code [batch, queries, heads * width]}
   * @param k {@code [batch, queries, heads * width]}
   * @param v {@code [batch, queries, heads * width]}
   * @param bias {@code [batch or 1, heads or 1, queries, total]}
   * @param keys {@code [batch, heads, width, capacity]}: those before the run, replaced by those
   *     with it
   * @param values {@code [batch, heads, capacity, width]}: likewise
   * @param y {@code [batch, queries, heads * width]}
   */
  public void compute(
      Parallel parallel,
      Floats q,
      Floats k,
      Floats v,
      Floats bias,
      Floats keys,
      Floats values,
      Floats y) {
    compute(Forms.chosen(), parallel, q, k, v, bias, keys, values, y);
  }

  void compute(
      Blocks blocks,
      Parallel parallel,
      Floats q,
      Floats k,
      Floats v,
      Floats bias,
      Floats keys,
      Floats values,
      Floats y) {
    MaskTile[] tiles = queries == 1 ? new MaskTile[0] : tiles(parallel, bias);
    int group = Math.max(1, heads * batch / TASKS);
    int groups = (heads + group - 1) / group;
    parallel.run(
        batch * groups,
        task -> {
          int sequence = task / groups;
          int first = task % groups * group;
          for (int head = first; head < Math.min(heads, first + group); head++) {
            Head one = new Head(blocks, sequence, head, keys, values);
            one.append(k, v);
            if (queries == 1) {
              one.attend(q, bias, y);
            } else {
              one.attend(q, tiles, y);
            }
          }
        });
  }

  /** The biases' tiles: {@code [batch or 1][heads or 1][tiles]}. */
  private MaskTile[] tiles(Parallel parallel, Floats bias) {
    int each = MaskTile.count(queries);
    int count = biasOf(batch - 1, heads - 1) + 1;
    MaskTile[] tiles = new MaskTile[count * each];
    parallel.run(
        tiles.length,
        i -> {
          long at = (long) (i / each) * queries * total;
          tiles[i] = MaskTile.of(bias, at, queries, total, i % each);
        });
    return tiles;
  }

  private int biasOf(int sequence, int head) {
    int row = biases.bySequence() ? sequence : 0;
    return biases.byHead() ? row * heads + head : row;
  }

  /** One head of one sequence. */
  private final class Head {
    private final Scratch scratch = Scratch.ofThread();
    private final Blocks blocks;
    private final int sequence;
    private final int head;
    private final Floats keys;
    private final Floats values;
    private final long keysAt;
    private final long valuesAt;
    private final int columns = MaskTile.padded(width);

    Head(Blocks blocks, int sequence, int head, Floats keys, Floats values) {
      this.blocks = blocks;
      this.sequence = sequence;
      this.head = head;
      this.keys = keys;
      this.values = values;
      this.keysAt = ((long) sequence * heads + head) * width * capacity;
      this.valuesAt = keysAt;
    }

    /** Where a token's columns of this head begin in {@code [batch, queries, heads * width]}. */
    private long at(int token) {
      return (((long) sequence * queries + token) * heads + head) * width;
    }

    /** Puts the keys and values of the run into the slots after those of before. */
    void append(Floats k, Floats v) {
      int past = total - queries;
      float[] row = scratch.get(0, width);
      float[] turned = scratch.get(1, width * queries);
      for (int token = 0; token < queries; token++) {
        k.read(at(token), row, 0, width);
        for (int i = 0; i < width; i++) {
          turned[i * queries + token] = row[i];
        }
        v.read(at(token), row, 0, width);
        values.write(valuesAt + (long) (past + token) * width, row, 0, width);
      }
      for (int i = 0; i < width; i++) {
        keys.write(keysAt + (long) i * capacity + past, turned, i * queries, queries);
      }
    }

    /** One query: each key and value is read from the cache once, part by part. */
    void attend(Floats q, Floats bias, Floats y) {
      int part = Math.max(TILE, PART_VALUES / columns / TILE * TILE);
      float[] added = scratch.get(3, MaskTile.padded(total));
      bias.read((long) biasOf(sequence, head) * total, added, 0, total);
      int first = firstSlot(added);
      int slots = total - first;
      System.arraycopy(added, first, added, 0, slots);
      float[] query = scratch.get(0, width);
      float[] scores = scratch.zeros(1, MaskTile.padded(slots));
      float[] held = scratch.get(2, Math.min(part, MaskTile.padded(slots)) * columns);
      float[] result = scratch.zeros(4, columns);
      q.read(at(0), query, 0, width);
      for (int from = 0; from < slots; from += part) {
        int count = Math.min(part, slots - from);
        int size = MaskTile.padded(count);
        for (int i = 0; i < width; i++) {
          keys.read(keysAt + (long) i * capacity + first + from, held, i * size, count);
          Arrays.fill(held, i * size + count, (i + 1) * size, 0);
        }
        blocks.multiply(1, width, size, query, 0, 0, 1, held, 0, size, scores, from, size);
      }
      float scaled = softmax(slots, scores, added);
      for (int from = 0; from < slots; from += part) {
        int count = Math.min(part, slots - from);
        readValues(first + from, count, held);
        blocks.multiply(1, count, columns, scores, from, 0, 1, held, 0, columns, result, 0, 0);
      }
      for (int i = 0; i < width; i++) {
        result[i] *= scaled;
      }
      y.write(at(0), result, 0, width);
    }

    /** Slots before it are excluded, as those before a window are, and need not be read. */
    private int firstSlot(float[] added) {
      int first = 0;
      while (first < total && added[first] <= MaskTile.EXCLUDED) {
        first++;
      }
      // Where all are excluded, all count alike.
      return first == total ? 0 : first;
    }

    /** Replaces scores by weights that are to be multiplied by what is returned. */
    private float softmax(int slots, float[] scores, float[] added) {
      int size = MaskTile.padded(slots);
      Arrays.fill(scores, slots, size, 0);
      Arrays.fill(added, slots, size, Float.NEGATIVE_INFINITY);
      for (int i = 0; i < size; i++) {
        scores[i] = Math.fma(scores[i], scale, added[i]);
      }
      // Four at a time, or each comparison and each sum waits for the one before.
      float first = scores[0];
      float second = scores[1];
      float third = scores[2];
      float fourth = scores[3];
      for (int i = 4; i < size; i += 4) {
        first = Math.max(first, scores[i]);
        second = Math.max(second, scores[i + 1]);
        third = Math.max(third, scores[i + 2]);
        fourth = Math.max(fourth, scores[i + 3]);
      }
      float largest = Math.max(Math.max(first, second), Math.max(third, fourth));
      for (int i = 0; i < size; i++) {
        scores[i] = Math.max(scores[i] - largest, Softmax.LEAST);
      }
      blocks.scaledExp(size, scores, 1, scores);
      first = 0;
      second = 0;
      third = 0;
      fourth = 0;
      for (int i = 0; i < size; i += 4) {
        first += scores[i];
        second += scores[i + 1];
        third += scores[i + 2];
        fourth += scores[i + 3];
      }
      return 1 / (first + second + (third + fourth));
    }

    private void readValues(int from, int count, float[] held) {
      if (columns == width) {
        values.read(valuesAt + (long) from * width, held, 0, count * width);
        return;
      }
      for (int slot = 0; slot < count; slot++) {
        values.read(valuesAt + (long) (from + slot) * width, held, slot * columns, width);
        Arrays.fill(held, slot * columns + width, (slot + 1) * columns, 0);
      }
    }

    /** Several queries, tile by tile, over keys and values that are held as a whole. */
    void attend(Floats q, MaskTile[] tiles, Floats y) {
      int slots = MaskTile.padded(total);
      float[] heldKeys = scratch.get(0, width * slots);
      float[] heldValues = scratch.get(1, slots * columns);
      for (int i = 0; i < width; i++) {
        keys.read(keysAt + (long) i * capacity, heldKeys, i * slots, total);
        Arrays.fill(heldKeys, i * slots + total, (i + 1) * slots, 0);
      }
      readValues(0, total, heldValues);
      Arrays.fill(heldValues, total * columns, slots * columns, 0);
      float[] query = scratch.get(2, width);
      float[] turned = scratch.get(3, width * TILE);
      float[] p = scratch.get(4, slots * TILE);
      int each = MaskTile.count(queries);
      for (int i = 0; i < each; i++) {
        MaskTile tile = tiles[biasOf(sequence, head) * each + i];
        Arrays.fill(turned, 0, width * TILE, 0);
        for (int row = 0; row < tile.rows(); row++) {
          q.read(at(tile.first() + row), query, 0, width);
          for (int column = 0; column < width; column++) {
            turned[column * TILE + row] = query[column];
          }
        }
        int count = tile.count();
        Arrays.fill(p, 0, count * TILE, 0);
        blocks.multiply(
            count, width, TILE, heldKeys, tile.from(), 1, slots, turned, 0, TILE, p, 0, TILE);
        blocks.softmax(count, p, scale, tile.mask(), tile.maskAt());
        float[] result = scratch.zeros(5, tile.rows() * columns);
        blocks.multiply(
            tile.rows(),
            count,
            columns,
            p,
            0,
            1,
            TILE,
            heldValues,
            tile.from() * columns,
            columns,
            result,
            0,
            columns);
        for (int row = 0; row < tile.rows(); row++) {
          y.write(at(tile.first() + row), result, row * columns, width);
        }
      }
    }
  }
}
