package dev.manticore.compiler.stages;

import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What the stages of one compile share: the recipe, what to train with, and the data, read once.
 */
final class Workshop {

  private final ResolvedRecipe resolved;
  private final Trainer trainer;
  private final Corpus corpus;

  Workshop(ResolvedRecipe resolved, Trainer trainer) {
    this.resolved = resolved;
    this.trainer = trainer;
    this.corpus = new Corpus(recipe().data(), recipe().seed());
  }

  Recipe recipe() {
    return resolved.recipe();
  }

  ResolvedRecipe resolved() {
    return resolved;
  }

  Trainer trainer() {
    return trainer;
  }

  Corpus corpus() {
    return corpus;
  }

  int seed(int repetition) {
    return recipe().seed() + repetition;
  }

  /** What training on the data depends on, the tokenizer aside. */
  StageInputs.Builder trainingInputs() {
    return trainer.describe(corpus.inputs());
  }

  /** Reads components from their directories and cuts them. */
  List<Component> components(List<Path> directories) {
    List<Component> components = new ArrayList<>();
    for (int k = 0; k < directories.size(); k++) {
      components.add(ModelFiles.component(recipe().components().get(k).name(), directories.get(k)));
    }
    return components;
  }

  /** Splices the components for one repetition. */
  Hybrid splice(List<Path> directories, Path tokenizer, int repetition) {
    Recipe.Splice splice = recipe().splice();
    SpliceOptions options =
        new SpliceOptions(
            splice.blocks(),
            splice.gates(),
            splice.projector().initialisation(),
            splice.embeddings(),
            splice.partition(),
            corpus.vocabulary(tokenizer),
            seed(repetition));
    List<Component> components = components(directories);
    for (Component component : components) {
      Stages.requireLength(component, corpus.length());
    }
    Hybrid hybrid = Splicer.splice(components, options);
    if (recipe().compare().components()) {
      components.forEach(component -> Stages.requireVocabulary(component, options.vocabulary()));
    }
    return hybrid;
  }
}
