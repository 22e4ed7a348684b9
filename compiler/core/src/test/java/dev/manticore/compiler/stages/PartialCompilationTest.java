package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.compiler.stages.PartialCompilation.Goal;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PartialCompilationTest {

  @TempDir private Path directory;

  @BeforeEach
  void prepare() throws IOException {
    ResumeTest.prepare(directory);
  }

  private PartialCompilation compilation(Goal goal, String... overrides) {
    return new PartialCompilation(
        new RecipeReader(directory)
            .read(directory.resolve("recipe.yaml"), ImmutableList.copyOf(overrides)),
        Devices.byName("cpu"),
        directory.resolve("work"),
        goal);
  }

  private static Pipeline.Summary run(PartialCompilation compilation) {
    return compilation.run(Progress.quiet(), new Cancellation(), Clock.systemUTC());
  }

  private static List<String> toRun(PartialCompilation compilation) {
    return compilation.plan().stream()
        .filter(stage -> stage.action() != StagePlan.Action.REUSE)
        .map(StagePlan::stage)
        .toList();
  }

  @Test
  void searchAndTuningEachGoAsFarAsTheirName() throws IOException {
    assertThat(toRun(compilation(Goal.SEARCH)))
        .containsExactly(
            "tokenizer", "pretrain-mamba", "pretrain-gpt-neo", "projectors", "search-1");

    Pipeline.Summary searched = run(compilation(Goal.SEARCH));

    JsonNode search = new ObjectMapper().readTree(searched.json()).path("searches").path(0);
    List<MetricRecord> metrics =
        Metrics.read(Path.of(search.path("directory").asText()).resolve(Stages.METRICS));
    MetricRecord last = metrics.get(metrics.size() - 1);
    assertThat(search.path("loss").asDouble()).isEqualTo(last.loss());
    assertThat(search.path("mixture_weights").path(0).path(0).asDouble())
        .isCloseTo(last.alpha().get(0).get(0), within(1e-6));
    assertThat(searched.text()).contains("mamba").contains(search.path("directory").asText());
    assertThat(toRun(compilation(Goal.SEARCH))).isEmpty();
    assertThat(run(compilation(Goal.SEARCH))).isEqualTo(searched);
    assertThat(toRun(compilation(Goal.TUNE))).containsExactly("tune-hybrid-1");

    Pipeline.Summary tuned = run(compilation(Goal.TUNE));

    JsonNode model = new ObjectMapper().readTree(tuned.json()).path("tuned").path(0);
    assertThat(model.path("model").asText()).isEqualTo("hybrid");
    assertThat(tuned.text())
        .contains(String.format("%.4f", model.path("held_out_loss").asDouble()))
        .contains(model.path("directory").asText());
    assertThat(Path.of(model.path("directory").asText()).resolve(Tuned.PARAMETERS)).exists();
    assertThat(toRun(compilation(Goal.TUNE))).isEmpty();
    assertThat(directory.resolve("output")).doesNotExist();
  }

  @Test
  void searchesOverCandidatesTakeTheBest() throws IOException {
    String[] grid = {"search.method=grid", "search.grid_step=0.5"};
    assertThat(toRun(compilation(Goal.SEARCH, grid)))
        .endsWith(
            "search-1-candidate-1", "search-1-candidate-2", "search-1-candidate-3", "search-1");

    JsonNode search =
        new ObjectMapper()
            .readTree(run(compilation(Goal.SEARCH, grid)).json())
            .path("searches")
            .path(0);

    List<MetricRecord> metrics =
        Metrics.read(Path.of(search.path("directory").asText()).resolve(Stages.METRICS));
    assertThat(metrics.stream().limit(3).map(MetricRecord::alpha))
        .containsExactly(
            ImmutableList.of(ImmutableList.of(0.0, 1.0)),
            ImmutableList.of(ImmutableList.of(0.5, 0.5)),
            ImmutableList.of(ImmutableList.of(1.0, 0.0)));
    assertThat(metrics.stream().limit(3).map(MetricRecord::step)).containsExactly(2L, 4L, 6L);
    MetricRecord best =
        metrics.stream().limit(3).min(Comparator.comparingDouble(MetricRecord::loss)).orElseThrow();
    assertThat(metrics.get(3).loss()).isEqualTo(best.loss());
    assertThat(search.path("loss").asDouble()).isEqualTo(best.loss());
    assertThat(search.path("mixture_weights").path(0).path(0).asDouble())
        .isEqualTo(best.alpha().get(0).get(0));
    assertThat(toRun(compilation(Goal.SEARCH, grid))).isEmpty();
    assertThat(toRun(compilation(Goal.SEARCH, "search.method=random", "search.points=2")))
        .containsExactly("search-1-candidate-1", "search-1-candidate-2", "search-1");
  }

  @Test
  void whereEveryCandidateDivergesThatIsSaid() {
    assertThatThrownBy(
            () ->
                run(
                    compilation(
                        Goal.SEARCH,
                        "search.method=grid",
                        "search.grid_step=0.5",
                        "search.steps=90",
                        "search.learning_rate=10",
                        "search.weight_decay=1",
                        "search.clip=0",
                        "search.schedule=constant")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("diverged at each of the 3 mixture weights");
  }

  @Test
  void stepsThatDoNotSufficeForAllTrialsAreRefused() {
    assertThatThrownBy(() -> compilation(Goal.SEARCH, "search.method=grid", "splice.blocks=2"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("search.steps")
        .hasMessageContaining("25 mixture weights");
    assertThatThrownBy(() -> compilation(Goal.SEARCH, "search.method=grid", "search.grid_step=0.3"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("grid_step");
    assertThat(Files.exists(directory.resolve("work"))).isFalse();
  }

  @Test
  void weightsMustBeOfAllComponentsAndBlocks() {
    for (String weights :
        List.of("[1]", "[[1, 2]]", "[[1, 2], [0, 0]]", "[[1, 2], 3]", "[1, [2]]")) {
      assertThatThrownBy(
              () -> compilation(Goal.SEARCH, "splice.blocks=2", "search.weights=" + weights))
          .as(weights)
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("search.weights");
    }
  }
}
