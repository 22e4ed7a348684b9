package dev.manticore.compiler.data;

import java.util.Arrays;
import java.util.List;

/**
 * Token sequences for one step, of shape [size, length] in row-major order.
 *
 * @param inputs the tokens read
 * @param labels for each of them what is asked there, the token that follows it in a text, or
 *     {@link Sample#IGNORED}
 * @param size the number of sequences
 * @param length the number of tokens of a sequence
 */
public record Batch(long[] inputs, long[] labels, int size, int length) {

  /**
   * Samples, one a row, each filled up on the right to one length with tokens where nothing is
   * asked.
   *
   * @param padding the token to fill up with
   * @throws IllegalArgumentException if a sample is longer
   */
  public static Batch of(List<Sample> samples, int length, int padding) {
    long[] inputs = new long[Math.multiplyExact(samples.size(), length)];
    long[] labels = new long[inputs.length];
    Arrays.fill(inputs, padding);
    Arrays.fill(labels, Sample.IGNORED);
    for (int row = 0; row < samples.size(); row++) {
      Sample sample = samples.get(row);
      if (sample.length() > length) {
        throw new IllegalArgumentException(
            "a sample of " + sample.length() + " tokens is longer than " + length);
      }
      for (int i = 0; i < sample.length(); i++) {
        inputs[row * length + i] = sample.inputs().get(i);
        labels[row * length + i] = sample.targets().get(i);
      }
    }
    return new Batch(inputs, labels, samples.size(), length);
  }

  /** The same, of which only the first rows ask for something. */
  public Batch asking(int rows) {
    long[] counted = labels.clone();
    Arrays.fill(counted, rows * length, counted.length, Sample.IGNORED);
    return new Batch(inputs, counted, size, length);
  }

  /** The first tokens of each row, as many as {@code shorter}. */
  public Batch head(int shorter) {
    long[] reads = new long[size * shorter];
    long[] asks = new long[reads.length];
    for (int row = 0; row < size; row++) {
      System.arraycopy(inputs, row * length, reads, row * shorter, shorter);
      System.arraycopy(labels, row * length, asks, row * shorter, shorter);
    }
    return new Batch(reads, asks, size, shorter);
  }

  /** The number of labels that count. */
  public long asked() {
    return Arrays.stream(labels).filter(label -> label != Sample.IGNORED).count();
  }
}
