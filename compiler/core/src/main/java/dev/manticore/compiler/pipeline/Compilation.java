package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;

/**
 * One {@code manticore compile}: a recipe, where its stages are kept, and where the result goes.
 */
public final class Compilation {

  private static final String MANIFEST = "manifest.json";

  private final ResolvedRecipe recipe;
  private final Pipeline pipeline;
  private final StageStore store;
  private final Path output;

  /**
   * @param work directory of the stage store
   * @param output directory that the artifact becomes; one that holds an earlier artifact is
   *     replaced
   */
  public Compilation(ResolvedRecipe recipe, Pipeline.Factory factory, Path work, Path output) {
    this.recipe = requireNonNull(recipe, "recipe");
    this.pipeline = factory.create(recipe);
    this.store = new StageStore(work);
    this.output = output.toAbsolutePath().normalize();
  }

  /** What {@link #run} would do. */
  public ImmutableList<StagePlan> plan() {
    return store.plan(pipeline.stages());
  }

  /** Removes from the store what this compilation does not use; returns the names removed. */
  public ImmutableList<String> clean() {
    return store.clean(new StageStore.AllBut(pipeline.stages()));
  }

  /**
   * Runs what is to be run and replaces the output directory by the new artifact, with the resolved
   * recipe in it.
   *
   * @throws ManticoreException {@code MNT-OUTPUT} when the output directory holds something else or
   *     cannot be written, found out before anything is computed where possible; {@code MNT-BUSY},
   *     {@code MNT-WRITE}, and what stages throw
   * @throws CancelledException when a stop was asked for
   */
  public Pipeline.Summary run(Progress progress, Cancellation cancellation, Clock clock) {
    try (OutputDirectory target = OutputDirectory.open(output, MANIFEST)) {
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      runner.run(pipeline.stages());
      Pipeline.Summary summary = publish(runner, target);
      AtomicFiles.writeString(target.staging().resolve("recipe.yaml"), recipe.yaml(output));
      target.commit();
      return summary;
    }
  }

  private Pipeline.Summary publish(StageRunner runner, OutputDirectory target) {
    try {
      return pipeline.publish(runner, target.staging());
    } catch (IOException e) {
      throw target.failure(e);
    }
  }
}
