package dev.manticore.compiler.progress;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.base.Ticker;
import java.time.Duration;

/**
 * Measures the rate of a run from its steps, the first of which is left out since it warms up.
 * Times spent between {@link #pause} and {@link #resume}, in evaluation for one, count for the time
 * left but not for the rate.
 */
public final class StepMeter {

  private final Ticker ticker;
  private final String run;
  private final long steps;
  private final long firstStep;
  private final long start;
  private long rateStart;
  private long pausedAt;
  private long paused;
  private long tokens;
  private long counted;

  /**
   * @param firstStep steps done already, when a run goes on
   * @param steps steps in all
   */
  public StepMeter(Ticker ticker, String run, long firstStep, long steps) {
    checkArgument(0 <= firstStep && firstStep <= steps, "step %s of %s", firstStep, steps);
    this.ticker = ticker;
    this.run = run;
    this.firstStep = firstStep;
    this.steps = steps;
    this.start = ticker.read();
    this.rateStart = start;
  }

  /** Stops the clock of the rate. */
  public void pause() {
    pausedAt = ticker.read();
  }

  /** Lets the clock of the rate go on. */
  public void resume() {
    paused += ticker.read() - pausedAt;
  }

  /**
   * A step is done.
   *
   * @param step counted from 1
   * @param stepTokens tokens of the step
   */
  public StepReport step(long step, double loss, long stepTokens) {
    long now = ticker.read();
    if (step == firstStep + 1) {
      rateStart = now;
      paused = 0;
    } else {
      tokens += stepTokens;
      counted++;
    }
    double seconds = (now - rateStart - paused) / 1e9;
    double rate = counted == 0 || seconds <= 0 ? Double.NaN : tokens / seconds;
    double perStep = counted == 0 ? now - start : (now - rateStart) / (double) counted;
    Duration remaining = Duration.ofNanos((long) (perStep * (steps - step)));
    return new StepReport(run, step, steps, loss, rate, remaining);
  }
}
