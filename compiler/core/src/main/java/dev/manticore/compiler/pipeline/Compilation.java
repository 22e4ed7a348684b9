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
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.util.stream.Stream;

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

  public Path output() {
    return output;
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
    requireReplaceable();
    Path staging = sibling("partial");
    try {
      makeEmpty(staging);
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      runner.run(pipeline.stages());
      Pipeline.Summary summary = pipeline.publish(runner, staging);
      AtomicFiles.writeString(staging.resolve("recipe.yaml"), recipe.yaml(output));
      replaceOutput(staging);
      return summary;
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-OUTPUT",
          String.format(
              "cannot write the result to %s: %s; choose another directory with -o",
              output, WriteErrors.reason(e)),
          e);
    } finally {
      StageStore.delete(staging);
    }
  }

  private void requireReplaceable() {
    try {
      if (Files.isDirectory(output)) {
        try (Stream<Path> entries = Files.list(output)) {
          if (entries.findAny().isEmpty() || Files.exists(output.resolve(MANIFEST))) {
            return;
          }
        }
      } else if (Files.exists(output)) {
        throw new ManticoreException(
            "MNT-OUTPUT", output + " is not a directory; choose another place with -o");
      } else {
        return;
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-OUTPUT", String.format("%s cannot be read: %s", output, WriteErrors.reason(e)), e);
    }
    throw new ManticoreException(
        "MNT-OUTPUT",
        String.format(
            "%s is there and is not a result of Manticore (it has no %s); remove it, or choose"
                + " another directory with -o",
            output, MANIFEST));
  }

  private static void makeEmpty(Path directory) throws IOException {
    StageStore.delete(directory);
    Files.createDirectories(directory);
  }

  private void replaceOutput(Path staging) throws IOException {
    Path old = sibling("old");
    StageStore.delete(old);
    if (Files.exists(output)) {
      Files.move(output, old, StandardCopyOption.ATOMIC_MOVE);
    }
    Files.move(staging, output, StandardCopyOption.ATOMIC_MOVE);
    StageStore.delete(old);
  }

  private Path sibling(String suffix) {
    return output.resolveSibling("." + output.getFileName() + "." + suffix);
  }
}
