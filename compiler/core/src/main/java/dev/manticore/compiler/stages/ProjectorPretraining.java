package dev.manticore.compiler.stages;

import dev.manticore.compiler.hybrid.ProjectorFiles;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.StageStore;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Locale;

/**
 * Trains the projectors of a recipe, as its compile would before the search, and writes them as a
 * directory of {@link ProjectorFiles} that other recipes can start from. The stages are those of
 * the compile, kept in the same place: whichever comes second finds them done.
 */
public final class ProjectorPretraining {

  private final CompilePipeline pipeline;
  private final ProjectorStage stage;
  private final StageStore store;
  private final Path output;

  /**
   * Trained projectors.
   *
   * @param directory one of {@link ProjectorFiles}
   * @param steps of the optimizer
   * @param before held-out loss of the first evaluation, before any step, in nats a token
   * @param after the same of the last, over all held-out data
   */
  public record Result(Path directory, int steps, double before, double after) {
    /** What the training came to, in a sentence. */
    public String text() {
      return String.format(
          Locale.ROOT,
          "Projectors: held-out loss %.4f nats a token before, %.4f after %d steps with frozen"
              + " components.",
          before,
          after,
          steps);
    }
  }

  /**
   * @param work directory of the stage store
   * @param output the directory that the projectors become; one that holds earlier ones is replaced
   * @throws ManticoreException {@code MNT-PROJECTORS} if the recipe does not train projectors, and
   *     what reading its files throws
   */
  public ProjectorPretraining(ResolvedRecipe recipe, Device device, Path work, Path output) {
    this.pipeline = CompilePipeline.of(recipe, device);
    this.stage =
        pipeline
            .projectors()
            .orElseThrow(
                () ->
                    new ManticoreException(
                        "MNT-PROJECTORS",
                        "the recipe '"
                            + recipe.recipe().name()
                            + "' trains no projectors: give it a section such as projectors: {steps:"
                            + " 200}, or --set projectors.steps=200"));
    this.store = new StageStore(work);
    this.output = output;
  }

  /**
   * Trains, or goes on training, and puts the projectors in their place.
   *
   * @throws ManticoreException {@code MNT-OUTPUT} when the output directory holds something else or
   *     cannot be written; and what stages throw
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for
   */
  public Result run(Progress progress, Cancellation cancellation, Clock clock) {
    try (OutputDirectory target = OutputDirectory.open(output, ProjectorFiles.DESCRIPTION)) {
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      runner.run(pipeline.stages().subList(0, pipeline.stages().indexOf(stage) + 1));
      Result trained = runner.result(stage);
      try {
        for (String file : ProjectorFiles.FILES) {
          Files.copy(trained.directory().resolve(file), target.staging().resolve(file));
        }
      } catch (IOException e) {
        throw target.failure(e);
      }
      target.commit();
      return new Result(output, trained.steps(), trained.before(), trained.after());
    }
  }
}
