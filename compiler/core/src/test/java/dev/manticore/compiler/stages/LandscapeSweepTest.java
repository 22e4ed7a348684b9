package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LandscapeSweepTest {

  @TempDir private Path directory;
  private Path output;

  @BeforeEach
  void prepare() throws IOException {
    ResumeTest.prepare(directory);
    output = directory.resolve("landscape");
  }

  private LandscapeSweep sweep(int points, int steps, List<Integer> blocks, String... overrides) {
    return new LandscapeSweep(
        new RecipeReader(directory)
            .read(directory.resolve("recipe.yaml"), ImmutableList.copyOf(overrides)),
        Devices.byName("cpu"),
        directory.resolve("work"),
        new LandscapeSweep.Request(
            points, ImmutableList.copyOf(blocks), ImmutableList.of(), OptionalInt.of(steps)));
  }

  private Pipeline.Summary run(LandscapeSweep sweep, Progress progress) {
    return sweep.run(output, progress, new Cancellation(), Clock.systemUTC());
  }

  /** A run whose weights are those of an axis is the tuning at those weights, to the last bit. */
  @Test
  void aPointHasTheLossOfTheHybridTunedAtItsWeights() throws IOException {
    run(sweep(3, 2, List.of(0)), Progress.quiet());

    Landscape landscape = Landscape.read(output.resolve(LandscapeSweep.JSON));
    assertThat(landscape.axes()).containsExactly("mamba in block 0");
    assertThat(landscape.points().stream().map(point -> point.weights().get(0)))
        .containsExactly(0.0, 0.5, 1.0);
    assertThat(Landscape.readCsv(landscape.name(), output.resolve(LandscapeSweep.TABLE)))
        .isEqualTo(landscape);
    PartialCompilation tuned =
        new PartialCompilation(
            new RecipeReader(directory)
                .read(
                    directory.resolve("recipe.yaml"),
                    List.of("search.method=fixed", "search.weights=[1, 1]", "tune.steps=2")),
            Devices.byName("cpu"),
            directory.resolve("work"),
            PartialCompilation.Goal.TUNE);
    String json = tuned.run(Progress.quiet(), new Cancellation(), Clock.systemUTC()).json();
    assertThat(json).contains("\"held_out_loss\":" + landscape.points().get(1).loss() + ",");
    assertThat(landscape.searched().orElseThrow().weights().get(0))
        .isCloseTo(0.5, within(0.2))
        .isNotEqualTo(0.5);
  }

  @Test
  void aFinerSweepKeepsThePointsOfACoarserOne() throws IOException {
    String[] two = {"splice.blocks=2"};
    assertThat(started(sweep(2, 1, List.of(0, 1), two)))
        .endsWith(
            "landscape-1-0-0",
            "landscape-1-0-1000",
            "landscape-1-1000-0",
            "landscape-1-1000-1000",
            "landscape-1-searched");
    byte[] first = Files.readAllBytes(output.resolve(LandscapeSweep.JSON));

    assertThat(started(sweep(2, 1, List.of(0, 1), two))).isEmpty();
    assertThat(Files.readAllBytes(output.resolve(LandscapeSweep.JSON))).isEqualTo(first);
    assertThat(started(sweep(3, 1, List.of(0, 1), two)))
        .containsExactly(
            "landscape-1-0-500",
            "landscape-1-500-0",
            "landscape-1-500-500",
            "landscape-1-500-1000",
            "landscape-1-1000-500");
    assertThat(Landscape.read(output.resolve(LandscapeSweep.JSON)).points()).hasSize(9);
  }

  /** The stages that a run starts. */
  private List<String> started(LandscapeSweep sweep) throws IOException {
    ByteArrayOutputStream events = new ByteArrayOutputStream();
    run(sweep, Progress.json(new PrintStream(events, true, StandardCharsets.UTF_8)));
    List<String> started = new ArrayList<>();
    for (String line : events.toString(StandardCharsets.UTF_8).lines().toList()) {
      JsonNode event = new ObjectMapper().readTree(line);
      if (event.path("event").asText().equals("stage-started")) {
        started.add(event.path("stage").asText());
      }
    }
    return started;
  }

  @Test
  void ofThreeComponentsTwoShareTheBlock() throws IOException {
    Path recipe = directory.resolve("recipe.yaml");
    Files.writeString(
        recipe,
        Files.readString(recipe)
            .replace(
                "splice:",
                "  - name: third\n    pretrain: {steps: 1, config: {model_type: mamba, hidden_size: 8,"
                    + " num_hidden_layers: 2, state_size: 2}}\nsplice:"));
    assertThatThrownBy(() -> sweep(2, 1, List.of(0)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("choose two of the components [mamba, gpt_neo, third]");

    run(
        new LandscapeSweep(
            new RecipeReader(directory).read(recipe, List.of()),
            Devices.byName("cpu"),
            directory.resolve("work"),
            new LandscapeSweep.Request(
                2, ImmutableList.of(0), ImmutableList.of("third", "mamba"), OptionalInt.of(1))),
        Progress.quiet());

    Landscape landscape = Landscape.read(output.resolve(LandscapeSweep.JSON));
    assertThat(landscape.axes()).containsExactly("third in block 0");
    assertThat(landscape.points()).hasSize(2);
    assertThat(landscape.searched()).isEmpty();
    assertThat(output.resolve(LandscapeSweep.PAGE)).content().contains("third in block 0");
  }

  @Test
  void refusesWhatTheRecipeDoesNotHave() {
    assertThatThrownBy(() -> sweep(3, 1, List.of(1)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no block 1");
    assertThatThrownBy(() -> sweep(1, 1, List.of(0))).hasMessageContaining("2 at least");
    assertThatThrownBy(() -> sweep(2, 1, List.of(0, 0))).hasMessageContaining("different");
    assertThatThrownBy(
            () ->
                new LandscapeSweep(
                    new RecipeReader(directory).read(directory.resolve("recipe.yaml"), List.of()),
                    Devices.byName("cpu"),
                    directory.resolve("work"),
                    new LandscapeSweep.Request(
                        2,
                        ImmutableList.of(0),
                        ImmutableList.of("mamba", "hyena"),
                        OptionalInt.empty())))
        .hasMessageContaining("'hyena'");
  }
}
