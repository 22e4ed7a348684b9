package dev.manticore.compiler.progress;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;

/**
 * One measurement of a run. It holds nothing that differs between two equal runs: no times, no
 * rates.
 *
 * @param stage the stage, such as {@code search}
 * @param run what is trained, such as {@code hybrid} or a component's name
 * @param seed the seed of the repetition
 * @param step optimizer steps done
 * @param split what the loss was measured on
 * @param loss mean cross-entropy in nats a token
 * @param alpha mixture weights after softmax, [block][component]; empty where there are none
 * @param learningRate learning rate of the step; 0 for held-out measurements
 * @param tokens tokens trained on so far
 */
public record MetricRecord(
    String stage,
    String run,
    int seed,
    long step,
    Split split,
    double loss,
    ImmutableList<ImmutableList<Double>> alpha,
    double learningRate,
    long tokens) {

  /** The part of the data. */
  public enum Split {
    TRAIN,
    HELD_OUT
  }

  public MetricRecord {
    requireNonNull(stage, "stage");
    requireNonNull(run, "run");
    checkArgument(step >= 0, "step is %s", step);
    requireNonNull(split, "split");
    requireNonNull(alpha, "alpha");
  }
}
