package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.Reproduction;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Results that are made once more. */
class ReproductionTest {

  private static final Pipeline.Factory FACTORY =
      recipe -> CompilePipeline.of(recipe, Devices.byName("cpu"));

  @TempDir private Path directory;
  private Path given;
  private Path result;

  @BeforeEach
  void compile() throws IOException {
    given = ResumeTest.prepare(directory.resolve("given"));
    result = directory.resolve("runs").resolve("tiny");
    // All cores, as far as the recipe says; there were not as many as now.
    new Compilation(
            new RecipeReader(given)
                .read(given.resolve("recipe.yaml"), List.of("threads=0"))
                .onThreads(1),
            FACTORY,
            given.resolve("work"),
            result)
        .run(Progress.quiet(), new Cancellation(), Clock.systemUTC());
    assertThat(Files.readString(result.resolve("recipe.yaml"))).contains("threads: 0");
    assertThat(Artifact.open(result).manifest().threads()).isEqualTo(1);
  }

  private Reproduction.Outcome reproduce() {
    return new Reproduction(result, 1, FACTORY)
        .run(Progress.quiet(), new Cancellation(), Clock.systemUTC());
  }

  private List<String> beside() throws IOException {
    try (Stream<Path> entries = Files.list(result.getParent())) {
      return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void everyByteComesAgainAndNothingIsLeftBeside() throws IOException {
    Reproduction.Outcome outcome = reproduce();

    assertThat(outcome.differing()).isEmpty();
    assertThat(outcome.files()).isGreaterThan(15);
    assertThat(beside()).containsExactly("tiny");
  }

  @Test
  void whatIsNotTheSameIsNamedAndKept() throws IOException {
    Pipeline.Factory other =
        recipe -> {
          Pipeline real = FACTORY.create(recipe);
          return new Pipeline() {
            @Override
            public ImmutableList<Stage<?>> stages() {
              return real.stages();
            }

            @Override
            public Summary publish(StageRunner results, Path target) throws IOException {
              Summary summary = real.publish(results, target);
              Files.writeString(target.resolve("results.json"), "{}");
              Files.delete(target.resolve("report.html"));
              Files.writeString(target.resolve("more.txt"), "more");
              return summary;
            }
          };
        };

    Reproduction.Outcome outcome =
        new Reproduction(result, 1, other)
            .run(Progress.quiet(), new Cancellation(), Clock.systemUTC());

    assertThat(outcome.isSame()).isFalse();
    assertThat(outcome.differing()).containsExactly("more.txt", "report.html", "results.json");
    assertThat(outcome.second().resolve("more.txt")).hasContent("more");
    assertThat(beside()).containsExactly(".tiny.reproduced", "tiny");
    assertThat(reproduce().isSame()).isTrue();
    assertThat(beside()).containsExactly("tiny");
  }

  @Test
  void aStoppedReproductionGoesOn() throws IOException {
    Cancellation stopped = new Cancellation();
    stopped.request();
    assertThatThrownBy(
            () ->
                new Reproduction(result, 1, FACTORY)
                    .run(Progress.quiet(), stopped, Clock.systemUTC()))
        .isInstanceOf(CancelledException.class);

    assertThat(reproduce().isSame()).isTrue();
    assertThat(beside()).containsExactly("tiny");
  }

  @Test
  void whatItWasMadeOfMustBeThereAsItWas() throws IOException {
    Path text = given.resolve("text.txt");
    String before = Files.readString(text);
    Files.writeString(text, before + "more");
    assertThatThrownBy(this::reproduce)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("was made of something else")
        .hasMessageContaining("stage tokenizer-");
    Files.delete(text);
    assertThatThrownBy(this::reproduce)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("text.txt");
    assertThat(beside()).containsExactly("tiny");
  }

  @Test
  void aResultThatHasBeenChangedIsNoneToCompareWith() throws IOException {
    Files.writeString(result.resolve("results.json"), "{}");
    assertThatThrownBy(this::reproduce)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("results.json is not as compile left it");
    Files.delete(result.resolve("compiled.json"));
    assertThatThrownBy(this::reproduce)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("not a result of compile");
  }
}
