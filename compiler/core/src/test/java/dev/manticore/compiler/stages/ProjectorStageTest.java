package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Iterables;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.data.BatchSampler;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.pipeline.Hashes;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe.ProjectorMixture;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.BytePairVocabulary;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training of projectors before the search, in compiles of two tiny checkpoints. */
class ProjectorStageTest {

  private static final Device CPU = Devices.byName("cpu");

  /** The search leaves mixture weights at the equal shares that projectors are trained with. */
  private static final String RECIPE =
      """
      name: projected
      seeds: 1
      threads: 2
      components:
        - model: mamba
        - model: gpt-neo
      data:
        source: {text: text.txt}
        length: 16
      training: {batch: 4, learning_rate: 0.01}
      search: {steps: 1, method: fixed}
      tune: {steps: 2}
      output: {verify_batches: 1}
      compare: {components: false}
      """;

  @TempDir private Path directory;

  @BeforeEach
  void write() throws IOException {
    TwoCheckpoints.write(directory, RECIPE);
  }

  private ResolvedRecipe recipe(String... overrides) {
    return new RecipeReader(directory).read(directory.resolve("recipe.yaml"), List.of(overrides));
  }

  private void compile(ResolvedRecipe recipe) {
    new Compilation(
            recipe,
            resolved -> CompilePipeline.of(resolved, CPU),
            directory.resolve("work"),
            directory.resolve("output"))
        .run(Progress.quiet(), new Cancellation(), Clock.systemUTC());
  }

  private ProjectorPretraining.Result projectors(ResolvedRecipe recipe) {
    return new ProjectorPretraining(
            recipe, CPU, directory.resolve("work"), directory.resolve("projectors"))
        .run(Progress.quiet(), new Cancellation(), Clock.systemUTC());
  }

  /** The held-out losses of a stage of the hybrid, in order. */
  private List<Double> losses(String stage) {
    return Metrics.read(directory.resolve("output/metrics.jsonl")).stream()
        .filter(entry -> entry.stage().equals(stage))
        .filter(entry -> entry.split() == MetricRecord.Split.HELD_OUT)
        .map(MetricRecord::loss)
        .toList();
  }

  @ParameterizedTest
  @ValueSource(strings = {"pretrained", "fresh"})
  void searchAndTuningStartFromWhatWasTrained(String embeddings) throws IOException {
    compile(recipe("projectors.steps=60", "splice.embeddings=" + embeddings));

    List<Double> projectors = losses("projectors");
    double after = Iterables.getLast(projectors);
    assertThat(after).isLessThan(projectors.get(0) - 0.3);
    assertThat(losses("search").get(0)).isCloseTo(after, within(1e-6));
    // The search has moved weights; tuning is rewound to what the projectors were trained to.
    assertThat(Iterables.getLast(losses("search"))).isNotCloseTo(after, within(1e-6));
    assertThat(losses("tune").get(0)).isCloseTo(after, within(1e-6));
    JsonNode results =
        new ObjectMapper().readTree(directory.resolve("output/results.json").toFile());
    assertThat(results.path("projectors").path("held_out_loss_after").asDouble()).isEqualTo(after);
  }

  @Test
  void withoutThemThereIsNoSuchStage() {
    List<String> none = stages(recipe());

    assertThat(none).noneMatch(name -> name.startsWith("projectors"));
    assertThat(stages(recipe("projectors.steps=0"))).isEqualTo(none);
    assertThat(stages(recipe("projectors.steps=1")))
        .hasSize(none.size() + 1)
        .anyMatch(name -> name.startsWith("projectors"));
  }

  /** Names and inputs of all stages. */
  private static List<String> stages(ResolvedRecipe recipe) {
    return CompilePipeline.of(recipe, CPU).stages().stream()
        .map(stage -> stage.name() + stage.inputs())
        .toList();
  }

  @Test
  void aRecipeOfTheSameComponentsInAnotherOrderStartsFromThem() throws IOException {
    ProjectorPretraining.Result trained =
        projectors(recipe("projectors.steps=60", "splice.embeddings=fresh"));

    Files.writeString(
        directory.resolve("recipe.yaml"),
        RECIPE.replace(
            "  - model: mamba\n  - model: gpt-neo\n",
            "  - {name: neo, model: gpt-neo}\n  - {name: state, model: mamba}\n"));
    compile(recipe("splice.embeddings=fresh", "splice.projector.from=projectors"));

    assertThat(trained.after()).isLessThan(trained.before() - 0.3);
    assertThat(losses("projectors")).isEmpty();
    assertThat(losses("search").get(0)).isCloseTo(trained.after(), within(1e-5));
    assertThat(losses("tune").get(0)).isCloseTo(trained.after(), within(1e-5));
    assertThat(directory.resolve("output/bom.cdx.json"))
        .content()
        .contains(Hashes.sha256(directory.resolve("projectors/projectors.safetensors")));
    JsonNode description =
        new ObjectMapper().readTree(directory.resolve("projectors/projectors.json").toFile());
    assertThat(description.path("training").path("steps").asInt()).isEqualTo(60);
    assertThat(description.path("training").path("held_out_loss").path("after").asDouble())
        .isEqualTo(trained.after());
  }

  @Test
  void trainingGoesOnFromStoredOnes() {
    ProjectorPretraining.Result first = projectors(recipe("projectors.steps=20"));

    ProjectorPretraining.Result second =
        projectors(recipe("projectors.steps=20", "splice.projector.from=projectors"));

    assertThat(second.before()).isEqualTo(first.after());
    assertThat(second.after()).isLessThan(first.after());
  }

  @Test
  void otherComponentsAreRefusedBeforeAnythingIsTrained() throws IOException {
    projectors(recipe("projectors.steps=1"));
    BytePairVocabulary vocabulary =
        BpeTrainer.train(CorpusGenerator.generate(CorpusGenerator.Kind.MIXED, 3, 8_000), 280);
    TwoCheckpoints.checkpoint(directory.resolve("mamba"), TinyModels.mamba(2, 20), vocabulary);

    assertThatThrownBy(() -> compile(recipe("splice.projector.from=projectors")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("component \"mamba\" has other weights");
    assertThat(directory.resolve("output")).doesNotExist();
    assertThatThrownBy(() -> projectors(recipe()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("projectors.steps=200");
  }

  @ParameterizedTest
  @EnumSource(ProjectorMixture.class)
  void componentsStayAsTheyAreAndHaveNoStateOfTheOptimizer(ProjectorMixture mixture)
      throws IOException {
    ResolvedRecipe resolved =
        recipe("projectors.steps=3", "splice.gates=separate", "splice.embeddings=fresh");
    Workshop shop = new Workshop(resolved, Trainer.of(CPU, 2, TrainingRun.CHECKPOINT_INTERVAL));
    Path tokenizer = directory.resolve("mamba/tokenizer.json");
    Hybrid hybrid =
        shop.splice(
            ImmutableList.of(directory.resolve("mamba"), directory.resolve("gpt-neo")),
            tokenizer,
            Optional.empty(),
            0);
    TrainingPlan plan =
        TrainingPlan.of(
            hybrid.graph(),
            resolved.recipe().projectors().orElseThrow().training(),
            shop.corpus().length(),
            ProjectorStage.trained(mixture));

    try (TrainingSession session = TrainingSession.open(CPU, hybrid.graph(), plan, 2)) {
      Map<String, byte[]> before = bytes(session);
      BatchSampler batches =
          new BatchSampler(
              shop.corpus().split(tokenizer).training(), 4, BatchSampler.State.start(1));
      for (int step = 0; step < 3; step++) {
        session.step(step, ImmutableList.of(batches.next()));
      }
      Map<String, byte[]> after = bytes(session);

      boolean alpha = mixture == ProjectorMixture.TRAINED;
      before.forEach(
          (name, value) -> {
            boolean frozen = Hybrid.isOfComponent(name) || Hybrid.isAlpha(name) && !alpha;
            if (frozen) {
              assertThat(after.get(name)).as(name).isEqualTo(value);
            } else {
              assertThat(after.get(name)).as(name).isNotEqualTo(value);
            }
            assertThat(session.checkpoint().containsKey("m." + name)).as(name).isNotEqualTo(frozen);
            assertThat(session.checkpoint().containsKey("v." + name)).as(name).isNotEqualTo(frozen);
          });
      assertThat(before.keySet())
          .anyMatch(Hybrid::isOfComponent)
          .contains("blocks.0.gate_in.1", "blocks.1.out.0.weight", "embeddings.1.weight");
    }
  }

  private static Map<String, byte[]> bytes(TrainingSession session) {
    Map<String, byte[]> bytes = new LinkedHashMap<>();
    session.parameters().forEach((name, tensor) -> bytes.put(name, tensor.data().toByteArray()));
    return bytes;
  }
}
