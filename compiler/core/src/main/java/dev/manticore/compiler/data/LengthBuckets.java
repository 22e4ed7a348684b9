package dev.manticore.compiler.data;

import com.google.common.math.IntMath;
import com.google.common.math.LongMath;
import dev.manticore.ir.random.Draws;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Batches of sequences of like length. An epoch's sequences, in random order, are sorted by their
 * buckets and cut into batches, each as long as the bucket of its longest sequence; these are drawn
 * in random order. So no more batches than there are buckets mix two of them, and all epochs have
 * batches of the same lengths. The one of the longest sequences may be less than full, and is
 * filled up with sequences of which nothing is asked.
 */
final class LengthBuckets {

  private final TokenDataset dataset;
  private final int batchSize;

  /** Of each sequence. */
  private final int[] lengths;

  /** The same in ascending order, as every epoch has them. */
  private final int[] sorted;

  LengthBuckets(TokenDataset dataset, int batchSize) {
    this.dataset = dataset;
    this.batchSize = batchSize;
    this.lengths =
        IntStream.range(0, dataset.size())
            .map(sequence -> bucket(dataset.length(sequence), dataset))
            .toArray();
    this.sorted = lengths.clone();
    Arrays.sort(sorted);
  }

  /** The least of the data set's lengths of batches that these tokens fit into. */
  private static int bucket(int tokens, TokenDataset dataset) {
    int number = dataset.buckets();
    long whole = dataset.length();
    long part = Math.max(1, LongMath.divide(tokens * (long) number, whole, RoundingMode.CEILING));
    return Math.toIntExact(LongMath.divide(whole * part, number, RoundingMode.CEILING));
  }

  /** The number of batches of an epoch. */
  int batches() {
    return IntMath.divide(sorted.length, batchSize, RoundingMode.CEILING);
  }

  /** The tokens of a batch's sequences; batches are numbered in the order of their lengths. */
  int length(int batch) {
    return sorted[end(batch) - 1];
  }

  private int end(int batch) {
    return Math.min((batch + 1) * batchSize, sorted.length);
  }

  /**
   * The order of an epoch.
   *
   * @param sequences in the order of their buckets
   * @param batches in the order in which they are drawn
   */
  record Epoch(int[] sequences, int[] batches) {}

  /**
   * @param permutation of all sequences
   * @param draws the order of the batches
   */
  Epoch epoch(int[] permutation, Draws draws) {
    int[] sequences =
        Arrays.stream(permutation)
            .boxed()
            .sorted(Comparator.comparingInt(sequence -> lengths[sequence]))
            .mapToInt(Integer::intValue)
            .toArray();
    return new Epoch(sequences, draws.permutation(batches()));
  }

  Batch batch(Epoch epoch, int place) {
    int batch = epoch.batches()[place];
    int start = batch * batchSize;
    int there = end(batch) - start;
    int[] rows = new int[batchSize];
    for (int row = 0; row < batchSize; row++) {
      rows[row] = epoch.sequences()[start + Math.min(row, there - 1)];
    }
    return dataset.batch(rows).asking(there).head(length(batch));
  }

  /** The tokens of an epoch, padding counted. */
  long tokens() {
    return tokens(IntStream.range(0, batches()));
  }

  /** The tokens of as many of its first batches. */
  long tokens(Epoch epoch, int batches) {
    return tokens(Arrays.stream(epoch.batches(), 0, batches));
  }

  private long tokens(IntStream batches) {
    return batches.mapToLong(batch -> (long) batchSize * length(batch)).sum();
  }
}
