package dev.manticore.compiler.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.reflect.Reflection;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.GeneratedText;
import dev.manticore.compiler.data.Instructions;
import dev.manticore.compiler.data.TextSource;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.progress.StepReport;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.TrainingRun.Surroundings;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainingRunTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final int LENGTH = 8;

  @TempDir Path directory;

  /** With an epsilon of 1 a step is nearly linear in the gradient: rounding stays small. */
  private static Recipe.Training schedule(
      int steps, int batch, int accumulation, double rate, double epsilon) {
    return new Recipe.Training(
        steps,
        batch,
        accumulation,
        rate,
        0.01,
        1,
        0.9,
        0.999,
        epsilon,
        Recipe.Schedule.CONSTANT,
        0,
        Precision.FLOAT32,
        0);
  }

  private static Graph model(String family) {
    ModelConfig config =
        switch (family) {
          case "gpt2" -> TinyModels.gpt2(2, 8);
          case "gpt-neox" -> TinyModels.gptNeoX(2, 8, true);
          case "mamba" -> TinyModels.mamba(2, 8);
          case "mamba2" -> TinyModels.mamba2(2, 8);
          default -> TinyModels.gptNeo(2, 8);
        };
    return TinyModels.build(family, config, 3);
  }

  private static Batch rows(Tensor ids, int from, int to) {
    long[] all = ids.toLongs();
    long[] inputs = Arrays.copyOfRange(all, from * LENGTH, to * LENGTH);
    long[] labels = new long[inputs.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = inputs[(i + 1) % inputs.length];
    }
    for (int row = 1; row <= to - from; row++) {
      labels[row * LENGTH - 1] = -100;
    }
    return new Batch(inputs, labels, to - from, LENGTH);
  }

  private static Map<String, float[]> values(TrainingSession session) {
    Map<String, float[]> values = new LinkedHashMap<>();
    session.parameters().forEach((name, tensor) -> values.put(name, tensor.toFloats()));
    return values;
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba", "mamba2", "gpt-neo", "gpt2", "gpt-neox"})
  void twoBatchesOfFourAreOneOfEight(String family) {
    Graph model = model(family);
    Tensor ids = TinyModels.ids(8, LENGTH, 5);
    TrainingPlan whole =
        TrainingPlan.of(model, schedule(3, 8, 1, 0.05, 1), LENGTH, parameter -> true);
    TrainingPlan halves =
        TrainingPlan.of(model, schedule(3, 4, 2, 0.05, 1), LENGTH, parameter -> true);
    try (TrainingSession one = TrainingSession.open(CPU, model, whole, 2);
        TrainingSession two = TrainingSession.open(CPU, model, halves, 2)) {
      for (int step = 0; step < 3; step++) {
        double loss = one.step(step, List.of(rows(ids, 0, 8)));
        assertThat(two.step(step, List.of(rows(ids, 0, 4), rows(ids, 4, 8))))
            .isCloseTo(loss, within(2e-6));
      }
      Map<String, float[]> before = new LinkedHashMap<>();
      model.parameters().forEach((value, tensor) -> before.put(value.name(), tensor.toFloats()));
      Map<String, float[]> expected = values(one);
      Map<String, float[]> actual = values(two);
      assertThat(actual).hasSameSizeAs(expected);
      expected.forEach(
          (name, tensor) -> {
            assertThat(actual.get(name)).as(name).containsExactly(tensor, within(2e-6f));
            assertThat(tensor).as(name).isNotEqualTo(before.get(name));
          });
    }
  }

  /** The same of a batch of which each row but one in three has a prompt where nothing is asked. */
  private static Batch prompted(Batch batch) {
    long[] labels = batch.labels().clone();
    for (int row = 0; row < batch.size(); row++) {
      int prompt = row % 3 == 0 ? 0 : LENGTH - 1 - row % 2;
      Arrays.fill(labels, row * LENGTH, row * LENGTH + prompt, -100);
    }
    return new Batch(batch.inputs(), labels, batch.size(), LENGTH);
  }

  private static Batch unasked(Batch batch) {
    long[] labels = new long[batch.labels().length];
    Arrays.fill(labels, -100);
    return new Batch(batch.inputs(), labels, batch.size(), LENGTH);
  }

  private static Batch together(Batch... batches) {
    return new Batch(
        Arrays.stream(batches).flatMapToLong(batch -> Arrays.stream(batch.inputs())).toArray(),
        Arrays.stream(batches).flatMapToLong(batch -> Arrays.stream(batch.labels())).toArray(),
        Arrays.stream(batches).mapToInt(Batch::size).sum(),
        LENGTH);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba", "gpt-neo"})
  void batchesWithDifferentNumbersOfLabelsAreOneOfAllOfThem(String family) {
    Graph model = model(family);
    Tensor ids = TinyModels.ids(12, LENGTH, 5);
    Batch[] parts = {
      rows(ids, 0, 4), prompted(rows(ids, 4, 8)), unasked(rows(ids, 8, 12)),
    };
    assertThat(Arrays.stream(parts).map(Batch::asked)).containsExactly(28L, 15L, 0L);
    TrainingPlan whole =
        TrainingPlan.of(model, schedule(3, 12, 1, 0.05, 1), LENGTH, parameter -> true);
    TrainingPlan thirds =
        TrainingPlan.of(model, schedule(3, 4, 3, 0.05, 1), LENGTH, parameter -> true);
    try (TrainingSession one = TrainingSession.open(CPU, model, whole, 2);
        TrainingSession three = TrainingSession.open(CPU, model, thirds, 2)) {
      for (int step = 0; step < 3; step++) {
        double loss = one.step(step, List.of(together(parts)));
        assertThat(three.step(step, List.of(parts))).isCloseTo(loss, within(2e-6));
      }
      Map<String, float[]> actual = values(three);
      values(one)
          .forEach(
              (name, tensor) ->
                  assertThat(actual.get(name)).as(name).containsExactly(tensor, within(2e-6f)));
    }
  }

  /** The same, of which nothing is asked after the first tokens. */
  private static Batch padded(Batch batch, int tokens) {
    long[] labels = batch.labels().clone();
    for (int i = 0; i < labels.length; i++) {
      if (i % LENGTH >= tokens) {
        labels[i] = -100;
      }
    }
    return new Batch(batch.inputs(), labels, batch.size(), LENGTH);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba", "mamba2", "gpt-neo", "gpt2", "gpt-neox"})
  void stepsOnShortBatchesAreThoseOnThemPadded(String family) {
    Graph model = model(family);
    Tensor ids = TinyModels.ids(12, LENGTH, 5);
    Batch three = padded(rows(ids, 0, 4), 3);
    Batch five = padded(rows(ids, 4, 8), 5);
    Batch whole = rows(ids, 8, 12);
    List<List<Batch>> alone = List.of(List.of(three), List.of(five), List.of(whole));
    List<List<Batch>> together = List.of(List.of(three, five), List.of(whole, three));
    for (List<List<Batch>> steps : List.of(alone, together)) {
      int accumulation = steps.get(0).size();
      TrainingPlan plan =
          TrainingPlan.of(
              model, schedule(steps.size(), 4, accumulation, 0.05, 1), LENGTH, name -> true);
      try (TrainingSession full = TrainingSession.open(CPU, model, plan, 1);
          TrainingSession bucketed = TrainingSession.open(CPU, model, plan, 1)) {
        for (int step = 0; step < steps.size(); step++) {
          double loss = full.step(step, steps.get(step));
          List<Batch> heads =
              steps.get(step).stream()
                  .map(batch -> batch == three ? batch.head(3) : batch)
                  .map(batch -> batch == five ? batch.head(5) : batch)
                  .toList();
          assertThat(bucketed.step(step, heads)).isCloseTo(loss, within(1e-6));
          Map<String, float[]> actual = values(bucketed);
          values(full)
              .forEach(
                  (name, tensor) ->
                      assertThat(actual.get(name)).as(name).containsExactly(tensor, within(1e-6f)));
        }
      }
    }
  }

  @Test
  void aHybridOfMamba2AndGptNeoLearns() {
    List<Component> components =
        List.of(
            ComponentFinder.find("mamba2", model("mamba2")),
            ComponentFinder.find("gpt-neo", model("gpt-neo")));
    SpliceOptions options =
        new SpliceOptions(
            2,
            SpliceOptions.Gates.TIED,
            SpliceOptions.ProjectorInitialisation.IDENTITY,
            SpliceOptions.Embeddings.FRESH,
            ImmutableList.of(),
            TinyModels.VOCABULARY,
            1);
    Graph hybrid = Splicer.splice(components, options).graph();
    TrainingPlan plan =
        TrainingPlan.of(hybrid, schedule(40, 4, 1, 0.01, 1e-8), LENGTH, parameter -> true);
    Batch batch = rows(TinyModels.ids(4, LENGTH, 5), 0, 4);

    try (TrainingSession session = TrainingSession.open(CPU, hybrid, plan, 2)) {
      double first = session.step(0, List.of(batch));
      double last = first;
      for (int step = 1; step < 40; step++) {
        last = session.step(step, List.of(batch));
      }

      assertThat(last).isLessThan(first / 2);
      Map<String, float[]> tuned = values(session);
      hybrid
          .parameters()
          .forEach(
              (value, tensor) ->
                  assertThat(tuned.get(value.name()))
                      .as(value.name())
                      .isNotEqualTo(tensor.toFloats()));
    }
  }

  private TrainingRun.Request request(Graph model, Recipe.Training schedule) {
    return request(
        model, schedule, new GeneratedText(CorpusGenerator.Kind.RECALL, 1, 3000), /* buckets= */ 1);
  }

  private TrainingRun.Request request(
      Graph model, Recipe.Training schedule, TextSource text, int buckets) {
    Path file = directory.resolve("tokenizer.json");
    BpeTrainer.train(List.of("a"), BpeTrainer.SMALLEST_VOCABULARY).writeTo(file);
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      DatasetSplit data =
          DatasetSplit.of(
              text,
              tokenizer,
              new DatasetSplit.Options(LENGTH, buckets, tokenizer.vocabularySize(), 0.2, 1));
      return new TrainingRun.Request(
          "pretrain",
          "tiny",
          1,
          model,
          TrainingPlan.of(model, schedule, LENGTH, parameter -> true),
          data,
          ImmutableMap.of(),
          ImmutableList.of(),
          0,
          1,
          0,
          CPU,
          1);
    }
  }

  private TrainingRun.Result run(TrainingRun.Request request) {
    return TrainingRun.run(
        request,
        directory.resolve("checkpoints"),
        directory.resolve("parameters.safetensors"),
        new TrainingRun.Surroundings(
            Progress.quiet(), Optional.empty(), new Cancellation(), Duration.ZERO));
  }

  private static Surroundings stoppedAt(int step) {
    Cancellation cancellation = new Cancellation();
    Progress progress =
        Reflection.newProxy(
            Progress.class,
            (proxy, method, arguments) -> {
              if (arguments[0] instanceof StepReport report && report.step() == step) {
                cancellation.request();
              }
              return null;
            });
    return new Surroundings(progress, Optional.empty(), cancellation, Duration.ofHours(1));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aRunOfBucketsThatWasStoppedEndsWithTheSameBytes(int accumulation) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      lines.append(String.format("{\"q\": \"%s\", \"a\": \"%d\"}%n", "?".repeat(i % 5), i * i));
    }
    Path file = Files.writeString(directory.resolve("sums.jsonl"), lines);
    TrainingRun.Request request =
        request(
            bytesModel(),
            schedule(10, 3, accumulation, 1e-2, 1e-8),
            new Instructions(file, "q", "a", "="),
            /* buckets= */ 4);
    Path whole = directory.resolve("whole.safetensors");
    Path stopped = directory.resolve("stopped.safetensors");

    TrainingRun.Result first =
        TrainingRun.run(request, directory.resolve("whole"), whole, stoppedAt(-1));
    for (int step : new int[] {2, 5, 6}) {
      assertThatThrownBy(
              () ->
                  TrainingRun.run(request, directory.resolve("stopped"), stopped, stoppedAt(step)))
          .isInstanceOf(CancelledException.class);
    }
    TrainingRun.Result second =
        TrainingRun.run(request, directory.resolve("stopped"), stopped, stoppedAt(-1));

    assertThat(stopped).hasSameBinaryContentAs(whole);
    assertThat(second).isEqualTo(first);
  }

  private static Graph bytesModel() {
    return TinyModels.build("tiny", TinyModels.gptNeo(2, 8, BpeTrainer.SMALLEST_VOCABULARY), 3);
  }

  @Test
  void lossThatIsNotFiniteStopsTheRunAndKeepsTheCheckpoint() {
    TrainingRun.Request request = request(bytesModel(), schedule(9, 2, 1, 1e30, 1e-8));

    assertThatThrownBy(() -> run(request))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-DIVERGED"))
        .hasMessageContaining("training of tiny diverged: the loss is ")
        .hasMessageContaining("the checkpoint of step " + done() + " is kept in ")
        .hasMessageContaining("Lower the learning rate");

    assertThat(
            SafetensorsFile.open(
                    directory.resolve("checkpoints/checkpoint-" + done() + ".safetensors"))
                .tensors())
        .containsKeys("transformer.wte.weight", "m.transformer.wte.weight");
    assertThat(directory.resolve("parameters.safetensors")).doesNotExist();
  }

  private int done() {
    return TrainingRun.stepsDone(directory.resolve("checkpoints"));
  }

  @Test
  void checkpointOfOtherSettingsIsNotGoneOnFrom() {
    run(request(bytesModel(), schedule(3, 2, 1, 1e-3, 1e-8)));
    assertThat(done()).isEqualTo(2);

    assertThatThrownBy(() -> run(request(bytesModel(), schedule(4, 2, 1, 1e-3, 1e-8))))
        .hasMessageContaining("holds the checkpoint of another run");
  }
}
