package dev.manticore.compiler.stages;

import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.ProjectorFiles;
import dev.manticore.compiler.hybrid.Pruner;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.hybrid.Vocabularies;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.training.Evaluator;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

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

  /**
   * Splices the components for one repetition.
   *
   * @param projectors a directory of trained ones to start from; empty to initialise them
   */
  Hybrid splice(List<Path> directories, Path tokenizer, Optional<Path> projectors, int repetition) {
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
    List<Component> given = components(directories);
    List<Component> components = new ArrayList<>();
    for (int k = 0; k < directories.size(); k++) {
      Component component =
          Vocabularies.fit(given.get(k), directories.get(k), tokenizer, splice.embeddings());
      Stages.requireLength(component, corpus.length());
      components.add(component);
    }
    Hybrid hybrid = Splicer.splice(components, options);
    if (recipe().compare().components()) {
      for (int k = 0; k < components.size(); k++) {
        requireAlone(components.get(k), directories.get(k), tokenizer);
      }
    }
    return projectors.isPresent()
        ? ProjectorFiles.read(projectors.get(), hybrid, given, tokenizer)
        : hybrid;
  }

  /** The components as they are in their checkpoints. */
  List<Component> components(List<Path> directories) {
    List<Component> components = new ArrayList<>();
    for (int k = 0; k < directories.size(); k++) {
      String name = recipe().components().get(k).name();
      components.add(ModelFiles.component(name, directories.get(k)));
    }
    return components;
  }

  /** What a runtime would refuse is known before anything is trained, and not only at the end. */
  void requireDeployable(Hybrid hybrid) {
    Recipe.Output output = recipe().output();
    Lowering.forTarget(hybrid.graph(), output.target(), output.precision());
    Lowering.forTarget(
        DecoderBuilder.build(hybrid.graph()).graph(),
        output.deployment().decoderTarget(),
        output.precision());
  }

  /** The hybrid of one repetition as it is tuned: with the mixture weights found, discretised. */
  Hybrid found(
      List<Path> directories,
      Path tokenizer,
      Optional<Path> projectors,
      int repetition,
      Map<String, Tensor> alpha) {
    Hybrid hybrid =
        HybridFiles.withParameters(splice(directories, tokenizer, projectors, repetition), alpha);
    Recipe.Discretisation discretisation = recipe().search().discretisation();
    return switch (discretisation.keeping()) {
      case NONE -> hybrid;
      case ARGMAX -> Pruner.argmax(hybrid);
      case THRESHOLD -> Pruner.threshold(hybrid, discretisation.threshold());
    };
  }

  /** A component as it is tuned alone: on the same text, so with the same tokenizer. */
  Component alone(String name, Path place, Path tokenizer) {
    Component component =
        Vocabularies.fit(
            ModelFiles.component(name, place), place, tokenizer, recipe().splice().embeddings());
    Stages.requireLength(component, corpus.length());
    requireAlone(component, place, tokenizer);
    return component;
  }

  /**
   * Puts a model where it can be measured on parts of the corpus.
   *
   * @param parameters values for those of the model's parameters that are named here
   */
  Evaluator evaluator(Graph model, Map<String, Tensor> parameters) {
    return Evaluator.open(
        trainer.device(),
        model,
        parameters,
        recipe().tune().batch(),
        corpus.length(),
        trainer.threads());
  }

  private void requireAlone(Component component, Path place, Path tokenizer) {
    Stages.requireVocabulary(component, corpus.vocabulary(tokenizer));
    if (recipe().splice().embeddings() == Embeddings.FRESH) {
      Vocabularies.requireSame(
          component,
          place,
          tokenizer,
          "it is to be tuned alone too, with its own table: set compare.components=false, or"
              + " splice.embeddings=merged");
    }
  }
}
