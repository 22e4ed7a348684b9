package dev.manticore.compiler.data;

/** Sequences of tokens of one length, with labels. */
public interface TokenDataset {

  /** The number of sequences, at least one. */
  int size();

  /** The number of tokens of a sequence's input. */
  int length();

  /** The number of tokens that it was made of; what pads sequences does not count. */
  long tokenCount();

  /**
   * The given sequences, one a row.
   *
   * @throws IndexOutOfBoundsException for a number outside 0 to {@code size() - 1}
   */
  Batch batch(int... sequences);

  /** SHA-256 of all that the sequences are, in hexadecimal. */
  String hash();
}
