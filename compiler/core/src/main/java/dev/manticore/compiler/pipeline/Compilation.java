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
import java.util.Optional;

/**
 * One {@code manticore compile}: a recipe, where its stages are kept, and where the result goes.
 */
public final class Compilation {

  private static final String MANIFEST = "manifest.json";
  static final String RECIPE = "recipe.yaml";

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
   * recipe in it. Where that is what the directory holds already, nothing is run or written.
   *
   * @throws ManticoreException {@code MNT-OUTPUT} when the output directory holds something else or
   *     cannot be written, found out before anything is computed where possible; {@code MNT-BUSY},
   *     {@code MNT-WRITE}, and what stages throw
   * @throws CancelledException when a stop was asked for
   */
  public Pipeline.Summary run(Progress progress, Cancellation cancellation, Clock clock) {
    Optional<Pipeline.Summary> earlier = upToDate();
    if (earlier.isPresent()) {
      progress.upToDate(output);
      return earlier.get();
    }
    try (OutputDirectory target = OutputDirectory.open(output, MANIFEST)) {
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      runner.run(pipeline.stages());
      Pipeline.Summary summary = publish(runner, target);
      target.commit();
      return summary;
    }
  }

  /**
   * What the compile that left the output directory came to, if another would leave the same. Where
   * stages have been cleaned away that is not so: whoever removes them wants them made again.
   */
  private Optional<Pipeline.Summary> upToDate() {
    if (!plan().stream().allMatch(stage -> stage.action() == StagePlan.Action.REUSE)) {
      return Optional.empty();
    }
    return Completion.read(output)
        .filter(earlier -> earlier.holds(pipeline, RECIPE, recipe.yaml(output), output))
        .map(Completion::summary);
  }

  private Pipeline.Summary publish(StageRunner runner, OutputDirectory target) {
    Path staging = target.staging();
    try {
      Pipeline.Summary summary = pipeline.publish(runner, staging);
      AtomicFiles.writeString(staging.resolve(RECIPE), recipe.yaml(output));
      AtomicFiles.writeString(
          staging.resolve(Completion.FILE), Completion.describe(pipeline, staging, summary).json());
      return summary;
    } catch (IOException e) {
      throw target.failure(e);
    }
  }
}
