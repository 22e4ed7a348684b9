package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.util.List;

/**
 * How components are spliced.
 *
 * @param blocks the number of mixtures, n
 * @param partition for each component the layer ranges of its blocks, end exclusive; empty for even
 *     cuts
 * @param seed of what is drawn: fresh tables, projectors as in the paper
 * @param mixed for each block the components that it mixes, ascending; empty for all in all
 * @param width of the residual stream between blocks; 0 for that of the widest component
 */
public record SpliceOptions(
    int blocks,
    Gates gates,
    ProjectorInitialisation projectors,
    Embeddings embeddings,
    ImmutableList<ImmutableList<LayerRange>> partition,
    int vocabulary,
    long seed,
    ImmutableList<ImmutableList<Integer>> mixed,
    int width) {

  /** What opens the skip path of a projector. */
  public enum Gates {
    /** The mixture weight itself, as in the paper. */
    TIED,
    /** A learnt scalar of its own for every projector. */
    SEPARATE
  }

  /** What projectors are before training. */
  public enum ProjectorInitialisation {
    /** A rectangular identity without bias. */
    IDENTITY,
    /** PyTorch's default for a linear layer, as the paper has it: uniform within 1/sqrt(inputs). */
    PAPER
  }

  /** Which tables the hybrid reads tokens with, and predicts them with. */
  public enum Embeddings {
    /** New tables, normal with deviation 0.02, which are the heads too: the paper's. */
    FRESH,
    /** The components' own tables and heads; the components must share a tokenizer. */
    PRETRAINED,
    /**
     * The components' own tables and heads, made anew by {@link Vocabularies#fit} where a component
     * has another tokenizer.
     */
    MERGED
  }

  /** Layers {@code from} to {@code to}, exclusive. */
  public record LayerRange(int from, int to) {}

  public SpliceOptions {
    if (blocks < 1) {
      throw new ManticoreException(
          "MNT-SPLICE", "a hybrid needs at least one block, not " + blocks);
    }
  }

  /** Every block mixes all components, in the width of the widest. */
  public SpliceOptions(
      int blocks,
      Gates gates,
      ProjectorInitialisation projectors,
      Embeddings embeddings,
      ImmutableList<ImmutableList<LayerRange>> partition,
      int vocabulary,
      long seed) {
    this(blocks, gates, projectors, embeddings, partition, vocabulary, seed, ImmutableList.of(), 0);
  }

  /** The same with other layer ranges for the blocks of each component. */
  SpliceOptions withPartition(List<? extends List<LayerRange>> ranges) {
    return new SpliceOptions(
        blocks, gates, projectors, embeddings, copy(ranges), vocabulary, seed, mixed, width);
  }

  /** The same with other components for each block, and another width between them. */
  SpliceOptions withMixed(List<? extends List<Integer>> components, int between) {
    return new SpliceOptions(
        blocks,
        gates,
        projectors,
        embeddings,
        partition,
        vocabulary,
        seed,
        copy(components),
        between);
  }

  /**
   * Whether a block of so many components has projectors: a tied gate of weight 1 leaves nothing of
   * them.
   */
  boolean isProjected(int components) {
    return components > 1 || gates == Gates.SEPARATE;
  }

  private static <T> ImmutableList<ImmutableList<T>> copy(List<? extends List<T>> lists) {
    return lists.stream().map(ImmutableList::copyOf).collect(ImmutableList.toImmutableList());
  }

  /**
   * The paper's even cut: block i of n gets layers floor(i L / n) to floor((i + 1) L / n),
   * exclusive.
   */
  static ImmutableList<LayerRange> evenCut(int layers, int blocks) {
    ImmutableList.Builder<LayerRange> ranges = ImmutableList.builder();
    for (int i = 0; i < blocks; i++) {
      ranges.add(new LayerRange(i * layers / blocks, (i + 1) * layers / blocks));
    }
    return ranges.build();
  }

  /** Checks that ranges cut so many layers into as many blocks as there are, without gap. */
  static void check(String component, List<LayerRange> ranges, int layers, int blocks) {
    int next = 0;
    boolean fits = ranges.size() == blocks;
    for (LayerRange range : ranges) {
      fits &= range.from() == next && range.to() > range.from();
      next = range.to();
    }
    if (!fits || next != layers) {
      throw new ManticoreException(
          "MNT-SPLICE",
          "component '"
              + component
              + "' has "
              + layers
              + " layers, which "
              + ranges
              + " does not cut into "
              + blocks
              + " blocks: ranges must follow each other from 0 to "
              + layers
              + ", none of them empty");
    }
  }
}
