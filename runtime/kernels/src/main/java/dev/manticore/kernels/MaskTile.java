package dev.manticore.kernels;

import java.util.Arrays;

/**
 * Queries that are worked on together, side by side, each in its own lane, and the range of keys
 * that they look at.
 *
 * @param first the first query
 * @param rows the number of queries, {@link #QUERIES} but for the last tile
 * @param from the first key, a multiple of {@link Blocks#LANES}
 * @param count the number of keys, a multiple of {@link Blocks#LANES}
 * @param mask of these keys and queries, {@code [count][QUERIES]} from {@code maskAt} on; keys that
 *     only fill the range up are excluded
 * @param maskAt where the tile's mask begins
 */
record MaskTile(int first, int rows, int from, int count, float[] mask, int maskAt) {

  /** Queries of a tile. */
  static final int QUERIES = Blocks.LANES;

  /** An entry of the mask that is no larger excludes its key, unless all of its row are such. */
  static final float EXCLUDED = -1e30f;

  /** The number of tiles of so many queries. */
  static int count(int queries) {
    return (queries + QUERIES - 1) / QUERIES;
  }

  /** A count rounded up to whole lanes. */
  static int padded(int count) {
    return (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
  }

  /**
   * One tile of a mask.
   *
   * @param mask {@code [queries, keys]} from {@code at} on
   */
  static MaskTile of(Floats mask, long at, int queries, int keys, int tile) {
    int first = tile * QUERIES;
    int rows = Math.min(QUERIES, queries - first);
    float[][] values = new float[rows][keys];
    int from = keys;
    int to = 0;
    for (int row = 0; row < rows; row++) {
      mask.read(at + (long) (first + row) * keys, values[row], 0, keys);
      int begin = 0;
      while (begin < keys && values[row][begin] <= EXCLUDED) {
        begin++;
      }
      int end = keys;
      while (end > begin && values[row][end - 1] <= EXCLUDED) {
        end--;
      }
      // A row that excludes all keys looks at all alike.
      from = Math.min(from, begin == end ? 0 : begin);
      to = Math.max(to, begin == end ? keys : end);
    }
    from = from / Blocks.LANES * Blocks.LANES;
    int count = padded(to) - from;
    float[] turned = new float[count * QUERIES];
    int there = Math.min(count, keys - from);
    for (int key = 0; key < there; key++) {
      for (int row = 0; row < rows; row++) {
        turned[key * QUERIES + row] = values[row][from + key];
      }
    }
    Arrays.fill(turned, there * QUERIES, count * QUERIES, Float.NEGATIVE_INFINITY);
    return new MaskTile(first, rows, from, count, turned, 0);
  }

  /**
   * The tiles of a causal mask, which all share one array: whether a query sees a key depends on
   * how far before it the key is, and on nothing else.
   *
   * @param window how many keys a query sees at most, itself the last
   */
  static MaskTile[] causal(int queries, int window) {
    MaskTile[] tiles = new MaskTile[count(queries)];
    // Keys before the first query of a tile that its queries see, in whole lanes.
    int before = padded(Math.min(window - 1, (tiles.length - 1) * QUERIES));
    float[] mask = new float[(before + QUERIES) * QUERIES];
    for (int key = -before; key < QUERIES; key++) {
      for (int row = 0; row < QUERIES; row++) {
        if (key > row || key <= row - window) {
          mask[(before + key) * QUERIES + row] = Float.NEGATIVE_INFINITY;
        }
      }
    }
    for (int tile = 0; tile < tiles.length; tile++) {
      int first = tile * QUERIES;
      int seen = Math.min(before, first);
      tiles[tile] =
          new MaskTile(
              first,
              Math.min(QUERIES, queries - first),
              first - seen,
              seen + QUERIES,
              mask,
              (before - seen) * QUERIES);
    }
    return tiles;
  }
}
