package dev.manticore.compiler.hybrid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What PyTorch exported, spliced with a Mamba from its checkpoint. */
class ExportedComponentTest {

  private static final int VOCABULARY = 97;

  @TempDir private Path scratch;

  private static List<Path> models(String exported) {
    Optional<Path> fixtures = Fixtures.shared("fixtures/huggingface");
    assumeTrue(fixtures.isPresent(), "the shared fixtures are not there");
    return List.of(
        fixtures.get().resolve(exported).resolve("model.onnx"), fixtures.get().resolve("mamba"));
  }

  private static Hybrid splice(List<Path> models, Embeddings embeddings, int vocabulary) {
    List<Component> components =
        List.of(
            ModelFiles.component("exported", models.get(0)),
            ModelFiles.component("mamba", models.get(1)));
    return Splicer.splice(
        components,
        new SpliceOptions(
            2,
            Gates.TIED,
            ProjectorInitialisation.PAPER,
            embeddings,
            ImmutableList.of(),
            vocabulary,
            3));
  }

  private static Hybrid oneHot(Hybrid hybrid, int k) {
    Map<String, Tensor> alpha = new LinkedHashMap<>();
    for (int i = 0; i < hybrid.blocks(); i++) {
      float[] logits = {-1e4f, -1e4f};
      logits[k] = 0;
      alpha.put(Hybrid.alpha(i), Tensor.ofFloats(Shape.of(2), logits));
    }
    return HybridFiles.withParameters(hybrid, alpha);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void allWeightOnItIsTheExportItself(String name) {
    List<Path> models = models(name);
    Hybrid hybrid = splice(models, Embeddings.PRETRAINED, VOCABULARY);
    Tensor ids = TinyModels.ids(2, 11, 1);

    for (int k = 0; k < 2; k++) {
      assertThat(
              Runs.difference(
                  Runs.onDevice(oneHot(hybrid, k).graph(), ids),
                  Runs.onDevice(ModelFiles.read(models.get(k)), ids),
                  VOCABULARY))
          .isLessThan(1e-4);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "gpt2, PRETRAINED, 97",
    "gpt-neox, PRETRAINED, 97",
    "gpt2, FRESH, 97",
    "gpt-neo, FRESH, 60",
    "gpt-neox, FRESH, 120"
  })
  void isWrittenAndReadBack(String name, Embeddings embeddings, int vocabulary) {
    List<Path> models = models(name);
    Hybrid hybrid = splice(models, embeddings, vocabulary);

    HybridFiles.write(scratch, hybrid, models);
    Hybrid read = HybridFiles.read(scratch.resolve("hybrid.json"), scratch.resolve("components"));

    Tensor ids = TinyModels.ids(2, 7, 1);
    assertThat(Runs.onDevice(read.graph(), ids).toDoubles())
        .isEqualTo(Runs.onDevice(hybrid.graph(), ids).toDoubles());
    assertThat(
            Runs.difference(
                Runs.onDevice(
                    ModelFiles.component("c", scratch.resolve("components/exported")).graph(), ids),
                Runs.onDevice(oneHot(hybrid, 0).graph(), ids),
                vocabulary))
        .isLessThan(1e-4);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void trains(String name) {
    Hybrid hybrid = splice(models(name), Embeddings.PRETRAINED, VOCABULARY);
    Recipe.Training schedule =
        new Recipe.Training(
            12,
            4,
            1,
            3e-3,
            0.01,
            1,
            0.9,
            0.999,
            1e-8,
            Recipe.Schedule.CONSTANT,
            0,
            Precision.FLOAT32,
            0);
    int length = 9;
    long[] ids = TinyModels.ids(4, length, 5).toLongs();
    long[] labels = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      labels[i] = i % length == length - 1 ? -100 : ids[i + 1];
    }
    Batch batch = new Batch(ids, labels, 4, length);
    List<Double> losses = new ArrayList<>();

    try (TrainingSession session =
        TrainingSession.open(
            Devices.byName("cpu"),
            hybrid.graph(),
            TrainingPlan.of(hybrid.graph(), schedule, length, parameter -> true),
            2)) {
      for (int step = 0; step < 12; step++) {
        losses.add(session.step(step, List.of(batch)));
      }
      session
          .parameters()
          .forEach(
              (parameter, tensor) ->
                  assertThat(tensor.toFloats())
                      .as(parameter)
                      .isNotEqualTo(
                          hybrid
                              .graph()
                              .parameters()
                              .get(hybrid.graph().parameter(parameter).orElseThrow())
                              .toFloats()));
    }

    assertThat(losses.get(11)).isLessThan(0.8 * losses.get(0));
  }
}
