package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.onnx.huggingface.Models;

/** What a recipe's components are. */
public final class Families {

  /** Enough for a model to be drawn that is only looked at. */
  private static final int VOCABULARY = 8;

  private Families() {}

  /**
   * The families of the components, in their order; models are read, but not trained.
   *
   * @throws dev.manticore.ir.ManticoreException as reading a model does
   */
  public static ImmutableList<Component.Family> of(Recipe recipe) {
    return recipe.components().stream()
        .map(component -> component(component).family())
        .collect(ImmutableList.toImmutableList());
  }

  private static Component component(Recipe.Component component) {
    String name = component.name();
    if (component.source() instanceof Recipe.Pretrained pretrained) {
      return ModelFiles.component(name, pretrained.place());
    }
    String configuration = ((Recipe.FromScratch) component.source()).configuration();
    return ComponentFinder.find(
        name, Models.fresh(name, Stages.withVocabulary(name, configuration, VOCABULARY), 0));
  }
}
