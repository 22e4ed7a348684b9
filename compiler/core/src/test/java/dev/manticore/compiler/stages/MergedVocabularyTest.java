package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.BytePairVocabulary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole compile of two checkpoints of different tokenizers. */
class MergedVocabularyTest {

  private static final String RECIPE =
      """
      name: merged
      seeds: 1
      threads: 2
      components:
        - model: mamba
        - model: gpt-neo
      splice: {blocks: 2, embeddings: %s}
      data:
        source: {text: text.txt}
        length: 16
      training: {batch: 4}
      search: {steps: 2}
      tune: {steps: 3}
      evaluate: {every: 2, batches: 1}
      output: {verify_batches: 1}
      """;

  @TempDir private Path directory;

  @BeforeEach
  void write() throws IOException {
    List<String> text = CorpusGenerator.generate(CorpusGenerator.Kind.MIXED, 3, 8_000);
    Files.writeString(directory.resolve("text.txt"), String.join("\n\n", text));
    checkpoint("mamba", TinyModels.mamba(2, 16), BpeTrainer.train(text, 290));
    checkpoint(
        "gpt-neo",
        TinyModels.gptNeo(2, 24),
        BpeTrainer.train(List.of("other words in other places ".repeat(7)), 270));
  }

  private void checkpoint(String name, ModelConfig shape, BytePairVocabulary vocabulary) {
    ModelConfig config = shape.with("vocab_size", vocabulary.tokens().size());
    Path place = directory.resolve(name);
    Models.write(place, config, Models.parameters(TinyModels.build(name, config, 7)));
    AtomicFiles.writeBytes(place.resolve("tokenizer.json"), vocabulary.toJson());
  }

  @Test
  void theFirstTokenizerSegmentsTheTextAndTheOtherTableIsMadeForIt() throws IOException {
    compile("merged");

    Artifact artifact = Artifact.open(directory.resolve("output"));
    assertThat(artifact.manifest().embeddings()).isEqualTo("merged");
    assertThat(artifact.manifest().vocabulary()).isEqualTo(290);
    // Read back from its files, the hybrid has the tuned tables of the merged vocabulary.
    assertThat(artifact.hybrid().options().embeddings()).isEqualTo(Embeddings.MERGED);
    assertThat(
            artifact
                .hybrid()
                .graph()
                .parameter("components.1.transformer.wte.weight")
                .orElseThrow()
                .shape()
                .dim(0)
                .extent())
        .isEqualTo(290);
    assertThat(Files.readAllBytes(artifact.tokenizer()))
        .isEqualTo(Files.readAllBytes(directory.resolve("mamba/tokenizer.json")));
    JsonNode vocabularies =
        new ObjectMapper()
            .readTree(directory.resolve("output/results.json").toFile())
            .path("vocabularies");
    assertThat(vocabularies.has("mamba")).isFalse();
    JsonNode counts = vocabularies.path("gpt-neo");
    assertThat(counts.path("pieces").asInt()).isPositive();
    assertThat(
            counts.path("same").asInt()
                + counts.path("pieces").asInt()
                + counts.path("none").asInt())
        .isEqualTo(290);
  }

  @Test
  void withoutMergingOtherTokenizersAreRefused() {
    assertThatThrownBy(() -> compile("pretrained"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("gpt-neo")
        .hasMessageContaining("another tokenizer")
        .hasMessageContaining("splice.embeddings=merged");
    assertThatThrownBy(() -> compile("fresh"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("compare.components=false");
    assertThat(directory.resolve("output")).doesNotExist();
  }

  private void compile(String embeddings) throws IOException {
    Files.writeString(directory.resolve("recipe.yaml"), String.format(RECIPE, embeddings));
    CompileInProcess.compile(directory, 3_600_000, Progress.quiet());
  }
}
