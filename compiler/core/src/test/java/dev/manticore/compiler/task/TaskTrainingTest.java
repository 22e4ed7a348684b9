package dev.manticore.compiler.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.BatchSampler;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.task.lra.LraTasks;
import dev.manticore.compiler.task.mad.MadTasks;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.Graph;
import dev.manticore.runtime.Devices;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Models learn tasks, and only what is asked counts. */
class TaskTrainingTest {

  private static TrainingSession open(Task task, int batch, double rate) {
    Graph model = TinyModels.build("mamba", TinyModels.mamba(2, 32), 3);
    Recipe.Training schedule =
        new Recipe.Training(
            1000,
            batch,
            1,
            rate,
            0,
            1,
            0.9,
            0.98,
            1e-8,
            Recipe.Schedule.CONSTANT,
            0,
            Precision.FLOAT32,
            0);
    TrainingPlan plan = TrainingPlan.of(model, schedule, task.longest(), parameter -> true);
    return TrainingSession.open(Devices.byName("cpu"), model, plan, 2);
  }

  private static Task mad(String name, String... settings) {
    TaskDefinition definition = MadTasks.byName(name);
    Settings chosen = definition.baseline().with("validation", 50);
    for (int i = 0; i < settings.length; i += 2) {
      chosen = chosen.with(settings[i], settings[i + 1]);
    }
    return definition.create(chosen, 5, Faults.MENDED);
  }

  /** The losses before and after some steps. */
  private static double[] train(Task task, int steps, double rate) {
    TokenDataset training = TaskDataset.split(task).training();
    TokenDataset validation = TaskDataset.split(task).heldOut();
    try (TrainingSession session = open(task, 8, rate)) {
      double before = session.evaluate(validation, 0);
      BatchSampler sampler = new BatchSampler(training, 8, BatchSampler.State.start(1));
      for (int step = 0; step < steps; step++) {
        assertThat(session.step(step, List.of(sampler.next()))).isFinite();
      }
      return new double[] {before, session.evaluate(validation, 0)};
    }
  }

  @Test
  void memorizationIsLearned() {
    double[] losses = train(mad("memorization", "vocabulary", "17", "length", "16"), 120, 0.02);
    assertThat(losses[1]).isLessThan(0.2).isLessThan(0.1 * losses[0]);
  }

  @Test
  void aSequencesClassIsAskedOnce() {
    Settings settings =
        LraTasks.byName("listops")
            .baseline()
            .with("depth", 2)
            .with("above", 4)
            .with("below", 16)
            .with("validation", 50);
    Task task = LraTasks.byName("listops").create(settings, 5, Faults.MENDED);
    Batch batch = TaskDataset.of(task, Split.TRAINING).batch(0, 1, 2);
    assertThat(batch.asked()).isEqualTo(3);
    assertThat(batch.length()).isEqualTo(16);
    double[] losses = train(task, 60, 0.01);
    assertThat(losses[1]).isLessThan(losses[0]);
  }

  @Test
  void everyAnswerWeighsAlike() {
    // Sequences ask for different numbers of answers.
    Task task = mad("in-context-recall", "length", "12", "vocabulary", "8");
    TokenDataset validation = TaskDataset.of(task, Split.VALIDATION);
    List<Double> losses = new ArrayList<>();
    List<Integer> asked = new ArrayList<>();
    double whole;
    try (TrainingSession session = open(task, 8, 0.01)) {
      whole = session.evaluate(validation, 0);
    }
    try (TrainingSession alone = open(task, 1, 0.01)) {
      for (int i = 0; i < validation.size(); i++) {
        Sample sample = task.sample(Split.VALIDATION, i);
        losses.add(alone.evaluate(single(task, i), 0));
        asked.add(sample.asked());
      }
    }
    assertThat(ImmutableList.copyOf(asked).stream().distinct().count()).isGreaterThan(2);
    double sum = IntStream.range(0, 50).mapToDouble(i -> losses.get(i) * asked.get(i)).sum();
    int answers = asked.stream().mapToInt(Integer::intValue).sum();
    assertThat(whole).isCloseTo(sum / answers, within(1e-5));
  }

  /** A data set of one sample. */
  private static TokenDataset single(Task task, int index) {
    TokenDataset all = TaskDataset.of(task, Split.VALIDATION);
    return new TokenDataset() {
      @Override
      public int size() {
        return 1;
      }

      @Override
      public int length() {
        return all.length();
      }

      @Override
      public long tokenCount() {
        return all.length();
      }

      @Override
      public Batch batch(int... sequences) {
        return all.batch(IntStream.of(sequences).map(sequence -> index).toArray());
      }

      @Override
      public String hash() {
        return all.hash() + index;
      }
    };
  }

  @Test
  void partsHaveHashesOfTheirOwn() {
    Task task = mad("compression");
    assertThat(TaskDataset.of(task, Split.TRAINING).hash())
        .hasSize(64)
        .isNotEqualTo(TaskDataset.of(task, Split.TEST).hash());
    assertThat(TaskDataset.of(task, Split.VALIDATION).tokenCount()).isEqualTo(50 * 32);
    assertThat(TaskDataset.split(task).training().size()).isEqualTo(12_800);
  }
}
