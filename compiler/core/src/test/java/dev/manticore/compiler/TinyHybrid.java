package dev.manticore.compiler;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.artifact.ArtifactRequest;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Two small checkpoints with one tokenizer between them, and a hybrid of them. */
public record TinyHybrid(Path directory, Path tokenizer, int vocabulary) {

  private static final String TEXT =
      "the cat sat on the mat and the rat sat on the hat, naïve café 日本語 \uD83D\uDE00 ";

  /**
   * Writes the checkpoints {@code mamba} and {@code gpt-neo}, and {@code tokenizer.json} in each.
   */
  public static TinyHybrid in(Path directory) {
    int vocabulary = BpeTrainer.SMALLEST_VOCABULARY + 12;
    byte[] json = BpeTrainer.train(List.of(TEXT.repeat(4)), vocabulary).toJson();
    Map<String, ModelConfig> configs =
        ImmutableMap.of(
            "mamba", TinyModels.mamba(2, 16).with("vocab_size", vocabulary),
            "gpt-neo", TinyModels.gptNeo(3, 24, vocabulary + 3));
    configs.forEach(
        (name, config) -> {
          Path checkpoint = directory.resolve(name);
          Models.write(checkpoint, config, Models.parameters(TinyModels.build(name, config, 7)));
          AtomicFiles.writeBytes(checkpoint.resolve("tokenizer.json"), json);
        });
    Path tokenizer = directory.resolve("mamba").resolve("tokenizer.json");
    try (Tokenizer loaded = Tokenizer.load(tokenizer)) {
      return new TinyHybrid(directory, tokenizer, loaded.vocabularySize());
    }
  }

  public ImmutableList<Path> checkpoints() {
    return ImmutableList.of(directory.resolve("mamba"), directory.resolve("gpt-neo"));
  }

  public Hybrid splice(Embeddings embeddings) {
    return splice(embeddings, vocabulary);
  }

  public Hybrid splice(Embeddings embeddings, int ids) {
    List<Component> components = new ArrayList<>();
    for (Path checkpoint : checkpoints()) {
      components.add(
          ComponentFinder.find(checkpoint.getFileName().toString(), Models.load(checkpoint)));
    }
    return Splicer.splice(
        components,
        new SpliceOptions(
            2, Gates.TIED, ProjectorInitialisation.PAPER, embeddings, ImmutableList.of(), ids, 5));
  }

  /** For the hybrid, with held-out inputs of three lengths. */
  public ArtifactRequest request(Hybrid hybrid) {
    return new ArtifactRequest(
        "tiny",
        hybrid,
        checkpoints(),
        tokenizer,
        ImmutableList.of(ids(2, 12), ids(3, 5), ids(1, 1)),
        ImmutableMap.of("splice", 5L),
        ArtifactRequest.Options.DEFAULT);
  }

  private Tensor ids(int batch, int length) {
    return Tensor.ofLongs(
        Shape.of(batch, length),
        new Random(length).ints((long) batch * length, 0, vocabulary - 1).asLongStream().toArray());
  }
}
