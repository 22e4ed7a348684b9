package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code manticore mad} and {@code manticore lra}. */
class TaskCommandsTest extends VerbTest {

  @Test
  void tasksAreListedWithTheirSweeps() throws IOException {
    List<String> lines = lines("mad", "list");
    assertThat(lines)
        .contains(
            "  noise            0.2       share of noise; sweep 0.4 0.6 0.8; hard 0.8",
            "  copies           16        tokens to be copied; sweep 32 64 96; hard 96");
    assertThat(lines("mad", "list", "--json")).hasSize(6);
    JsonNode noisy = new ObjectMapper().readTree(lines("mad", "list", "--json").get(2));
    assertThat(noisy.path("task").asText()).isEqualTo("noisy-recall");
    assertThat(noisy.path("sweeps").path("noise")).hasSize(3);
    assertThat(noisy.path("settings").path("vocabulary").path("hard").asInt()).isEqualTo(144);
    assertThat(lines("lra", "list")).anyMatch(line -> line.startsWith("  retrieval  new_aan_"));
    assertThat(lines("lra", "list", "--json")).hasSize(2);
  }

  @Test
  void samplesAreShownWithWhatIsAsked() throws IOException {
    String[] command = {
      "mad", "sample", "selective-copying", "--set", "length=12", "--set", "copies=3", "--seed", "7"
    };
    List<String> lines = lines(command);
    assertThat(lines.get(0)).isEqualTo("selective-copying, training 0: 12 tokens, 3 asked");
    assertThat(lines.get(1)).matches("([0-9]+|_)( ([0-9]+|_))* copy( _\u2192[0-9]+){3}");
    assertThat(lines(command)).isEqualTo(lines);

    List<String> objects =
        lines(
            "mad",
            "sample",
            "memorization",
            "--split",
            "test",
            "--index",
            "3",
            "--count",
            "2",
            "--json");
    assertThat(objects).hasSize(2);
    JsonNode sample = new ObjectMapper().readTree(objects.get(1));
    assertThat(sample.path("index").asInt()).isEqualTo(4);
    assertThat(sample.path("inputs")).hasSize(32);
    assertThat(sample.path("targets").get(0).asInt()).isEqualTo(-100);
    assertThat(sample.path("asked").get(0).asBoolean()).isFalse();
    assertThat(sample.path("asked").get(1).asBoolean()).isTrue();

    assertThat(lines("mad", "sample", "in-context-recall", "--hard", "--upstream").get(0))
        .isEqualTo("in-context-recall, training 0: 127 tokens, 127 asked");
  }

  @Test
  void imagesAreShownAsImages() {
    List<String> lines = lines("lra", "sample", "pathfinder", "--set", "contour_length=6");
    assertThat(lines).hasSize(34);
    assertThat(lines.subList(1, 33)).allMatch(line -> line.length() == 64);
    assertThat(lines.get(33)).matches("class [01]");
    assertThat(lines("lra", "sample", "listops", "--set", "above=3", "--set", "below=20"))
        .anyMatch(line -> line.matches("\\[(MIN|MAX|MED|SM) .* X <eos>"));
  }

  @Test
  void samplesComeFromFiles() throws IOException {
    Files.writeString(directory.resolve("train.tsv"), "a\tx\nb\ty\na\tz\n");
    Files.writeString(directory.resolve("test.tsv"), "b\thello\n");
    assertThat(lines("lra", "sample", "text", "--files", ".", "--split", "test"))
        .containsExactly("text, test 0: 6 tokens, 1 asked", "h e l l o <eos>", "class 1");
    assertThat(lines("lra", "sample", "text", "--files", ".", "--split", "test", "--length", "3"))
        .contains("h e <eos>");
    refused("are for tasks that are drawn", "lra", "sample", "text", "--files", ".", "--upstream");
    refused("There is no generated LRA task 'text'", "lra", "sample", "text");
    refused("no such file or directory", "lra", "sample", "text", "--files", "nowhere");
  }

  @Test
  void whatIsNoneIsRefused() {
    refused("did you mean 'memorization'?", "mad", "sample", "memorisation");
    refused("did you mean 'length'?", "mad", "sample", "memorization", "--set", "lenght=4");
    refused(
        "There are 1280 samples in the test part",
        "mad",
        "sample",
        "memorization",
        "--split",
        "test",
        "--index",
        "1280");
    assertThat(run("mad")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("Usage: manticore mad");
    assertThat(run("lra")).isEqualTo(ExitCode.USAGE);
  }

  @Test
  void modelsAreTrainedAndCompared() throws IOException {
    String[] command = {
      "mad",
      "run",
      "memorization",
      "--model",
      "mamba,hybrid",
      "--seeds",
      "2",
      "--width",
      "8",
      "--heads",
      "2",
      "--state",
      "2",
      "--steps",
      "9",
      "--task-steps",
      "memorization=4",
      "--batch",
      "4",
      "--set",
      "vocabulary=9",
      "--set",
      "length=8",
      "--set",
      "memorization.validation=8",
      "--set",
      "test=8",
      "--learning-rate",
      "0.0001,0.1",
      "--alpha-warmup",
      "equal:0.25,paths:0.5",
      "-o",
      "memory"
    };
    List<String> lines = lines(command);
    assertThat(lines).anyMatch(line -> line.matches("hybrid +0\\.[0-9]+ \u00b1 [0-9.]+"));
    // Of such rates the small one does nothing in four steps.
    assertThat(lines)
        .anyMatch(line -> line.startsWith("Learning rate 0.1, the best of 1.0E-4, 0.1 by the"))
        .contains(
            "memorization: vocabulary 9, length 8, training 256, validation 8, test 8, noise_vocabulary 0, noise 0.0; 4 steps.");
    assertThat(directory.resolve("memory/report.html")).exists();
    assertThat(Files.readAllLines(directory.resolve("memory/outcomes.csv"))).hasSize(1 + 4);
    // The hybrid has a warm-up to be chosen too: each with each rate, and the best one again.
    String warmup = "";
    double least = Double.POSITIVE_INFINITY;
    int tried = 0;
    for (Path trial : trials("memorization-hybrid-1-")) {
      JsonNode spec = new ObjectMapper().readTree(trial.resolve("trial.json").toFile());
      JsonNode outcome = new ObjectMapper().readTree(trial.resolve("outcome.json").toFile());
      tried++;
      if (outcome.path("validation").path("loss").asDouble() < least) {
        least = outcome.path("validation").path("loss").asDouble();
        warmup = spec.path("mixing").path("warmup_weights").asText();
      }
    }
    assertThat(tried).isEqualTo(4);
    assertThat(trials("memorization-mamba-1-")).hasSize(2);
    String chosen = warmup.equals("PATHS") ? "paths:0.5" : "equal:0.25";
    assertThat(lines)
        .contains(
            "Warm-up of mixture weights "
                + chosen
                + ", the best of equal:0.25, paths:0.5 by the validation part of the first seed:"
                + " hybrid on memorization.");
    // Nothing is run again, and all is as it was.
    byte[] table = Files.readAllBytes(directory.resolve("memory/table.csv"));
    long written = Files.getLastModifiedTime(outcome("memorization-mamba-2-")).toMillis();
    assertThat(lines(command)).isEqualTo(lines);
    assertThat(lines("mad", "table", "memory")).isEqualTo(lines);
    assertThat(Files.readAllBytes(directory.resolve("memory/table.csv"))).isEqualTo(table);
    assertThat(Files.getLastModifiedTime(outcome("memorization-mamba-2-")).toMillis())
        .isEqualTo(written);
  }

  @Test
  void weightsAreCarriedToARecipe() throws IOException {
    Files.createDirectories(directory.resolve("memory"));
    Files.writeString(
        directory.resolve("memory/experiment.json"),
        "{\"title\": \"MAD\", \"notes\": [], \"trials\": [\"a\", \"b\"]}");
    for (String trial : List.of("a", "b")) {
      Files.createDirectories(directory.resolve("memory/trials/" + trial));
      Files.writeString(
          directory.resolve("memory/trials/" + trial + "/outcome.json"),
          """
          {"group": "task-%s", "model": "hybrid", "seed": 1, "parameters": 1, "steps": 1,
           "tokens": 1, "mixture": [[%s, 0.5], [0.25, 0.75]], "components": ["gpt-neo", "mamba"],
           "validation": {"loss": 1, "accuracy": 0, "macro_accuracy": 0, "exact_match": 0},
           "test": {"loss": 1, "accuracy": 0, "macro_accuracy": 0, "exact_match": 0}}
          """
              .formatted(trial, "0.5"));
    }
    Files.writeString(
        directory.resolve("recipe.yaml"),
        """
        name: carried
        components:
          - {name: state, pretrain: {config: {model_type: mamba, hidden_size: 16, num_hidden_layers: 4}}}
          - {name: gpt, pretrain: {config: {model_type: gpt2, n_embd: 16, n_layer: 4, n_head: 2}}}
        splice: {blocks: 4, embeddings: pretrained}
        """);
    assertThat(lines("mad", "program", "memory", "recipe.yaml"))
        .containsExactly(
            "search:",
            "  method: fixed",
            "  steps: 1",
            "  weights: [[0.5000, 0.5000], [0.5000, 0.5000], [0.7500, 0.2500], [0.7500, 0.2500]]");
    refused(
        "did you mean 'task-a'?",
        "mad",
        "program",
        "memory",
        "recipe.yaml",
        "--weight",
        "task-c=2");
  }

  private List<Path> trials(String prefix) throws IOException {
    try (Stream<Path> trials = Files.list(directory.resolve("memory/trials"))) {
      return trials.filter(trial -> trial.getFileName().toString().startsWith(prefix)).toList();
    }
  }

  private Path outcome(String prefix) throws IOException {
    return trials(prefix).get(0).resolve("outcome.json");
  }

  @Test
  void whatCannotBeTrainedIsSaid() {
    refused(
        "There is no model 'mumba'; did you mean 'mamba'?",
        "mad",
        "run",
        "memorization",
        "--model",
        "mumba",
        "-o",
        "memory");
    refused("There is no MAD task 'memory'", "mad", "run", "memory", "-o", "memory");
    refused(
        "there are steps for compression, but the tasks are memorization",
        "mad",
        "run",
        "memorization",
        "--task-steps",
        "compression=3",
        "-o",
        "memory");
    refused(
        "--alpha-warmup takes equal or paths and a share, such as paths:0.4, not turns:0.4",
        "mad",
        "run",
        "memorization",
        "--alpha-warmup",
        "turns:0.4",
        "-o",
        "memory");
    refused(
        "such as paths:0.4, not paths:0.4.1",
        "mad",
        "run",
        "memorization",
        "--alpha-warmup",
        "paths:0.4.1",
        "-o",
        "memory");
    refused(
        "is 1.5, but should be in [0, 1]",
        "mad",
        "run",
        "memorization",
        "--alpha-warmup",
        "paths:1.5",
        "-o",
        "memory");
    refused(
        "--set compression.length is for none of the tasks memorization",
        "mad",
        "run",
        "memorization",
        "--set",
        "compression.length=3",
        "-o",
        "memory");
    refused("nowhere: no such file or directory", "mad", "table", "nowhere");
    assertThat(directory.resolve("memory")).doesNotExist();
  }
}
