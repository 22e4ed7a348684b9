package dev.manticore.compiler.stages;

import dev.manticore.compiler.pipeline.Compilation;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;

/** A compile in a process of its own, which tells its events on standard output, to be killed. */
final class CompileInProcess {

  private CompileInProcess() {}

  /**
   * @param args the directory that holds {@code recipe.yaml}, and where to work; and the
   *     milliseconds between checkpoints
   */
  public static void main(String[] args) {
    compile(Path.of(args[0]), Long.parseLong(args[1]), Progress.json(System.out));
  }

  static void compile(Path directory, long checkpointMillis, Progress progress) {
    new Compilation(
            new RecipeReader(directory).read(directory.resolve("recipe.yaml"), List.of()),
            recipe ->
                CompilePipeline.of(
                    recipe, Devices.byName("cpu"), Duration.ofMillis(checkpointMillis)),
            directory.resolve("work"),
            directory.resolve("output"))
        .run(progress, new Cancellation(), Clock.systemUTC());
  }
}
