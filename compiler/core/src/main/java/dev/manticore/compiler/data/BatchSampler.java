package dev.manticore.compiler.data;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.util.Optional;

/**
 * Batches of a data set in random order: each epoch is a new permutation of all sequences, and a
 * batch that an epoch cannot fill goes on with the next, so that after e epochs every sequence has
 * been drawn e times.
 *
 * <p>Where batches may have {@linkplain TokenDataset#buckets() different lengths}, they are of
 * sequences of like length. An epoch is then made of whole batches; what fills up its last one asks
 * for nothing.
 */
public final class BatchSampler {

  /**
   * Where a sampler stands; a sampler of the same data set and batch size made from it goes on
   * identically.
   *
   * @param seed of the order
   * @param epoch the number of whole epochs drawn
   * @param cursor the number of sequences drawn of the next one; of batches, where these may have
   *     different lengths
   */
  public record State(long seed, long epoch, int cursor) {

    /** The beginning of the order of {@code seed}. */
    public static State start(long seed) {
      return new State(seed, 0, 0);
    }
  }

  private final TokenDataset dataset;
  private final int batchSize;
  private final Optional<LengthBuckets> buckets;
  private final long seed;
  private long epoch;
  private int cursor;
  private LengthBuckets.Epoch order;

  /**
   * @throws ManticoreException {@code MNT-DATA} if the batch size is below 1, or the state is none
   *     of this data set
   */
  public BatchSampler(TokenDataset dataset, int batchSize, State state) {
    if (batchSize < 1) {
      throw new ManticoreException(
          "MNT-DATA", "The batch size " + batchSize + " must be at least 1.");
    }
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.buckets =
        dataset.buckets() > 1
            ? Optional.of(new LengthBuckets(dataset, batchSize))
            : Optional.empty();
    if (state.epoch() < 0 || state.cursor() < 0 || state.cursor() >= places()) {
      throw new ManticoreException(
          "MNT-DATA",
          "The data position "
              + state
              + " is none of a data set of "
              + dataset.size()
              + " sequences: the run was begun with other data.");
    }
    this.seed = state.seed();
    this.epoch = state.epoch();
    this.cursor = state.cursor();
    this.order = order();
  }

  /** How many cursors an epoch has. */
  private int places() {
    return buckets.map(LengthBuckets::batches).orElse(dataset.size());
  }

  /** The next batch, of shape [batch size, length]. */
  public Batch next() {
    if (buckets.isPresent()) {
      Batch batch = buckets.get().batch(order, cursor);
      advance();
      return batch;
    }
    int[] sequences = new int[batchSize];
    for (int row = 0; row < batchSize; row++) {
      sequences[row] = order.sequences()[cursor];
      advance();
    }
    return dataset.batch(sequences);
  }

  private void advance() {
    cursor++;
    if (cursor == places()) {
      cursor = 0;
      epoch++;
      order = order();
    }
  }

  /** The tokens of all batches that were drawn from the beginning on, padding counted. */
  public long tokens() {
    return buckets
        .map(lengths -> epoch * lengths.tokens() + lengths.tokens(order, cursor))
        .orElse((epoch * dataset.size() + cursor) * dataset.length());
  }

  public State state() {
    return new State(seed, epoch, cursor);
  }

  /**
   * The seed is mixed: streams whose seeds differ by a multiple of the generator's step overlap.
   */
  private LengthBuckets.Epoch order() {
    long mixed = (seed ^ 0xD1342543DE82EF95L * (epoch + 1)) * 0xAF251AF3B0F025B5L;
    Draws draws = new Draws(mixed ^ mixed >>> 32);
    int[] permutation = draws.permutation(dataset.size());
    return buckets
        .map(lengths -> lengths.epoch(permutation, draws))
        .orElse(new LengthBuckets.Epoch(permutation, new int[0]));
  }
}
