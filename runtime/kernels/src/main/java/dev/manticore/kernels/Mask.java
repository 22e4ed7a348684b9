package dev.manticore.kernels;

import java.util.Arrays;

/** What is added to the products of the queries and keys of an {@link Attention}. */
public abstract class Mask {

  private Mask() {}

  /**
   * A mask that is given.
   *
   * @param values {@code [queries, keys]}
   */
  public static Mask of(Floats values) {
    return new Mask() {
      @Override
      MaskTile[] tiles(int queries, int keys) {
        MaskTile[] tiles = new MaskTile[MaskTile.count(queries)];
        Arrays.setAll(tiles, tile -> MaskTile.of(values, 0, queries, keys, tile));
        return tiles;
      }
    };
  }

  /**
   * The mask of as many queries as keys, by which each query sees itself and those keys before it
   * that are less than a window away. It takes no more memory than a tile of it.
   *
   * @param window how many keys a query sees at most, 1 or more
   */
  public static Mask causal(int window) {
    return new Mask() {
      @Override
      MaskTile[] tiles(int queries, int keys) {
        return MaskTile.causal(queries, window);
      }
    };
  }

  /** The tiles of all queries, from the first on. */
  abstract MaskTile[] tiles(int queries, int keys);
}
