package dev.manticore.compiler.progress;

import com.google.common.base.Ticker;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Hears how a run goes. Implementations write at most a few lines a second, never fail on account
 * of their output, and are used from one thread.
 */
public interface Progress {

  /** How a stage begins. */
  enum Beginning {
    /** It runs from its start. */
    FRESH,
    /** It goes on from what an interrupted run left. */
    RESUMED
  }

  /**
   * A stage is about to run.
   *
   * @param number counted from 1
   * @param of number of stages of the run
   */
  void stageStarted(String stage, int number, int of, Beginning beginning);

  /** A stage's result is there already. */
  void stageReused(String stage, int number, int of);

  /** A run with a budget of memory begins. */
  void memoryPlanned(MemoryReport report);

  /** A training step, or a unit of other work, is done. */
  void step(StepReport report);

  /** The stage last started is complete. */
  void stageFinished(String stage, Duration took);

  /** A trial of an experiment has come to its end; trials have no stages around them. */
  void trialEnded(TrialReport report);

  /** Nothing is to be done: the result in this directory is what the run would give. */
  void upToDate(Path result);

  /** Says nothing. */
  static Progress quiet() {
    return new QuietProgress();
  }

  /** One line that is rewritten in place; for a terminal of so many columns. */
  static Progress terminal(PrintStream out, int columns, Ticker ticker) {
    return new TerminalProgress(out, columns, ticker);
  }

  /** Whole lines, a few a minute; for logs. */
  static Progress lines(PrintStream out, Ticker ticker) {
    return new LineProgress(out, ticker);
  }

  /** One JSON object a line for every event; for programs. */
  static Progress json(PrintStream out) {
    return new JsonProgress(out);
  }
}
