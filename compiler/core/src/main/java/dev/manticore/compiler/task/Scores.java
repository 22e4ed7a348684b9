package dev.manticore.compiler.task;

import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.Sample;

/**
 * Counts of right and wrong answers, added up over samples. Only what is asked counts.
 *
 * <p>The two accuracies of the MAD papers: {@link #accuracy} weighs every answer alike (micro),
 * {@link #macroAccuracy} every class (paper.md §6.8, §6.9).
 */
public final class Scores {

  private final long[] asked;
  private final long[] right;
  private final long[] said;
  private long samples;
  private long exact;
  private double nats;

  /**
   * @param classes answers are 0 to this, exclusive
   */
  public Scores(int classes) {
    this.asked = new long[classes];
    this.right = new long[classes];
    this.said = new long[classes];
  }

  /**
   * Adds the samples of a batch, one a row.
   *
   * @param answers the most probable class at each position of the batch
   * @throws IllegalArgumentException if there is not one answer a position
   */
  public void add(Batch batch, long[] answers) {
    if (answers.length != batch.labels().length) {
      throw new IllegalArgumentException(
          answers.length + " answers for " + batch.labels().length + " positions");
    }
    for (int row = 0; row < batch.size(); row++) {
      add(batch.labels(), answers, row * batch.length(), (row + 1) * batch.length());
    }
  }

  private void add(long[] targets, long[] answers, int start, int end) {
    boolean any = false;
    boolean all = true;
    for (int i = start; i < end; i++) {
      if (targets[i] != Sample.IGNORED) {
        int target = (int) targets[i];
        boolean isRight = answers[i] == target;
        asked[target]++;
        said[(int) answers[i]]++;
        right[target] += isRight ? 1 : 0;
        all &= isRight;
        any = true;
      }
    }
    if (any) {
      samples++;
      exact += all ? 1 : 0;
    }
  }

  /**
   * Adds the loss of a sample, or of several.
   *
   * @param sum over the positions asked, in nats
   */
  public void addLoss(double sum) {
    nats += sum;
  }

  private static long sum(long[] counts) {
    long sum = 0;
    for (long count : counts) {
      sum += count;
    }
    return sum;
  }

  /**
   * The bytes of the text that was asked for.
   *
   * @param lengths of the text that each class stands for; classes beyond are never asked for
   */
  public long bytes(int[] lengths) {
    long bytes = 0;
    for (int i = 0; i < Math.min(lengths.length, asked.length); i++) {
      bytes += asked[i] * lengths[i];
    }
    return bytes;
  }

  /** The number of answers. */
  public long answers() {
    return sum(asked);
  }

  /** The share of right answers; NaN of none. */
  public double accuracy() {
    return sum(right) / (double) answers();
  }

  /**
   * The mean over classes of the share of right answers among those that ask for the class. As in
   * the published code, a class that is said and never asked counts as 0, and one that is neither
   * does not count.
   */
  public double macroAccuracy() {
    double total = 0;
    int classes = 0;
    for (int i = 0; i < asked.length; i++) {
      if (asked[i] > 0 || said[i] > 0) {
        classes++;
        total += asked[i] == 0 ? 0 : right[i] / (double) asked[i];
      }
    }
    return total / classes;
  }

  /** The share of samples all of whose answers are right; samples that ask for nothing are none. */
  public double exactMatch() {
    return exact / (double) samples;
  }

  /** The mean loss of an answer, in nats. */
  public double loss() {
    return nats / answers();
  }

  /**
   * The loss in bits per byte of the text that the answers spell, which does not depend on a
   * tokenizer.
   *
   * @param bytes of that text, in UTF-8
   */
  public double bitsPerByte(long bytes) {
    return nats / StrictMath.log(2) / bytes;
  }
}
