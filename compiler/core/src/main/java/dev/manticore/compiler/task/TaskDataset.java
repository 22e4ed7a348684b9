package dev.manticore.compiler.task;

import com.google.common.hash.Hashing;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TokenDataset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * A part of a task as sequences to train or measure a model on: samples are made when they are
 * asked for, and filled up on the right with token 0, where nothing is asked.
 */
public final class TaskDataset implements TokenDataset {

  private static final int PADDING = 0;

  private final Task task;
  private final Split split;

  private TaskDataset(Task task, Split split) {
    this.task = task;
    this.split = split;
  }

  public static TaskDataset of(Task task, Split split) {
    return new TaskDataset(task, split);
  }

  /** What is trained on, with what is held out for choices; the test part is in neither. */
  public static DatasetSplit split(Task task) {
    return new DatasetSplit(of(task, Split.TRAINING), of(task, Split.VALIDATION));
  }

  @Override
  public int size() {
    return task.size(split);
  }

  @Override
  public int length() {
    return task.longest();
  }

  /** Counts them, which makes every sample once. */
  @Override
  public long tokenCount() {
    return IntStream.range(0, size()).mapToLong(i -> task.sample(split, i).length()).sum();
  }

  @Override
  public Batch batch(int... sequences) {
    List<Sample> samples = new ArrayList<>(sequences.length);
    for (int sequence : sequences) {
      samples.add(task.sample(split, Objects.checkIndex(sequence, size())));
    }
    return Batch.of(samples, length(), PADDING);
  }

  @Override
  public String hash() {
    return Hashing.sha256()
        .hashString(task.fingerprint() + " " + split, StandardCharsets.UTF_8)
        .toString();
  }
}
