package dev.manticore.compiler.stages;

import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Brings the tokenizer: copies the named one, or trains one on the data. */
final class TokenizerStage implements Stage<Path> {

  private static final String FILE = "tokenizer.json";

  private final Corpus corpus;
  private final Recipe.TokenizerSource source;
  private final StageInputs inputs;

  TokenizerStage(Corpus corpus, Recipe.TokenizerSource source) {
    this.corpus = corpus;
    this.source = source;
    StageInputs.Builder builder = StageInputs.builder();
    if (source instanceof Recipe.TrainedTokenizer trained) {
      builder.value("data", corpus.source().fingerprint());
      builder.value("vocabulary", Integer.toString(trained.vocabulary()));
    } else {
      builder.file("tokenizer", file(source));
    }
    this.inputs = builder.build();
  }

  private static Path file(Recipe.TokenizerSource source) {
    Path file =
        source instanceof Recipe.TokenizerFile named
            ? named.file()
            : ((Recipe.TokenizerOfComponent) source).file();
    if (!Files.isRegularFile(file)) {
      throw new ManticoreException(
          "MNT-TOKENIZER",
          file
              + " is not there: name a tokenizer.json with data.tokenizer, or train one: data.tokenizer: {train: {vocabulary: 512}}");
    }
    return file;
  }

  @Override
  public String name() {
    return "tokenizer";
  }

  @Override
  public int version() {
    return 1;
  }

  @Override
  public StageInputs inputs() {
    return inputs;
  }

  @Override
  public void run(StageContext context) throws IOException {
    Path target = context.directory().resolve(FILE);
    if (source instanceof Recipe.TrainedTokenizer trained) {
      List<String> documents = new ArrayList<>();
      corpus.source().read(documents::add);
      BpeTrainer.train(documents, trained.vocabulary()).writeTo(target);
    } else {
      AtomicFiles.writeBytes(target, Files.readAllBytes(file(source)));
    }
    Tokenizer.load(target).close();
  }

  @Override
  public Path result(Path directory) {
    return directory.resolve(FILE);
  }
}
