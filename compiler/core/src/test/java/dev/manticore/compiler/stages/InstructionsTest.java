package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.BytePairVocabulary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole compile that fine-tunes on prompts and responses. */
class InstructionsTest {

  private static final String RECIPE =
      """
      name: taught
      seeds: 1
      threads: 2
      components:
        - model: mamba
        - model: gpt-neo
      data:
        source: {instructions: sums.jsonl, prompt: question, response: answer, separator: " "}
        length: 16
        buckets: 2
      training: {batch: 4, learning_rate: 0.01}
      search: {steps: 2}
      tune: {steps: 30}
      evaluate: {every: 10, batches: 1}
      output: {verify_batches: 1}
      compare: {components: false}
      """;

  @TempDir private Path directory;

  private void checkpoint(String name, ModelConfig shape, BytePairVocabulary vocabulary) {
    ModelConfig config = shape.with("vocab_size", vocabulary.tokens().size());
    Path place = directory.resolve(name);
    Models.write(place, config, Models.parameters(TinyModels.build(name, config, 7)));
    AtomicFiles.writeBytes(place.resolve("tokenizer.json"), vocabulary.toJson());
  }

  @Test
  void aCompileLearnsTheResponses() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      lines.append(String.format("{\"question\": \"%d + %d?\", \"answer\": \"many\"}%n", i, i % 7));
    }
    Files.writeString(directory.resolve("sums.jsonl"), lines);
    BytePairVocabulary vocabulary = BpeTrainer.train(List.of("many many many 1 + 1?"), 260);
    checkpoint("mamba", TinyModels.mamba(2, 16), vocabulary);
    checkpoint("gpt-neo", TinyModels.gptNeo(2, 16), vocabulary);
    Files.writeString(directory.resolve("recipe.yaml"), RECIPE);

    CompileInProcess.compile(directory, 3_600_000, Progress.quiet());

    JsonNode first = null;
    JsonNode last = null;
    for (String line : Files.readAllLines(directory.resolve("output/metrics.jsonl"))) {
      JsonNode entry = new ObjectMapper().readTree(line);
      if (entry.path("split").asText().equals("held_out")) {
        first = first == null ? entry : first;
        last = entry;
      }
    }
    assertThat(first).isNotNull();
    // The response is always the same, and nothing else is asked: what is unlike is learned soon.
    assertThat(last.path("loss").asDouble()).isLessThan(0.3 * first.path("loss").asDouble());
    JsonNode hybrid =
        new ObjectMapper()
            .readTree(Files.readString(directory.resolve("output/results.json")))
            .required("held_out_loss")
            .required("hybrid");
    // Two tokens or more are asked for, the end of the text among them: it has no byte.
    assertThat(hybrid.required("bits_per_byte").required("mean").asDouble())
        .isGreaterThan(hybrid.required("mean").asDouble() / Math.log(2) / "many".length());
    assertThat(hybrid.required("accuracy").required("mean").asDouble()).isGreaterThan(0.5);
    assertThat(hybrid.required("exact_match").required("mean").asDouble()).isBetween(0.0, 1.0);
  }
}
