package dev.manticore.compiler.pipeline;

import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;

/** What a running stage may use. */
public interface StageContext {

  /** Where the result goes. */
  Path directory();

  /**
   * A directory for what the stage needs to go on after an interruption; removed when the stage is
   * complete.
   */
  Path checkpoints();

  Progress progress();

  /** To be asked at every step boundary. */
  Cancellation cancellation();

  /**
   * The result of an earlier stage.
   *
   * @throws IllegalArgumentException when the stage is not named in {@link Stage#inputs}
   * @throws ManticoreException {@code MNT-STAGE} when it cannot be read
   */
  <R> R result(Stage<R> earlier);
}
