package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiles whose hybrids lose what the search gives little weight. */
class DiscretisationTest {

  @TempDir private Path directory;

  @BeforeEach
  void prepare() throws IOException {
    ResumeTest.prepare(directory);
  }

  private Compilation compilation(String... overrides) {
    ImmutableList<String> all =
        ImmutableList.<String>builder()
            .add("splice.blocks=2", "search.method=fixed", "search.weights=[3, 1]")
            .add(overrides)
            .build();
    return new Compilation(
        new RecipeReader(directory).read(directory.resolve("recipe.yaml"), all),
        recipe -> CompilePipeline.of(recipe, Devices.byName("cpu")),
        directory.resolve("work"),
        directory.resolve("output"));
  }

  private JsonNode compile(String... overrides) throws IOException {
    return new ObjectMapper()
        .readTree(
            compilation(overrides)
                .run(Progress.quiet(), new Cancellation(), Clock.systemUTC())
                .json());
  }

  private static List<String> toRun(Compilation compilation) {
    return compilation.plan().stream()
        .filter(stage -> stage.action() != StagePlan.Action.REUSE)
        .map(StagePlan::stage)
        .toList();
  }

  @Test
  void aPrunedHybridIsTunedAndPublished() throws IOException {
    JsonNode whole = compile();
    assertThat(toRun(compilation("search.threshold=0.3"))).isEmpty();
    assertThat(toRun(compilation("search.discretise=threshold"))).containsExactly("tune-hybrid-1");

    JsonNode pruned = compile("search.discretise=argmax");

    Hybrid hybrid = Artifact.open(directory.resolve("output")).hybrid();
    assertThat(hybrid.names()).containsExactly("mamba");
    assertThat(hybrid.alphas()).isEmpty();
    assertThat(pruned.path("kept_components").toString()).isEqualTo("[[\"mamba\"],[\"mamba\"]]");
    assertThat(whole.has("kept_components")).isFalse();
    assertThat(parameters(pruned)).isLessThan(parameters(whole) / 2 + 1);
    assertThat(pruned.path("mixture_weights")).isEqualTo(whole.path("mixture_weights"));
    assertThat(directory.resolve("output/components/mamba")).isDirectory();
    assertThat(directory.resolve("output/components/gpt_neo")).doesNotExist();
  }

  @Test
  void eachBlockKeepsWhatHasWeightInIt() throws IOException {
    JsonNode pruned =
        compile(
            "search.weights=[[3, 1], [1, 3]]",
            "search.discretise=threshold",
            "search.threshold=0.3");

    Hybrid hybrid = Artifact.open(directory.resolve("output")).hybrid();
    assertThat(hybrid.names()).containsExactly("mamba", "gpt_neo");
    assertThat(hybrid.mixed(0)).containsExactly(0);
    assertThat(hybrid.mixed(1)).containsExactly(1);
    assertThat(hybrid.maxLength()).as("without the block that adds positions").isZero();
    assertThat(pruned.path("kept_components").toString()).isEqualTo("[[\"mamba\"],[\"gpt_neo\"]]");
  }

  private static long parameters(JsonNode results) {
    return results.path("held_out_loss").path("hybrid").path("parameters").asLong();
  }
}
