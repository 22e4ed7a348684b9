package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

/**
 * What would be done for a stage.
 *
 * @param directory name of its directory in the store
 * @param why the reason, in words
 */
public record StagePlan(String stage, String directory, Action action, String why) {

  /** What is to be done. */
  public enum Action {
    /** Its result is there. */
    REUSE,
    /** An interrupted run is gone on with. */
    RESUME,
    /** It runs from its start. */
    RUN
  }

  public StagePlan {
    requireNonNull(stage, "stage");
    requireNonNull(directory, "directory");
    requireNonNull(action, "action");
    requireNonNull(why, "why");
  }
}
