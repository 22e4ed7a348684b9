package dev.manticore.compiler.stages;

import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.BytePairVocabulary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A recipe with a text, and a Mamba and a GPT-Neo of one tokenizer, for tests of its stages. */
final class TwoCheckpoints {

  private TwoCheckpoints() {}

  /** Writes {@code recipe.yaml}, {@code text.txt}, {@code mamba} and {@code gpt-neo}. */
  static void write(Path directory, String recipe) throws IOException {
    List<String> text = CorpusGenerator.generate(CorpusGenerator.Kind.MIXED, 3, 8_000);
    Files.writeString(directory.resolve("text.txt"), String.join("\n\n", text));
    BytePairVocabulary vocabulary = BpeTrainer.train(text, 280);
    checkpoint(directory.resolve("mamba"), TinyModels.mamba(2, 16), vocabulary);
    checkpoint(directory.resolve("gpt-neo"), TinyModels.gptNeo(2, 24), vocabulary);
    Files.writeString(directory.resolve("recipe.yaml"), recipe);
  }

  static void checkpoint(Path place, ModelConfig shape, BytePairVocabulary vocabulary) {
    ModelConfig config = shape.with("vocab_size", vocabulary.tokens().size());
    String name = place.getFileName().toString();
    Models.write(place, config, Models.parameters(TinyModels.build(name, config, 7)));
    AtomicFiles.writeBytes(place.resolve("tokenizer.json"), vocabulary.toJson());
  }
}
