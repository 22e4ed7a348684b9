package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.Checkpoint;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Files that are wrong and places that cannot be written: one message, status 2, nothing left. */
class WrongInputTest extends VerbTest {

  private static final int IDS = BpeTrainer.SMALLEST_VOCABULARY;

  /** Padded: the tokenizer has fewer ids. */
  private static final int ROWS = IDS + 7;

  private static final String CONFIG =
      "{\"model_type\": \"gpt_neo\", \"hidden_size\": 8, \"num_layers\": 2, \"num_heads\": 2,"
          + " \"max_position_embeddings\": 32, \"window_size\": 8, \"vocab_size\": "
          + ROWS
          + "}";

  private ModelConfig config;
  private Map<String, Tensor> parameters;

  @BeforeEach
  void writeModel() throws IOException {
    config = ModelConfig.parse("config.json", CONFIG);
    parameters = new LinkedHashMap<>(Models.parameters(Models.fresh("model", config, 1)));
    Models.write(directory.resolve("model"), config, parameters);
    BpeTrainer.train(List.of("a"), IDS).writeTo(directory.resolve("model/tokenizer.json"));
    BpeTrainer.train(List.of("the cat and the dog and the cat ".repeat(9)), ROWS + 4)
        .writeTo(directory.resolve("larger.json"));
    Files.writeString(directory.resolve("config.json"), CONFIG);
    Files.writeString(directory.resolve("text.txt"), "The cat sat on the mat. ".repeat(200));
  }

  private String[] pretrain(String... more) {
    return Stream.concat(
            Stream.of(
                "pretrain",
                "--config",
                "config.json",
                "--data",
                "text.txt",
                "--steps",
                "2",
                "--batch",
                "2",
                "--length",
                "16",
                "--tokenizer",
                "model/tokenizer.json"),
            Stream.of(more))
        .toArray(String[]::new);
  }

  private List<String> entries() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private void writeTensors(Map<String, Tensor> tensors) {
    SafetensorsWriter.write(directory.resolve("model/model.safetensors"), tensors, Map.of());
  }

  @Test
  void pretrainWritesAModelWhoseTableMayBePadded() throws IOException {
    assertThat(run(pretrain("-o", "made", "--json"))).isEqualTo(ExitCode.OK);

    List<String> lines = out().lines().toList();
    JsonNode result = new ObjectMapper().readTree(lines.get(lines.size() - 1));
    assertThat(result.path("held_out_loss").asDouble()).isBetween(4.0, 7.0);
    assertThat(result.path("tokens").asLong()).isEqualTo(2 * 2 * 16);
    assertThat(Models.load(directory.resolve("made")).parameters()).hasSameSizeAs(parameters);
    assertThat(entries())
        .containsExactly("config.json", "larger.json", "made", "model", "text.txt");
    assertThat(run(pretrain("-o", "made", "--quiet"))).isEqualTo(ExitCode.OK);
    assertThat(run("generate", "made", "--tokens", "2")).isEqualTo(ExitCode.OK);
  }

  @Test
  void pretrainKeepsWithinABudgetOfMemoryOrSaysTheLeast() throws IOException {
    assertThat(run(pretrain("-o", "made", "--memory", "500MB", "--json"))).isEqualTo(ExitCode.OK);
    assertThat(out()).contains("\"event\":\"memory-planned\"");

    refused("the least that would do is ", pretrain("-o", "tight", "--memory", "2kB", "--quiet"));
    assertThat(run(pretrain("-o", "tight", "--memory", "much"))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("'much' is not a size");
  }

  @Test
  void pretrainWritesInitialWeightsInNoStepsWhichCanBeSpliced() throws IOException {
    String[] untrained = pretrain("-o", "made", "--json");
    untrained[6] = "0";
    assertThat(run(untrained)).isEqualTo(ExitCode.OK);

    List<String> lines = out().lines().toList();
    JsonNode result = new ObjectMapper().readTree(lines.get(lines.size() - 1));
    assertThat(result.path("held_out_loss").isNull()).isTrue();
    assertThat(result.path("steps").asInt()).isZero();
    assertThat(Models.load(directory.resolve("made")).parameters()).hasSameSizeAs(parameters);
    assertThat(run(untrained)).isEqualTo(ExitCode.OK);
    assertThat(run("splice", "made", "model", "--blocks", "1", "-o", "hybrid.onnx"))
        .isEqualTo(ExitCode.OK);
    assertThat(run("splice", "made", "model", "--blocks", "1", "-o", "spliced"))
        .isEqualTo(ExitCode.OK);
    assertThat(entries()).contains("hybrid.onnx", "spliced");
  }

  @Test
  void pretrainWritesTheElementTypeAndShardsThatAreAskedFor() throws IOException {
    String[] halves = pretrain("-o", "made", "--dtype", "bfloat16", "--max-shard-size", "3KB");
    assertThat(run(halves)).isEqualTo(ExitCode.OK);

    Checkpoint made = Checkpoint.read(directory.resolve("made"));
    assertThat(made.weights().getFileName()).hasToString("model.safetensors.index.json");
    assertThat(made.tensors().keySet()).isEqualTo(parameters.keySet());
    assertThat(made.tensors().values())
        .allMatch(tensor -> tensor.elementType() == ElementType.BFLOAT16);
    assertThat(run("generate", "made", "--tokens", "2")).isEqualTo(ExitCode.OK);

    assertThat(run(halves)).isEqualTo(ExitCode.OK);
    assertThat(out()).doesNotContain("Step");
    assertThat(run(pretrain("-o", "made", "--quiet"))).isEqualTo(ExitCode.OK);
    assertThat(Checkpoint.read(directory.resolve("made")).tensors().values())
        .allMatch(tensor -> tensor.elementType() == ElementType.FLOAT32);
  }

  @Test
  void sizesAndElementTypesThatAreNone() {
    for (String size : List.of("0", "0GB", "much", "5 parsecs", "-1", "99999999999")) {
      assertThat(run(pretrain("-o", "made", "--max-shard-size", size))).isEqualTo(ExitCode.USAGE);
      assertThat(err()).contains("'" + size + "' is not a size such as 1000, 500MB or 2GiB");
    }
    assertThat(run(pretrain("-o", "made", "--dtype", "int8"))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("--dtype").contains("int8");
    assertThat(directory.resolve("made")).doesNotExist();
  }

  @Test
  void tokenizerThatDoesNotFit() throws IOException {
    refused("knows only " + ROWS, "generate", "model", "--tokenizer", "larger.json");
    Files.writeString(
        directory.resolve("config.json"), CONFIG.replace(Integer.toString(ROWS), "100"));
    refused("the tokenizer does not fit the vocabulary", pretrain("--quiet", "-o", "made"));
    assertThat(directory.resolve("made")).doesNotExist();
  }

  @Test
  void sequencesLongerThanThePositions() throws IOException {
    Files.writeString(directory.resolve("config.json"), CONFIG.replace(": 32", ": 12"));

    refused(
        "sequences of 16 tokens are too long for 'gpt_neo', which has positions for 12",
        pretrain("--quiet", "-o", "made"));
  }

  @Test
  void missingTensor() {
    parameters.remove("transformer.ln_f.bias");
    writeTensors(parameters);

    refused("tensor 'transformer.ln_f.bias', f32[8], is missing", "inspect", "model");
  }

  @Test
  void tensorOfAWrongShape() {
    parameters.put("transformer.ln_f.bias", Tensor.ofFloats(Shape.of(4), new float[4]));
    writeTensors(parameters);

    refused("tensor 'transformer.ln_f.bias' is f32[4], but should be f32[8]", "inspect", "model");
  }

  @Test
  void truncatedSafetensors() throws IOException {
    Path file = directory.resolve("model/model.safetensors");
    byte[] whole = Files.readAllBytes(file);
    for (int length : new int[] {3, 100, whole.length - 5}) {
      Files.write(file, Arrays.copyOf(whole, length));

      refused("model.safetensors", "generate", "model");
    }
  }

  @Test
  void outputThatIsADevice() throws IOException {
    assumeThat(Path.of("/dev/full")).exists();

    refused("/dev/full is not a directory", pretrain("-o", "/dev/full", "--quiet"));
    try (PrintStream full =
        new PrintStream(new FileOutputStream("/dev/full"), true, StandardCharsets.UTF_8)) {
      assertThat(run(full, "version")).isEqualTo(ExitCode.USAGE);
    }
    assertThat(err().strip()).isEqualTo("manticore: cannot write to standard output [MNT-WRITE]");
  }

  @Test
  void placeThatIsFull() throws Exception {
    assumeThat(Path.of("/bin/bash")).exists();
    ImmutableList<String> command =
        ImmutableList.<String>builder()
            .add("/bin/bash", "-c", "ulimit -f 8 && exec \"$@\"", "limited")
            .add(Path.of(System.getProperty("java.home"), "bin", "java").toString())
            .add("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
            .add("-Dorg.bytedeco.javacpp.maxbytes=0")
            .add("-Dorg.bytedeco.javacpp.maxphysicalbytes=0")
            .add("-cp", System.getProperty("java.class.path"), Main.class.getName())
            .add(pretrain("-o", "made", "--quiet"))
            .build();
    Process process =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(process.waitFor()).as(output).isEqualTo(ExitCode.USAGE);
    assertThat(output.strip())
        .startsWith("cannot write ")
        .contains("File too large")
        .endsWith("[MNT-WRITE]")
        .doesNotContain("\n");
    assertThat(entries())
        .containsExactly(".made.work", "config.json", "larger.json", "model", "text.txt");
    try (Stream<Path> files = Files.walk(directory.resolve(".made.work"))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .noneMatch(name -> name.endsWith(".safetensors") || name.contains("safetensors."));
    }
    assertThat(run(pretrain("-o", "made", "--quiet"))).isEqualTo(ExitCode.OK);
  }
}
