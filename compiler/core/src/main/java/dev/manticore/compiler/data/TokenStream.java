package dev.manticore.compiler.data;

/**
 * A stream of tokens cut into sequences of a fixed length. Sequence i reads the tokens i * length
 * to (i + 1) * length - 1, and its labels are the same shifted by one, so that every token but the
 * first is a label at most once. Nothing is padded: tokens at the end that do not fill a sequence
 * are left out.
 */
final class TokenStream implements TokenDataset {

  private final Tokens tokens;
  private final int length;

  TokenStream(Tokens tokens, int length) {
    this.tokens = tokens;
    this.length = length;
  }

  @Override
  public int size() {
    return (tokens.size() - 1) / length;
  }

  @Override
  public int length() {
    return length;
  }

  @Override
  public long tokenCount() {
    return tokens.size();
  }

  @Override
  public Batch batch(int... sequences) {
    long[] inputs = new long[Math.multiplyExact(sequences.length, length)];
    long[] labels = new long[inputs.length];
    for (int row = 0; row < sequences.length; row++) {
      if (sequences[row] < 0 || sequences[row] >= size()) {
        throw new IndexOutOfBoundsException("no sequence " + sequences[row] + " of " + size());
      }
      int start = sequences[row] * length;
      for (int i = 0; i < length; i++) {
        inputs[row * length + i] = tokens.get(start + i);
        labels[row * length + i] = tokens.get(start + i + 1);
      }
    }
    return new Batch(inputs, labels, sequences.length, length);
  }

  /** SHA-256 of the length and the tokens. */
  @Override
  public String hash() {
    return tokens.hash(length);
  }
}
