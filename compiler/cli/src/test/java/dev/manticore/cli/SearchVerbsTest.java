package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The verbs that stop where weights were found or models tuned, and the one that looks around. */
class SearchVerbsTest extends VerbTest {

  private static final String RECIPE =
      """
      name: tiny
      seeds: 1
      threads: 1
      components:
        - pretrain:
            steps: 1
            config: {model_type: mamba, hidden_size: 8, num_hidden_layers: 2, state_size: 2}
        - pretrain:
            steps: 1
            config: {model_type: gpt2, n_embd: 8, n_layer: 2, n_head: 2, n_positions: 16}
      splice: {blocks: 1}
      data:
        source: {text: text.txt}
        tokenizer: {train: {vocabulary: 270}}
        length: 16
      training: {batch: 2}
      search: {steps: 2}
      tune: {steps: 1}
      evaluate: {batches: 1}
      """;

  @BeforeEach
  void writeRecipe() throws IOException {
    Files.writeString(directory.resolve("recipe.yaml"), RECIPE);
    Files.writeString(
        directory.resolve("text.txt"), "The cat sat on the mat, and so did the rat. ".repeat(60));
  }

  @Test
  void eachGoesOnFromWhereTheOneBeforeItStopped() throws IOException {
    assertThat(lines("search", "recipe.yaml", "--dry-run"))
        .hasSize(4)
        .allMatch(line -> line.startsWith("run "));

    List<String> found = lines("search", "recipe.yaml", "--quiet");

    assertThat(found.get(1)).matches(" *seed +loss +block +mamba +gpt2");
    assertThat(found.get(2)).matches(" *1 +\\d\\.\\d{4} +0 +0\\.\\d{3} +0\\.\\d{3}");
    assertThat(lines("search", "recipe.yaml", "--quiet")).isEqualTo(found);
    assertThat(lines("tune", "recipe.yaml", "--dry-run"))
        .filteredOn(line -> line.startsWith("run "))
        .hasSize(3);

    lines("tune", "recipe.yaml", "--json");

    assertThat(lastLine().path("tuned").findValuesAsText("model"))
        .containsExactly("hybrid", "mamba", "gpt2");

    List<String> landscape =
        lines("landscape", "recipe.yaml", "--points", "2", "--steps", "1", "--quiet");

    assertThat(landscape).anyMatch(line -> line.contains("searched"));
    assertThat(directory.resolve("runs/tiny-landscape"))
        .isDirectoryContaining("glob:**landscape.json")
        .isDirectoryContaining("glob:**landscape.csv")
        .isDirectoryContaining("glob:**landscape.html");
  }

  @Test
  void theBestModelIsToldByASearchAndThatIsChecked() throws IOException {
    String[] two = {"select", "recipe.yaml", "--quiet", "--set", "seeds=2"};
    List<String> chosen = lines(two);
    assertThat(chosen.get(0))
        .matches("(mamba|gpt2) fits this data best, by a search of 2 steps .* 2 seeds, .*");
    assertThat(chosen.get(2)).matches("(mamba|gpt2) +0\\.\\d{3} \u00b1 \\d\\.\\d{3}");

    lines("select", "recipe.yaml", "--json", "--check", "--set", "seeds=2");

    assertThat(chosen.get(0)).startsWith(lastLine().path("chosen").asText());
    double first = lastLine().path("components").get(0).path("loss_alone").asDouble();
    double second = lastLine().path("components").get(1).path("loss_alone").asDouble();
    assertThat(first).isPositive();
    assertThat(lastLine().path("agrees").asBoolean()).isEqualTo(first <= second);
    assertThat(lastLine().path("components").get(0).path("weight").asDouble())
        .isGreaterThanOrEqualTo(lastLine().path("components").get(1).path("weight").asDouble());
    refused(
        "set compare.components=true",
        "select",
        "recipe.yaml",
        "--check",
        "--set",
        "compare.components=false");
  }

  @Test
  void blocksAndPointsThatAreNotThereAreRefused() {
    refused("no block 1", "landscape", "recipe.yaml", "--block", "1");
    refused("2 at least", "landscape", "recipe.yaml", "--points", "1");
    refused("grid_step", "search", "recipe.yaml", "--set", "search.method=grid");
  }
}
