package dev.manticore.compiler.task;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import dev.manticore.compiler.data.Sample;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Samples of a task, for tests. */
public final class SampleSets {

  private SampleSets() {}

  public static Stream<Sample> of(Task task, Split split, int count) {
    return IntStream.range(0, count).mapToObj(index -> task.sample(split, index));
  }

  /** SHA-256 of the first samples of each part. */
  public static String hash(Task task, int count) {
    Hasher hasher = Hashing.sha256().newHasher();
    for (Split split : Split.values()) {
      of(task, split, count)
          .forEach(
              sample -> {
                hasher.putInt(sample.length());
                sample.inputs().forEach(hasher::putInt);
                sample.targets().forEach(hasher::putInt);
              });
    }
    return hasher.hash().toString();
  }

  public static int[] inputs(Sample sample) {
    return sample.inputs().toArray();
  }

  public static int[] targets(Sample sample) {
    return sample.targets().toArray();
  }

  /**
   * Pearson's statistic of counts against equal frequencies, in standard deviations above its mean:
   * of fair draws it is below 5 but for one in a million.
   */
  public static double unevenness(int... counts) {
    double expected = IntStream.of(counts).asLongStream().sum() / (double) counts.length;
    double sum = 0;
    for (int count : counts) {
      sum += (count - expected) * (count - expected) / expected;
    }
    double freedom = counts.length - 1;
    return (sum - freedom) / Math.sqrt(2 * freedom);
  }
}
