package dev.manticore.compiler.hybrid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Retokenization;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VocabulariesTest {

  private static final int WIDTH = 16;

  /** Rows that only pad the table. */
  private static final int PADDING = 5;

  @TempDir private Path directory;
  private Path segmenting;
  private Path model;

  @BeforeEach
  void write() throws IOException {
    segmenting = directory.resolve("tokenizer.json");
    Files.write(
        segmenting,
        BpeTrainer.train(List.of("un caf\u00e9 et le chat na\u00eff ".repeat(6)), 280).toJson());
    model = checkpoint("gpt-neo", "the cat sat on the mat and the rat ");
  }

  private Path checkpoint(String name, String text) {
    byte[] json = BpeTrainer.train(List.of(text.repeat(6)), 275).toJson();
    Path place = directory.resolve(name);
    ModelConfig config = TinyModels.gptNeo(2, WIDTH, 275 + PADDING);
    Models.write(place, config, Models.parameters(TinyModels.build(name, config, 3)));
    AtomicFiles.writeBytes(place.resolve("tokenizer.json"), json);
    return place;
  }

  @Test
  void aRowIsTheMeanOfTheRowsOfItsTokensPieces() {
    Component component = ModelFiles.component("gpt-neo", model);

    Component merged = Vocabularies.fit(component, model, segmenting, Embeddings.MERGED);

    try (Tokenizer text = Tokenizer.load(segmenting);
        Tokenizer own = Tokenizer.load(model.resolve("tokenizer.json"))) {
      assertThat(merged.vocabulary()).isEqualTo(text.vocabularySize());
      float[] before = table(component);
      float[] after = table(merged);
      int averaged = 0;
      for (int id = 0; id < text.vocabularySize(); id++) {
        String token = text.decode(new int[] {id});
        if (token.contains("\ufffd")) {
          continue;
        }
        int[] pieces = own.encode(token);
        averaged += pieces.length > 1 ? 1 : 0;
        for (int i = 0; i < WIDTH; i++) {
          double sum = 0;
          for (int piece : pieces) {
            sum += before[piece * WIDTH + i];
          }
          assertThat((double) after[id * WIDTH + i]).isCloseTo(sum / pieces.length, within(1e-6));
        }
      }
      assertThat(averaged).isPositive();
    }
    // All else is as it was.
    assertThat(merged.layers()).hasSize(2);
    component
        .graph()
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (!component.isVocabularyTable(value)) {
                assertThat(
                        merged
                            .graph()
                            .parameters()
                            .get(merged.graph().parameter(value.name()).orElseThrow()))
                    .isSameAs(tensor);
              }
            });
  }

  @Test
  void aHeadOfItsOwnIsMergedToo() {
    ModelConfig config = TinyModels.mamba(2, WIDTH).with("vocab_size", 275);
    Path place = directory.resolve("mamba");
    Models.write(place, config, Models.parameters(TinyModels.build("mamba", config, 4)));
    AtomicFiles.writeBytes(
        place.resolve("tokenizer.json"),
        BpeTrainer.train(List.of("a b the cat the mat ".repeat(5)), 275).toJson());
    Component component = ModelFiles.component("mamba", place);
    Component merged = Vocabularies.fit(component, place, segmenting, Embeddings.MERGED);

    // The tables of a model whose head is its own: both are made anew.
    List<Tensor> tables =
        merged.graph().parameters().entrySet().stream()
            .filter(entry -> merged.isVocabularyTable(entry.getKey()))
            .map(entry -> entry.getValue())
            .toList();
    assertThat(tables).hasSize(2);
    assertThat(tables)
        .allSatisfy(
            table -> assertThat(table.shape().dim(0).extent()).isEqualTo(merged.vocabulary()));
  }

  @Test
  void aTableInColumnsIsMergedAsOneInRows() {
    try (Tokenizer text = Tokenizer.load(segmenting);
        Tokenizer own = Tokenizer.load(model.resolve("tokenizer.json"))) {
      Retokenization pieces = Retokenization.of(text, own);
      Component component = ModelFiles.component("gpt-neo", model);
      Tensor rows =
          component
              .graph()
              .parameters()
              .get(component.graph().parameter("transformer.wte.weight").orElseThrow());
      Tensor columns = Tables.transposed(rows);

      Tensor one = Tables.merge(rows, 0, 275, pieces);
      Tensor other = Tables.merge(columns, 1, 275, pieces);

      assertThat(Tables.transposed(other).toFloats()).containsExactly(one.toFloats());
    }
  }

  @Test
  void aComponentOfTheSameTokenizerStaysAsItIs() {
    Component component = ModelFiles.component("gpt-neo", model);
    Path own = model.resolve("tokenizer.json");

    assertThat(Vocabularies.fit(component, model, own, Embeddings.MERGED)).isSameAs(component);
    assertThat(Vocabularies.fit(component, model, own, Embeddings.PRETRAINED)).isSameAs(component);
    assertThat(Vocabularies.between(own, model)).isEmpty();
  }

  @Test
  void otherIdsAreRefusedNotGuessed() throws IOException {
    Component component = ModelFiles.component("gpt-neo", model);

    assertThatThrownBy(() -> Vocabularies.fit(component, model, segmenting, Embeddings.PRETRAINED))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-VOCABULARY"))
        .hasMessageContaining("gpt-neo")
        .hasMessageContaining("splice.embeddings=merged");
    assertThatThrownBy(() -> Vocabularies.requireSame(component, model, segmenting, "do so"))
        .hasMessageContaining("other tokens")
        .hasMessageEndingWith("do so");
    Files.delete(model.resolve("tokenizer.json"));
    assertThatThrownBy(() -> Vocabularies.fit(component, model, segmenting, Embeddings.MERGED))
        .hasMessageContaining("brings no tokenizer.json");
  }

  @Test
  void aTokenizerLargerThanItsTableIsRefused() throws IOException {
    Files.write(
        model.resolve("tokenizer.json"),
        BpeTrainer.train(
                List.of(
                    "many more words than others, and some of them with signs: caf\u00e9! "
                        .repeat(9)),
                290)
            .toJson());
    Component component = ModelFiles.component("gpt-neo", model);

    assertThatThrownBy(() -> Vocabularies.fit(component, model, segmenting, Embeddings.MERGED))
        .hasMessageContaining("the component knows only 280");
  }

  @Test
  void theTokenizerOfAnExportLiesBesideIt() {
    Path file = model.resolve("model.onnx");
    OnnxExporter.write(Models.load(model), file, OnnxExporter.Options.DEFAULT);

    assertThat(Vocabularies.tokenizerOf(file))
        .contains(model.toAbsolutePath().resolve("tokenizer.json"));
    assertThat(Vocabularies.tokenizerOf(segmenting.resolveSibling("no.onnx")))
        .contains(segmenting.toAbsolutePath());
  }

  private static float[] table(Component component) {
    return component
        .graph()
        .parameters()
        .get(component.graph().parameter("transformer.wte.weight").orElseThrow())
        .toFloats();
  }
}
