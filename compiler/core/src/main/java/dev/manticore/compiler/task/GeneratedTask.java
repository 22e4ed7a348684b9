package dev.manticore.compiler.task;

import com.google.common.hash.Hashing;
import dev.manticore.compiler.data.Sample;
import dev.manticore.ir.random.Draws;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * A task whose samples are drawn. The random numbers of a sample derive from the task's seed, the
 * part and the index alone; within a seed no two samples share them.
 */
public abstract class GeneratedTask implements Task {

  /** Changes whenever the samples of some generator change. */
  private static final int VERSION = 1;

  /** Samples of a part, as a setting each. */
  public static final Setting TRAINING =
      Setting.integer("training", "samples to train on", 1, 100_000_000, 12_800);

  public static final Setting VALIDATION =
      Setting.integer("validation", "samples to choose by", 1, 100_000_000, 1280);
  public static final Setting TEST =
      Setting.integer("test", "samples to report on", 1, 100_000_000, 1280);

  private final String name;
  private final Settings settings;
  private final long seed;
  private final Faults faults;

  protected GeneratedTask(String name, Settings settings, long seed, Faults faults) {
    this.name = name;
    this.settings = settings;
    this.seed = seed;
    this.faults = faults;
  }

  /** Draws a sample. */
  protected abstract Sample draw(Draws draws, Split split);

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final int size(Split split) {
    return settings.integer(
        switch (split) {
          case TRAINING -> TRAINING;
          case VALIDATION -> VALIDATION;
          case TEST -> TEST;
        });
  }

  @Override
  public final Sample sample(Split split, int index) {
    return draw(draws(split, index), split);
  }

  /** The random numbers of a sample. */
  protected final Draws draws(Split split, int index) {
    Objects.checkIndex(index, size(split));
    return stream(1 + 3L * index + split.ordinal());
  }

  /** Random numbers of the task, apart from those of all samples. */
  protected final Draws ownDraws() {
    return stream(0);
  }

  /** A first draw is a bijection of the seed: different numbers give different seeds. */
  private Draws stream(long number) {
    return new Draws(new Draws(new Draws(seed).seed() + number).seed());
  }

  protected final Settings settings() {
    return settings;
  }

  protected final boolean isUpstream() {
    return faults == Faults.UPSTREAM;
  }

  @Override
  public String symbol(int token) {
    return Integer.toString(token);
  }

  @Override
  public final String fingerprint() {
    return Hashing.sha256()
        .hashString(
            name + " " + VERSION + " " + settings + " " + seed + " " + faults,
            StandardCharsets.UTF_8)
        .toString();
  }
}
