package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import java.io.IOException;
import java.nio.file.Path;

/** What a recipe asks for: stages, and the artifact made of their results. */
public interface Pipeline {

  /** Makes the pipeline of a recipe. */
  interface Factory {
    Pipeline create(ResolvedRecipe recipe);
  }

  /** All stages, each after those that it reads. */
  ImmutableList<Stage<?>> stages();

  /**
   * Writes the artifact, {@code manifest.json} last.
   *
   * @param results gives the results of all stages
   * @param directory empty; it becomes the output directory when this returns
   * @throws IOException when the directory cannot be written
   */
  Summary publish(StageRunner results, Path directory) throws IOException;

  /**
   * What a compile came to.
   *
   * @param text for people, one or more lines
   * @param json for programs, one line holding one JSON object
   */
  record Summary(String text, String json) {
    public Summary {
      requireNonNull(text, "text");
      requireNonNull(json, "json");
    }
  }
}
