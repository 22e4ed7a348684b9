package dev.manticore.compiler.stages;

import com.google.common.base.Supplier;
import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.GeneratedText;
import dev.manticore.compiler.data.JsonLines;
import dev.manticore.compiler.data.PlainText;
import dev.manticore.compiler.data.TextSource;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What the stages of one compile share: the recipe, the device, and the data, read once. */
final class Workshop {

  /** Documents of a slice, in characters: enough for a loss that is steady to a hundredth. */
  private static final int SLICE_CHARACTERS = 120_000;

  private final ResolvedRecipe resolved;
  private final Device device;
  private final TextSource source;

  Workshop(ResolvedRecipe resolved, Device device) {
    this.resolved = resolved;
    this.device = device;
    this.source = source(recipe().data().source());
  }

  Recipe recipe() {
    return resolved.recipe();
  }

  ResolvedRecipe resolved() {
    return resolved;
  }

  Device device() {
    return device;
  }

  TextSource source() {
    return source;
  }

  int threads() {
    return recipe().threads() == 0
        ? Runtime.getRuntime().availableProcessors()
        : recipe().threads();
  }

  int seed(int repetition) {
    return recipe().seed() + repetition;
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
    Recipe.JsonLines lines = (Recipe.JsonLines) data;
    return new JsonLines(lines.file(), lines.fields());
  }

  /** The data, tokenized and divided. */
  private record Loaded(
      int vocabulary, DatasetSplit split, ImmutableMap<String, TokenDataset> slices) {}

  private final Map<Path, Supplier<Loaded>> loaded = new HashMap<>();

  private Loaded load(Path tokenizer) {
    return loaded.computeIfAbsent(tokenizer, file -> Suppliers.memoize(() -> read(file))).get();
  }

  private Loaded read(Path file) {
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      int vocabulary = tokenizer.vocabularySize();
      DatasetSplit.Options options =
          new DatasetSplit.Options(
              recipe().data().length(), vocabulary, recipe().data().holdout(), recipe().seed());
      ImmutableMap.Builder<String, TokenDataset> slices = ImmutableMap.builder();
      if (source instanceof GeneratedText generated
          && generated.kind() == CorpusGenerator.Kind.MIXED) {
        for (CorpusGenerator.Kind kind :
            List.of(CorpusGenerator.Kind.RECALL, CorpusGenerator.Kind.TRACKING)) {
          // Passages of one kind from a seed of their own: none of them is in the training data.
          GeneratedText slice = new GeneratedText(kind, ~generated.seed(), SLICE_CHARACTERS);
          DatasetSplit.Options half =
              new DatasetSplit.Options(recipe().data().length(), vocabulary, 0.5, 0);
          slices.put(
              kind.name().toLowerCase(Locale.ROOT),
              DatasetSplit.of(slice, tokenizer, half).heldOut());
        }
      }
      return new Loaded(
          vocabulary, DatasetSplit.of(source, tokenizer, options), slices.buildOrThrow());
    }
  }

  DatasetSplit data(Path tokenizer) {
    return load(tokenizer).split();
  }

  ImmutableMap<String, TokenDataset> slices(Path tokenizer) {
    return load(tokenizer).slices();
  }

  int vocabulary(Path tokenizer) {
    return load(tokenizer).vocabulary();
  }

  /** What training on the data depends on, the tokenizer aside. */
  StageInputs.Builder dataInputs() {
    return StageInputs.builder()
        .value("data", source.fingerprint())
        .value("length", Integer.toString(recipe().data().length()))
        .value("holdout", Double.toString(recipe().data().holdout()))
        .value("split_seed", Integer.toString(recipe().seed()))
        .value("threads", Integer.toString(threads()))
        .value("device", device.name());
  }

  /** Reads components from their directories and cuts them. */
  List<Component> components(List<Path> directories) {
    List<Component> components = new ArrayList<>();
    for (int k = 0; k < directories.size(); k++) {
      components.add(
          ComponentFinder.find(
              recipe().components().get(k).name(), Models.load(directories.get(k))));
    }
    return components;
  }

  /** Splices the components for one repetition. */
  Hybrid splice(List<Path> directories, int vocabulary, int repetition) {
    Recipe.Splice splice = recipe().splice();
    ImmutableList.Builder<ImmutableList<SpliceOptions.LayerRange>> partition =
        ImmutableList.builder();
    splice
        .partition()
        .forEach(
            ranges ->
                partition.add(
                    ranges.stream()
                        .map(range -> new SpliceOptions.LayerRange(range.from(), range.to()))
                        .collect(ImmutableList.toImmutableList())));
    SpliceOptions options =
        new SpliceOptions(
            splice.blocks(),
            SpliceOptions.Gates.valueOf(splice.gates().name()),
            SpliceOptions.ProjectorInitialisation.valueOf(
                splice.projector().initialisation().name()),
            SpliceOptions.Embeddings.valueOf(splice.embeddings().name()),
            partition.build(),
            vocabulary,
            seed(repetition));
    return Splicer.splice(components(directories), options);
  }

  Optional<String> generator() {
    return source instanceof GeneratedText generated
        ? Optional.of(generated.kind().name().toLowerCase(Locale.ROOT))
        : Optional.empty();
  }
}
