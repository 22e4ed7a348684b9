package dev.manticore.compiler.progress;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.Locale;

/**
 * The state of a run after a step.
 *
 * @param run what is trained, such as {@code hybrid, seed 2}; may be empty
 * @param step steps done, counted from 1
 * @param steps steps in all
 * @param loss mean cross-entropy of the step in nats a token; NaN where there is none
 * @param tokensPerSecond rate; NaN while not known
 * @param remaining estimated time to the last step; zero while not known
 */
public record StepReport(
    String run, long step, long steps, double loss, double tokensPerSecond, Duration remaining) {

  public StepReport {
    requireNonNull(run, "run");
    checkArgument(0 <= step && step <= steps, "step %s of %s", step, steps);
    requireNonNull(remaining, "remaining");
  }

  boolean isLast() {
    return step == steps;
  }

  /** {@code Step 12/200: loss 2.3141, 5120 tokens/s, 0:42 left (hybrid, seed 2)}. */
  String text() {
    StringBuilder text = new StringBuilder(String.format("Step %d/%d:", step, steps));
    if (!Double.isNaN(loss)) {
      text.append(String.format(Locale.ROOT, " loss %.4f,", loss));
    }
    if (!Double.isNaN(tokensPerSecond)) {
      text.append(String.format(Locale.ROOT, " %.0f tokens/s,", tokensPerSecond));
    }
    if (!remaining.isZero()) {
      text.append(" ").append(Durations.clock(remaining)).append(" left,");
    }
    text.setLength(text.length() - 1);
    if (!run.isEmpty()) {
      text.append(" (").append(run).append(")");
    }
    return text.toString();
  }
}
