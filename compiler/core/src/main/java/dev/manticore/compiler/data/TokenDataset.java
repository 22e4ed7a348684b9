package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;

/** Sequences of tokens, padded to one length, with labels. */
public interface TokenDataset {

  /** The number of sequences, at least one. */
  int size();

  /** The number of tokens of a sequence's input. */
  int length();

  /** The number of tokens of one sequence's input; what pads it to {@link #length()} is none. */
  default int length(int sequence) {
    return length();
  }

  /**
   * The number n of lengths that batches to train on may have: {@link #length()} times k/n, for k
   * from 1 to n. With 1 all have the one length.
   */
  default int buckets() {
    return 1;
  }

  /** The number of tokens that it was made of; what pads sequences does not count. */
  long tokenCount();

  /**
   * The given sequences, one a row.
   *
   * @throws IndexOutOfBoundsException for a number outside 0 to {@code size() - 1}
   */
  Batch batch(int... sequences);

  /**
   * Its first sequences, and the rest, which is about a share of it; each is one at least.
   *
   * @param share above 0 and below 1
   * @throws ManticoreException {@code MNT-DATA} if there is only one sequence
   */
  default ImmutableList<TokenDataset> parts(double share) {
    if (size() < 2) {
      throw new ManticoreException(
          "MNT-DATA",
          "There is only one sequence, of which no part can be set aside. Give more text or a shorter"
              + " length; or search in another way, and without data.test.");
    }
    int rest = (int) Math.max(1, Math.min(size() - 1, Math.round(size() * share)));
    return ImmutableList.of(
        new DatasetPart(this, 0, size() - rest), new DatasetPart(this, size() - rest, rest));
  }

  /** SHA-256 of all that the sequences are, in hexadecimal. */
  String hash();
}
