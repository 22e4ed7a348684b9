package dev.manticore.compiler.pipeline;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A step of a run that turns inputs into files. Equal inputs must give equal files, so that a
 * result can be kept under the hash of its inputs.
 *
 * @param <R> what later stages read from the files
 */
public interface Stage<R> {

  /** Name of the stage and its directory: lower-case letters, digits and dashes. */
  String name();

  /** Number of the stage's behaviour, raised whenever equal inputs would give other files. */
  int version();

  /** All that the result depends on; asked for often, so computed once. */
  StageInputs inputs();

  /**
   * Writes the result into {@link StageContext#directory}. The directory may hold what an
   * interrupted run of the same stage with the same inputs left; the stage goes on from its own
   * checkpoints there, or overwrites what it finds.
   *
   * @throws IOException when the directory cannot be written
   */
  void run(StageContext context) throws IOException;

  /**
   * Reads the result from a complete directory.
   *
   * @throws IOException when it cannot be read
   */
  R result(Path directory) throws IOException;
}
