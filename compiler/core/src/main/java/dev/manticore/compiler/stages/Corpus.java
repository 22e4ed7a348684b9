package dev.manticore.compiler.stages;

import com.google.common.base.Supplier;
import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.GeneratedText;
import dev.manticore.compiler.data.Instructions;
import dev.manticore.compiler.data.JsonLines;
import dev.manticore.compiler.data.PlainText;
import dev.manticore.compiler.data.TextSource;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The text that models are trained on; tokenized and divided once for each tokenizer. */
final class Corpus {

  /** Documents of a slice, in characters: enough for a loss that is steady to a hundredth. */
  private static final int SLICE_CHARACTERS = 120_000;

  /** The slice that is the end of what is held out, where one is kept for the end. */
  static final String TEST = "test";

  private final Recipe.Data data;
  private final int seed;
  private final TextSource source;
  private final Map<Path, Supplier<Loaded>> loaded = new HashMap<>();

  /** The data, tokenized and divided. */
  private record Loaded(
      int vocabulary,
      Optional<int[]> byteLengths,
      DatasetSplit split,
      ImmutableMap<String, TokenDataset> slices) {}

  /**
   * @param seed chooses what is held out
   */
  Corpus(Recipe.Data data, int seed) {
    this.data = data;
    this.seed = seed;
    this.source = source(data.source());
  }

  TextSource source() {
    return source;
  }

  /** What the text is, wherever it lies. */
  String title() {
    if (source instanceof PlainText text) {
      return String.valueOf(text.file().getFileName());
    }
    if (source instanceof Instructions instructions) {
      return String.valueOf(instructions.file().getFileName());
    }
    return source instanceof JsonLines lines
        ? String.valueOf(lines.file().getFileName())
        : source.description();
  }

  /** Tokens of a sequence. */
  int length() {
    return data.length();
  }

  private static TextSource source(Recipe.DataSource data) {
    if (data instanceof Recipe.Generated generated) {
      return new GeneratedText(
          CorpusGenerator.Kind.valueOf(generated.generator().toUpperCase(Locale.ROOT)),
          generated.seed(),
          generated.characters());
    }
    if (data instanceof Recipe.TextFile text) {
      return new PlainText(text.file(), PlainText.Splitting.END_OF_TEXT);
    }
    if (data instanceof Recipe.InstructionFile instructions) {
      return new Instructions(
          instructions.file(),
          instructions.prompt(),
          instructions.response(),
          instructions.separator());
    }
    Recipe.JsonLines lines = (Recipe.JsonLines) data;
    return new JsonLines(lines.file(), lines.fields());
  }

  private Loaded load(Path tokenizer) {
    return loaded.computeIfAbsent(tokenizer, file -> Suppliers.memoize(() -> read(file))).get();
  }

  private Loaded read(Path file) {
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      int vocabulary = tokenizer.vocabularySize();
      DatasetSplit.Options options =
          new DatasetSplit.Options(data.length(), data.buckets(), vocabulary, data.holdout(), seed);
      ImmutableMap.Builder<String, TokenDataset> slices = ImmutableMap.builder();
      if (source instanceof GeneratedText generated
          && generated.kind() == CorpusGenerator.Kind.MIXED) {
        for (CorpusGenerator.Kind kind :
            List.of(CorpusGenerator.Kind.RECALL, CorpusGenerator.Kind.TRACKING)) {
          // Passages of one kind from a seed of their own: none of them is in the training data.
          GeneratedText slice = new GeneratedText(kind, ~generated.seed(), SLICE_CHARACTERS);
          DatasetSplit.Options half = new DatasetSplit.Options(data.length(), vocabulary, 0.5, 0);
          slices.put(
              kind.name().toLowerCase(Locale.ROOT),
              DatasetSplit.of(slice, tokenizer, half).heldOut());
        }
      }
      DatasetSplit split = DatasetSplit.of(source, tokenizer, options);
      if (data.test() > 0) {
        List<TokenDataset> parts = split.heldOut().parts(data.test());
        split = new DatasetSplit(split.training(), parts.get(0));
        slices.put(TEST, parts.get(1));
      }
      return new Loaded(vocabulary, tokenizer.byteLengths(), split, slices.buildOrThrow());
    }
  }

  DatasetSplit split(Path tokenizer) {
    return load(tokenizer).split();
  }

  /**
   * What models are measured on when they are trained: held-out parts of one kind each, of a corpus
   * that is made of kinds, and {@link #TEST} where it is kept.
   */
  ImmutableMap<String, TokenDataset> slices(Path tokenizer) {
    return load(tokenizer).slices();
  }

  /** What results are reported on: the part for tests where one is kept, else all held-out data. */
  TokenDataset reported(Path tokenizer) {
    Loaded all = load(tokenizer);
    return all.slices().getOrDefault(TEST, all.split().heldOut());
  }

  /** {@link Tokenizer#byteLengths}. */
  Optional<int[]> byteLengths(Path tokenizer) {
    return load(tokenizer).byteLengths();
  }

  /** Whether sequences are examples of their own, each with an answer of its own. */
  boolean hasExamples() {
    return source instanceof Instructions;
  }

  int vocabulary(Path tokenizer) {
    return load(tokenizer).vocabulary();
  }

  /** What the data sets depend on, the tokenizer aside. */
  StageInputs.Builder inputs() {
    StageInputs.Builder inputs =
        StageInputs.builder()
            .value("data", source.fingerprint())
            .value("length", Integer.toString(data.length()))
            .value("holdout", Double.toString(data.holdout()))
            .value("split_seed", Integer.toString(seed));
    if (data.buckets() > 1) {
      inputs.value("buckets", Integer.toString(data.buckets()));
    }
    return data.test() > 0 ? inputs.value("test", Double.toString(data.test())) : inputs;
  }
}
