package dev.manticore.compiler.data;

import java.util.Arrays;
import java.util.Objects;

/**
 * Some sequences of a data set, one after the other.
 *
 * @param first of them
 * @param size how many there are
 */
record DatasetPart(TokenDataset whole, int first, int size) implements TokenDataset {

  @Override
  public int length() {
    return whole.length();
  }

  @Override
  public int length(int sequence) {
    return whole.length(first + Objects.checkIndex(sequence, size));
  }

  @Override
  public int buckets() {
    return whole.buckets();
  }

  @Override
  public long tokenCount() {
    return (long) size * length();
  }

  @Override
  public Batch batch(int... sequences) {
    return whole.batch(
        Arrays.stream(sequences)
            .map(sequence -> first + Objects.checkIndex(sequence, size))
            .toArray());
  }

  @Override
  public String hash() {
    return whole.hash() + ":" + first + "+" + size;
  }
}
