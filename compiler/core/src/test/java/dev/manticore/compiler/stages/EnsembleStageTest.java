package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a hybrid is compared with, in compiles of two tiny checkpoints over three seeds. */
class EnsembleStageTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final List<String> SEEDS = List.of("0", "1", "2");

  private static final String RECIPE =
      """
      name: compared
      seed: 0
      seeds: 3
      threads: 2
      components:
        - model: mamba
        - model: gpt-neo
      data:
        source: {text: text.txt}
        length: 16
      training: {batch: 4, learning_rate: 0.01}
      search: {steps: 2}
      tune: {steps: 3, accumulation: 2}
      evaluate: {every: 10}
      output: {verify_batches: 1}
      """;

  @TempDir private Path directory;

  @BeforeEach
  void write() throws IOException {
    TwoCheckpoints.write(directory, RECIPE);
  }

  private ResolvedRecipe recipe(String... overrides) {
    return new RecipeReader(directory).read(directory.resolve("recipe.yaml"), List.of(overrides));
  }

  /** Compiles; returns the stages that ran. */
  private Set<String> compile(String output, String... overrides) throws IOException {
    ByteArrayOutputStream events = new ByteArrayOutputStream();
    new Compilation(
            recipe(overrides),
            resolved -> CompilePipeline.of(resolved, CPU),
            directory.resolve("work"),
            directory.resolve(output))
        .run(
            Progress.json(new PrintStream(events, true, StandardCharsets.UTF_8)),
            new Cancellation(),
            Clock.systemUTC());
    Set<String> ran = new TreeSet<>();
    for (String line : events.toString(StandardCharsets.UTF_8).split("\n")) {
      JsonNode event = new ObjectMapper().readTree(line);
      if (event.path("event").asText().equals("stage-finished")) {
        ran.add(event.path("stage").asText());
      }
    }
    return ran;
  }

  private JsonNode results(String output) throws IOException {
    return new ObjectMapper().readTree(directory.resolve(output).resolve("results.json").toFile());
  }

  /** All stages that are no ensemble's, with all that they depend on. */
  private static Set<String> others(CompilePipeline pipeline) {
    return pipeline.stages().stream()
        .filter(stage -> !stage.name().startsWith("ensemble"))
        .map(stage -> stage.name() + stage.version() + stage.inputs())
        .collect(Collectors.toSet());
  }

  @Test
  void itIsAStageOfItsOwnASeedAndNothingElseDependsOnIt() throws IOException {
    CompilePipeline without = CompilePipeline.of(recipe("compare.ensemble=false"), CPU);
    CompilePipeline with = CompilePipeline.of(recipe(), CPU);

    assertThat(with.stages()).hasSize(without.stages().size() + 3);
    assertThat(others(with)).isEqualTo(others(without)).hasSize(without.stages().size());
    assertThat(with.stagesToTune()).hasSize(without.stages().size());
    assertThat(CompilePipeline.of(recipe("compare.components=false"), CPU).stages())
        .noneMatch(stage -> stage.name().startsWith("ensemble"));

    assertThat(compile("plain", "compare.ensemble=false")).contains("tune-mamba-0");
    assertThat(compile("output")).containsExactly("ensemble-0", "ensemble-1", "ensemble-2");
    JsonNode plain = results("plain").path("held_out_loss");
    JsonNode all = results("output").path("held_out_loss");
    assertThat(plain.has("logit ensemble")).isFalse();
    plain
        .properties()
        .forEach(entry -> assertThat(all.get(entry.getKey())).isEqualTo(entry.getValue()));
    // Other components have another ensemble; another way to write the artifact has not.
    assertThat(compile("again", "output.verify_batches=2")).isEmpty();
    assertThat(compile("longer", "tune.steps=4")).contains("ensemble-0", "tune-hybrid-0");
  }

  @Test
  void resultsHaveWhatEachModelReachedAndTook() throws IOException {
    compile("output");

    JsonNode models = results("output").path("held_out_loss");
    JsonNode hybrid = models.path("hybrid");
    JsonNode mamba = models.path("mamba");
    JsonNode neo = models.path("gpt-neo");
    JsonNode ensemble = models.path("logit ensemble");
    JsonNode best = models.path("best of components");
    int tokensOfABatch = 4 * 16;
    assertThat(hybrid.path("steps").asInt()).isEqualTo(5);
    assertThat(hybrid.path("tokens").asInt()).isEqualTo((2 + 3 * 2) * tokensOfABatch);
    assertThat(mamba.path("steps").asInt()).isEqualTo(5);
    assertThat(mamba.path("tokens").asInt()).isEqualTo(5 * 2 * tokensOfABatch);
    assertThat(ensemble.path("steps").asInt()).isEqualTo(10);
    assertThat(ensemble.path("tokens").asInt()).isEqualTo(2 * 5 * 2 * tokensOfABatch);
    assertThat(ensemble.path("parameters").asInt())
        .isEqualTo(mamba.path("parameters").asInt() + neo.path("parameters").asInt());
    double sum = 0;
    for (String seed : SEEDS) {
      double lowest =
          Math.min(
              mamba.path("seeds").path(seed).asDouble(), neo.path("seeds").path(seed).asDouble());
      assertThat(best.path("seeds").path(seed).asDouble()).isEqualTo(lowest);
      sum += hybrid.path("seeds").path(seed).asDouble();
      sum -= ensemble.path("seeds").path(seed).asDouble();
    }
    JsonNode difference = ensemble.path("hybrid_less");
    assertThat(difference.path("mean").asDouble()).isCloseTo(sum / 3, within(1e-9));
    assertThat(difference.path("interval").get(0).asDouble())
        .isLessThan(difference.path("mean").asDouble());
    assertThat(difference.path("p_t_test").asDouble()).isBetween(0.0, 1.0);
    assertThat(difference.path("p_sign_flips").asDouble()).isBetween(0.25, 1.0);
    assertThat(directory.resolve("output/report.html"))
        .content()
        .contains("The hybrid less each other model")
        .contains("chosen on the same data as it is measured on");
    assertThat(directory.resolve("output/README.md")).content().contains("| logit ensemble | ");
  }

  @Test
  void withATestPartResultsAreOfItAndChoicesOfTheRest() throws IOException {
    compile("output", "data.test=0.5", "data.holdout=0.3");

    JsonNode results = results("output");
    assertThat(results.has("held_out_loss")).isFalse();
    JsonNode hybrid = results.path("test_loss").path("hybrid");
    assertThat(hybrid.path("slices")).isEmpty();
    // Metrics, all of them of the held-out rest, do not have the result.
    String metrics = Files.readString(directory.resolve("output/metrics.jsonl"));
    for (String seed : SEEDS) {
      assertThat(metrics).doesNotContain(hybrid.path("seeds").path(seed).asText());
    }
    assertThat(directory.resolve("output/report.html"))
        .content()
        .contains("Test loss")
        .contains("chosen on other data than it is measured on");
    assertThat(others(CompilePipeline.of(recipe("data.test=0"), CPU)))
        .isEqualTo(others(CompilePipeline.of(recipe(), CPU)));
  }
}
