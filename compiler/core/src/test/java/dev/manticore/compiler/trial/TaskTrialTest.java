package dev.manticore.compiler.trial;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Iterables;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.lra.LraTasks;
import dev.manticore.compiler.task.mad.MadTasks;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Trials on tasks: what is measured, and that they depend on nothing but their spec. */
class TaskTrialTest {

  @TempDir Path directory;

  private static TaskSpec mad(String name, int length, int vocabulary) {
    return TaskSpec.drawn(
        TaskSpec.Benchmark.MAD,
        name,
        MadTasks.byName(name)
            .baseline()
            .with("length", length)
            .with("vocabulary", vocabulary)
            .with("training", 64)
            .with("validation", 21)
            .with("test", 19),
        Faults.MENDED);
  }

  private static TrialSpec spec(TaskSpec task, Architecture model, int steps) {
    return spec(task, model, steps, 0);
  }

  private static TrialSpec spec(TaskSpec task, Architecture model, int steps, double enough) {
    return new TrialSpec(
        task,
        model,
        new ModelSize(16, 2, 2, 4),
        new TrialSpec.Schedule(steps, 8, 0.01, 0, 1, Recipe.Schedule.COSINE, 0, enough),
        model == Architecture.HYBRID
            ? new TrialSpec.Mixing(
                Recipe.SearchMethod.DARTS,
                Recipe.SearchUpdates.SIMULTANEOUS,
                0.05,
                1,
                Recipe.WarmupWeights.PATHS,
                null)
            : null,
        3);
  }

  private Outcome run(TrialSpec spec, String name, Progress progress, Cancellation cancellation) {
    try {
      Path trial = Files.createDirectories(directory.resolve(name));
      return TaskTrial.run(spec, Devices.byName("cpu"), 1, trial, progress, cancellation);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Outcome run(TrialSpec spec, String name) {
    return run(spec, name, Progress.quiet(), new Cancellation());
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void everyModelIsTrainedAndMeasured(Architecture model) {
    Outcome outcome = run(spec(mad("memorization", 8, 9), model, 60), "trial");
    assertThat(outcome.group()).isEqualTo("memorization");
    assertThat(outcome.model()).isEqualTo(model.toString());
    assertThat(outcome.tokens()).isEqualTo(60 * 8 * 8L);
    assertThat(outcome.mixture()).hasSize(model == Architecture.HYBRID ? 2 : 0);
    // There are four keys, and chance is one in four.
    assertThat(outcome.test().accuracy()).isGreaterThan(0.6);
    assertThat(outcome.test().loss()).isLessThan(Math.log(4));
    // The last evaluation while training is over the same samples with the same weights.
    MetricRecord last =
        Iterables.getLast(
            Metrics.read(directory.resolve("trial").resolve(Metrics.FILE)).stream()
                .filter(entry -> entry.split() == MetricRecord.Split.HELD_OUT)
                .toList());
    assertThat(outcome.validation().loss()).isCloseTo(last.loss(), within(1e-5));
    if (model == Architecture.HYBRID) {
      assertThat(outcome.components()).containsExactly("gpt-neo", "mamba");
      assertThat(outcome.mixture().get(0).get(0))
          .isCloseTo(last.alpha().get(0).get(0), within(1e-6));
    }
  }

  @Test
  void aTrainingEndsOnceItsValidationLossIsEnough() {
    Outcome outcome = run(spec(mad("memorization", 8, 9), Architecture.MAMBA, 200, 0.5), "trial");
    assertThat(outcome.steps()).isLessThan(200).isPositive();
    // An evaluation every twentieth of the steps.
    assertThat(outcome.steps() % 10).isZero();
    assertThat(outcome.tokens()).isEqualTo(outcome.steps() * 8 * 8L);
    List<Double> losses =
        Metrics.read(directory.resolve("trial").resolve(Metrics.FILE)).stream()
            .filter(entry -> entry.split() == MetricRecord.Split.HELD_OUT)
            .filter(entry -> entry.step() < outcome.steps())
            .map(MetricRecord::loss)
            .toList();
    assertThat(losses).isNotEmpty().allMatch(loss -> loss >= 0.5);
  }

  @Test
  void compressionAndClassesAreLearnedByTheirHeads() {
    Outcome compression = run(spec(mad("compression", 4, 6), Architecture.MAMBA, 150), "tell");
    assertThat(compression.test().accuracy()).isGreaterThan(0.35);
    TaskSpec listops =
        TaskSpec.drawn(
            TaskSpec.Benchmark.LRA,
            "listops",
            LraTasks.byName("listops")
                .baseline()
                .with("depth", 2)
                .with("above", 4)
                .with("below", 9)
                .with("training", 2000)
                .with("validation", 20)
                .with("test", 200),
            Faults.MENDED);
    Outcome value = run(spec(listops, Architecture.HYBRID, 80), "value");
    // One answer a sample.
    assertThat(value.test().accuracy()).isEqualTo(value.test().exactMatch());
    assertThat(value.test().loss()).isLessThan(Math.log(10));
  }

  @Test
  void anInterruptedTrialComesToTheSame() throws Exception {
    TrialSpec spec = spec(mad("in-context-recall", 12, 8), Architecture.HYBRID, 30);
    Outcome whole = run(spec, "whole");
    Cancellation cancellation = new Cancellation();
    assertThatThrownBy(() -> run(spec, "parts", stopAfter(11, cancellation), cancellation))
        .isInstanceOf(CancelledException.class);
    int[] steps = {0};
    assertThat(run(spec, "parts", onStep(() -> steps[0]++), new Cancellation())).isEqualTo(whole);
    assertThat(steps[0]).isEqualTo(30 - 11);
    for (String file : ImmutableList.of(Metrics.FILE, "parameters.safetensors")) {
      assertThat(Files.readAllBytes(directory.resolve("parts").resolve(file)))
          .isEqualTo(Files.readAllBytes(directory.resolve("whole").resolve(file)));
    }
  }

  private static Progress stopAfter(int steps, Cancellation cancellation) {
    int[] seen = {0};
    return onStep(
        () -> {
          if (++seen[0] == steps) {
            cancellation.request();
          }
        });
  }

  private static Progress onStep(Runnable action) {
    return (Progress)
        Proxy.newProxyInstance(
            Progress.class.getClassLoader(),
            new Class<?>[] {Progress.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("step")) {
                action.run();
              }
              return null;
            });
  }

  @Test
  void aModelThatDivergesHasAnOutcome() throws Exception {
    TrialSpec usual = spec(mad("memorization", 8, 9), Architecture.GPT_NEO, 40);
    TrialSpec wild =
        new TrialSpec(
            usual.task(),
            usual.model(),
            usual.size(),
            // A decay of so much more than all makes weights grow a hundredfold a step.
            new TrialSpec.Schedule(40, 8, 10, 10, 0, Recipe.Schedule.CONSTANT, 0, 0),
            null,
            3);
    Outcome outcome = run(wild, "wild");
    assertThat(outcome.test().loss()).isNaN();
    outcome.write(directory);
    assertThat(Outcome.read(directory)).isEqualTo(outcome);
  }

  @Test
  void aSpecIsReadBackAsItWas() {
    for (Architecture model : Architecture.values()) {
      TrialSpec spec = spec(mad("fuzzy-recall", 16, 12), model, 30);
      ObjectNode json = spec.trial().spec();
      assertThat(TrialSpec.of(json)).isEqualTo(spec);
      assertThat(json.has("mixing")).isEqualTo(model == Architecture.HYBRID);
      json.put("colour", "red");
      assertThatThrownBy(() -> TrialSpec.of(json))
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("colour");
    }
  }

  @Test
  void aHybridsComponentsBeginAsTheyDoAlone() {
    TrialSpec spec = spec(mad("memorization", 8, 9), Architecture.MAMBA, 1);
    TaskModel alone = TaskModel.draw(Architecture.MAMBA, spec.size(), spec.task().open(3), 3);
    TaskModel hybrid = TaskModel.draw(Architecture.HYBRID, spec.size(), spec.task().open(3), 3);
    alone
        .graph()
        .parameters()
        .forEach(
            (parameter, tensor) ->
                assertThat(
                        hybrid
                            .graph()
                            .parameters()
                            .get(
                                hybrid
                                    .graph()
                                    .parameter("components.1." + parameter.name())
                                    .orElseThrow())
                            .toFloats())
                    .isEqualTo(tensor.toFloats()));
  }

  @Test
  void unknownModelsAndSizesAreRefused() {
    assertThatThrownBy(() -> Architecture.of("mambafomer"))
        .isInstanceOf(ManticoreException.class)
        .hasMessage("There is no model 'mambafomer'; did you mean 'mambaformer'?");
    assertThatThrownBy(() -> new ModelSize(64, 2, 5, 16))
        .isInstanceOf(ManticoreException.class)
        .hasMessage("a model's heads is 5, but should be a divisor of the width, 64");
  }
}
