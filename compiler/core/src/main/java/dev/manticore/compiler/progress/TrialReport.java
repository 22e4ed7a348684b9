package dev.manticore.compiler.progress;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.Locale;

/**
 * A trial of an experiment has come to its end.
 *
 * @param trial its name
 * @param number trials that have ended, this one included
 * @param of trials in all
 * @param end how it ended
 * @param took what this run spent on it
 * @param remaining estimated time to the end of the last trial; zero while not known
 */
public record TrialReport(
    String trial, int number, int of, End end, Duration took, Duration remaining) {

  /** How a trial ends. */
  public enum End {
    DONE,
    /** An earlier run has done it. */
    REUSED,
    FAILED
  }

  public TrialReport {
    requireNonNull(trial, "trial");
    checkArgument(1 <= number && number <= of, "trial %s of %s", number, of);
    requireNonNull(end, "end");
    requireNonNull(took, "took");
    requireNonNull(remaining, "remaining");
  }

  /** {@code trial 7/90 recall-mamba-2: done, 12 s (18:20 left)}. */
  String text() {
    String text = String.format(Locale.ROOT, "trial %d/%d %s: ", number, of, trial);
    if (end == End.REUSED) {
      return text + "done before";
    }
    text += (end == End.DONE ? "done, " : "failed, ") + Durations.words(took);
    return remaining.isZero() ? text : text + " (" + Durations.clock(remaining) + " left)";
  }
}
