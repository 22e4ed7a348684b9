package dev.manticore.compiler.task.mad;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Sweep;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.stream.Stream;

/**
 * The MAD tasks with the settings of the benchmark (paper.md §6.7) and those of the paper, which
 * has every factor at its extreme at once (§6.9).
 */
public final class MadTasks {

  private static final Sweep VOCABULARY = Sweep.of("vocabulary", 32, 64, 128);
  private static final Sweep LENGTH = Sweep.of("length", 256, 512, 1024);
  private static final Sweep TRAINING = Sweep.of("training", 6400, 3200, 1600, 800);

  /** All tasks, by name. */
  public static final ImmutableMap<String, TaskDefinition> ALL =
      Stream.of(
              inContextRecall(),
              fuzzyRecall(),
              noisyRecall(),
              selectiveCopying(),
              memorization(),
              compression())
          .collect(ImmutableMap.toImmutableMap(TaskDefinition::name, task -> task));

  private MadTasks() {}

  /**
   * A task by its name.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is none of that name
   */
  public static TaskDefinition byName(String name) {
    return TaskDefinition.byName("MAD", ALL, name);
  }

  private static TaskDefinition inContextRecall() {
    String name = "in-context-recall";
    Settings baseline = MadSettings.of(name, 16, 128, 12_800, MadSettings.MULTI_QUERY);
    Settings hard = baseline.with("vocabulary", 128).with("training", 800);
    return new TaskDefinition(
        name,
        "Keys that come again are answered with the value that stood beside them.",
        baseline,
        ImmutableList.of(VOCABULARY, LENGTH, TRAINING),
        hard,
        hard,
        (settings, seed, faults) -> new InContextRecall(name, settings, seed, faults));
  }

  private static TaskDefinition fuzzyRecall() {
    String name = "fuzzy-recall";
    Settings baseline =
        MadSettings.of(
            name,
            16,
            128,
            12_800,
            MadSettings.KEY_MOTIF,
            MadSettings.VALUE_MOTIF,
            MadSettings.NOISE_VOCABULARY,
            MadSettings.NOISE,
            MadSettings.MULTI_QUERY);
    Settings hard = baseline.with("vocabulary", 128).with("training", 800);
    return new TaskDefinition(
        name,
        "The same with keys and values of several tokens each.",
        baseline,
        ImmutableList.of(VOCABULARY, LENGTH, TRAINING),
        hard,
        hard,
        (settings, seed, faults) -> new FuzzyRecall(name, settings, seed, faults));
  }

  private static TaskDefinition noisyRecall() {
    String name = "noisy-recall";
    Settings baseline =
        MadSettings.of(
            name,
            32,
            128,
            12_800,
            MadSettings.NOISE_VOCABULARY.by(16),
            MadSettings.NOISE.by(0.2),
            MadSettings.MULTI_QUERY);
    Settings hard = baseline.with("vocabulary", 144).with("noise", 0.8).with("training", 800);
    return new TaskDefinition(
        name,
        "In-context recall with pairs of noise between.",
        baseline,
        ImmutableList.of(
            Sweep.of("vocabulary", 48, 80, 144),
            LENGTH,
            TRAINING,
            Sweep.of("noise", 0.4, 0.6, 0.8)),
        hard,
        hard,
        (settings, seed, faults) -> new InContextRecall(name, settings, seed, faults));
  }

  private static TaskDefinition selectiveCopying() {
    String name = "selective-copying";
    Settings baseline = MadSettings.of(name, 16, 256, 12_800, MadSettings.COPIES);
    Settings hard = baseline.with("vocabulary", 128).with("training", 800);
    return new TaskDefinition(
        name,
        "Tokens are said again in order, the blanks between them left out.",
        baseline,
        ImmutableList.of(
            VOCABULARY, Sweep.of("length", 512, 1024), TRAINING, Sweep.of("copies", 32, 64, 96)),
        hard.with("copies", 96),
        // The paper's code loses the key on its way (paper.md §8.1).
        hard,
        (settings, seed, faults) -> new SelectiveCopying(name, settings, seed, faults));
  }

  private static TaskDefinition memorization() {
    String name = "memorization";
    Settings baseline =
        MadSettings.of(name, 256, 32, 256, MadSettings.NOISE_VOCABULARY, MadSettings.NOISE);
    Settings hard = baseline.with("vocabulary", 8192);
    return new TaskDefinition(
        name,
        "Keys are answered with values that one map gives them, which is to be learned.",
        baseline,
        ImmutableList.of(Sweep.of("vocabulary", 512, 1024, 2048, 4096, 8192)),
        hard,
        hard,
        (settings, seed, faults) -> new Memorization(name, settings, seed, faults));
  }

  private static TaskDefinition compression() {
    String name = "compression";
    Settings baseline =
        MadSettings.of(name, 16, 32, 12_800, MadSettings.NOISE_VOCABULARY, MadSettings.NOISE);
    return new TaskDefinition(
        name,
        "Random tokens are told again from the hidden state of the last token alone.",
        baseline,
        ImmutableList.of(VOCABULARY, Sweep.of("length", 64, 128, 256), TRAINING),
        // The paper keeps it easy.
        baseline,
        baseline,
        (settings, seed, faults) -> new Compression(name, settings, seed, faults));
  }
}
