package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;

/**
 * A stream of tokens cut into sequences of a fixed length. Sequence i reads the tokens i * length
 * to (i + 1) * length - 1, and its labels are the same shifted by one, so that every token but the
 * first is a label at most once. Nothing is padded: tokens at the end that do not fill a sequence
 * are left out.
 */
public final class TokenDataset {

  private final Tokens tokens;
  private final int length;
  private final int first;
  private final int size;

  TokenDataset(Tokens tokens, int length) {
    this(tokens, length, 0, (tokens.size() - 1) / length);
  }

  private TokenDataset(Tokens tokens, int length, int first, int size) {
    this.tokens = tokens;
    this.length = length;
    this.first = first;
    this.size = size;
  }

  /** The number of sequences, at least one. */
  public int size() {
    return size;
  }

  /**
   * Its first sequences, and the rest, which is about a share of it; each is one at least.
   *
   * @param share above 0 and below 1
   * @throws ManticoreException {@code MNT-DATA} if there is only one sequence
   */
  public ImmutableList<TokenDataset> parts(double share) {
    if (size < 2) {
      throw new ManticoreException(
          "MNT-DATA",
          "There is only one training sequence, and none to hold out for the mixture weights. Give"
              + " more text, or search with other updates than bilevel.");
    }
    int rest = (int) Math.max(1, Math.min(size - 1, Math.round(size * share)));
    return ImmutableList.of(
        new TokenDataset(tokens, length, first, size - rest),
        new TokenDataset(tokens, length, first + size - rest, rest));
  }

  /** The number of tokens of a sequence's input. */
  public int length() {
    return length;
  }

  /** The number of tokens in the stream. */
  public int tokenCount() {
    return tokens.size();
  }

  /**
   * The given sequences, one a row.
   *
   * @throws IndexOutOfBoundsException for a number outside 0 to {@code size() - 1}
   */
  public Batch batch(int... sequences) {
    long[] inputs = new long[Math.multiplyExact(sequences.length, length)];
    long[] labels = new long[inputs.length];
    for (int row = 0; row < sequences.length; row++) {
      if (sequences[row] < 0 || sequences[row] >= size()) {
        throw new IndexOutOfBoundsException("no sequence " + sequences[row] + " of " + size());
      }
      int start = (first + sequences[row]) * length;
      for (int i = 0; i < length; i++) {
        inputs[row * length + i] = tokens.get(start + i);
        labels[row * length + i] = tokens.get(start + i + 1);
      }
    }
    return new Batch(inputs, labels, sequences.length, length);
  }

  /** SHA-256 of the length and the tokens, in hexadecimal. */
  public String hash() {
    return tokens.hash(length);
  }
}
