package dev.manticore.compiler.experiment;

import com.google.common.collect.ImmutableList;
import java.util.OptionalDouble;

/** Made-up outcomes. */
public final class Outcomes {

  private Outcomes() {}

  /** A trial of a model with one component, by its losses. */
  public static Outcome of(String group, String model, int seed, double validation, double test) {
    return new Outcome(
        group,
        model,
        seed,
        100_000,
        200,
        409_600,
        ImmutableList.of(),
        ImmutableList.of(),
        measures(validation),
        measures(test));
  }

  /** A trial of a hybrid of two blocks, which has twice the parameters. */
  public static Outcome hybrid(
      String group, int seed, double test, ImmutableList<String> components, double weight) {
    return new Outcome(
        group,
        "hybrid",
        seed,
        200_000,
        200,
        409_600,
        ImmutableList.of(
            ImmutableList.of(weight, 1 - weight), ImmutableList.of(1 - weight, weight)),
        components,
        measures(test),
        measures(test));
  }

  private static Measures measures(double loss) {
    return new Measures(
        loss, Math.exp(-loss), Math.exp(-loss) * 0.9, Math.exp(-2 * loss), OptionalDouble.empty());
  }
}
