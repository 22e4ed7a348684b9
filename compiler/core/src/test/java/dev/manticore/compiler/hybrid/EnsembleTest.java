package dev.manticore.compiler.hybrid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.Evaluator;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EnsembleTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final int BATCH = 2;
  private static final int LENGTH = 7;

  /** Five sequences: of batches of two the last is not full. */
  private static final TokenDataset DATA = new DrawnSequences(5);

  /** Drawn ids; what is asked for are others, and of every third place nothing. */
  private record DrawnSequences(int size) implements TokenDataset {
    @Override
    public int length() {
      return LENGTH;
    }

    @Override
    public long tokenCount() {
      return (long) size * LENGTH;
    }

    @Override
    public Batch batch(int... sequences) {
      long[] inputs = rows(1, sequences);
      long[] labels = rows(2, sequences);
      for (int i = 0; i < labels.length; i += 3) {
        labels[i] = -100;
      }
      return new Batch(inputs, labels, sequences.length, LENGTH);
    }

    private long[] rows(long seed, int... sequences) {
      long[] all = TinyModels.ids(size, LENGTH, seed).toLongs();
      return Arrays.stream(sequences)
          .flatMap(row -> IntStream.range(row * LENGTH, (row + 1) * LENGTH))
          .mapToLong(i -> all[i])
          .toArray();
    }

    @Override
    public String hash() {
      return "drawn";
    }
  }

  private static Ensemble.Member member(String name, ModelConfig config, long seed) {
    Component component = ComponentFinder.find(name, TinyModels.build(name, config, seed));
    return new Ensemble.Member(component, ImmutableMap.of());
  }

  private static double loss(Graph model) {
    try (Evaluator evaluator = Evaluator.open(CPU, model, Map.of(), BATCH, LENGTH, 1)) {
      return evaluator.measure(DATA, Optional.empty(), new Cancellation()).loss();
    }
  }

  @Test
  void ofOneModelTwiceIsThatModelAsATrainingSessionMeasuresIt() {
    Ensemble.Member member = member("gpt-neo", TinyModels.gptNeo(2, 8), 3);
    Graph alone = member.model().graph();
    Recipe.Training schedule =
        new Recipe.Training(
            1,
            BATCH,
            1,
            1e-3,
            0,
            1,
            0.9,
            0.999,
            1e-8,
            Recipe.Schedule.CONSTANT,
            0,
            Precision.FLOAT32,
            0);
    TrainingPlan plan = TrainingPlan.of(alone, schedule, LENGTH, parameter -> true);
    try (TrainingSession session = TrainingSession.open(CPU, alone, plan, 1)) {
      double expected = session.evaluate(DATA, 0);

      assertThat(loss(alone)).isEqualTo(expected);
      assertThat(loss(Ensemble.of(List.of(member, member)))).isCloseTo(expected, within(1e-6));
    }
  }

  @Test
  void itsLossIsThatOfTheMeanOfItsMembersLogits() {
    // One has rows that only pad its table; both were tuned since they were read.
    Ensemble.Member padded = member("mamba", TinyModels.stateSpaces(2, 12), 3);
    Ensemble.Member exact = member("gpt-neo", TinyModels.gptNeo(2, 8), 4);
    Graph tunedMamba = TinyModels.build("mamba", TinyModels.stateSpaces(2, 12), 5);
    Graph tunedNeo = TinyModels.build("gpt-neo", TinyModels.gptNeo(2, 8), 6);
    assertThat(padded.vocabulary()).isGreaterThan(TinyModels.VOCABULARY);

    Graph ensemble =
        Ensemble.of(
            List.of(
                new Ensemble.Member(padded.model(), HybridFiles.parameters(tunedMamba)),
                new Ensemble.Member(exact.model(), HybridFiles.parameters(tunedNeo))));

    assertThat(loss(ensemble)).isCloseTo(meanLogitLoss(tunedMamba, tunedNeo), within(1e-5));
    // Far from the mean of the members' losses: logits are averaged, not losses.
    assertThat(loss(ensemble)).isLessThan((loss(tunedMamba) + loss(tunedNeo)) / 2 - 0.01);
  }

  @Test
  void isMeasuredAnswerByAnswer() {
    Graph model = TinyModels.build("gpt-neo", TinyModels.gptNeo(2, 8), 6);
    int[] byteLengths = new int[TinyModels.VOCABULARY];
    Arrays.fill(byteLengths, 4);
    try (Evaluator evaluator = Evaluator.open(CPU, model, Map.of(), BATCH, LENGTH, 1)) {
      Measures measures = evaluator.measure(DATA, Optional.of(byteLengths), new Cancellation());

      assertThat(measures.loss()).isCloseTo(meanLogitLoss(model), within(1e-6));
      assertThat(measures.bitsPerByte().orElseThrow())
          .isCloseTo(measures.loss() / Math.log(2) / 4, within(1e-9));
      assertThat(measures.accuracy()).isEqualTo(accuracy(model));
    }
  }

  /** By the interpreter's logits. */
  private static double accuracy(Graph model) {
    int right = 0;
    int asked = 0;
    for (int start = 0; start < 5; start += BATCH) {
      int there = Math.min(BATCH, 5 - start);
      Batch batch = DATA.batch(IntStream.range(start, start + there).toArray());
      NdArray ids = NdArray.of(Tensor.ofLongs(Shape.of(there, LENGTH), batch.inputs()));
      double[] logits =
          new Interpreter()
              .run(model, Map.of(model.inputs().get(0).name(), ids))
              .values()
              .iterator()
              .next()
              .data();
      int classes = logits.length / batch.labels().length;
      for (int i = 0; i < batch.labels().length; i++) {
        int place = i;
        if (batch.labels()[i] != -100) {
          int most =
              IntStream.range(0, classes)
                  .boxed()
                  .max(Comparator.comparingDouble(c -> logits[place * classes + c]))
                  .orElseThrow();
          asked++;
          right += most == batch.labels()[i] ? 1 : 0;
        }
      }
    }
    return right / (double) asked;
  }

  /** In double precision, by the definition. */
  private static double meanLogitLoss(Graph... models) {
    Batch all = DATA.batch(0, 1, 2, 3, 4);
    // As it is batched: labels of a batch of two are ignored at other places than of five.
    long[] labels = new long[all.labels().length];
    for (int start = 0; start < 5; start += BATCH) {
      int[] rows = {start, Math.min(start + 1, 4)};
      long[] own = DATA.batch(rows).labels();
      int count = Math.min(own.length, labels.length - start * LENGTH);
      System.arraycopy(own, 0, labels, start * LENGTH, count);
    }
    NdArray ids = NdArray.of(Tensor.ofLongs(Shape.of(5, LENGTH), all.inputs()));
    double[][] mean = new double[labels.length][TinyModels.VOCABULARY];
    for (Graph model : models) {
      String input = model.inputs().get(0).name();
      NdArray logits = new Interpreter().run(model, Map.of(input, ids)).values().iterator().next();
      int vocabulary = logits.data().length / labels.length;
      for (int row = 0; row < labels.length; row++) {
        for (int id = 0; id < TinyModels.VOCABULARY; id++) {
          mean[row][id] += logits.data()[row * vocabulary + id] / models.length;
        }
      }
    }
    double total = 0;
    int asked = 0;
    for (int row = 0; row < labels.length; row++) {
      if (labels[row] != -100) {
        double sum = Arrays.stream(mean[row]).map(Math::exp).sum();
        total += Math.log(sum) - mean[row][(int) labels[row]];
        asked++;
      }
    }
    return total / asked;
  }
}
