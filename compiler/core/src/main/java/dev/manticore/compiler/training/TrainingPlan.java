package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.Graph;
import java.util.function.Predicate;

/**
 * What a run of the optimizer does.
 *
 * @param schedule steps, batch, AdamW's constants, clipping and the schedule of the learning rates
 * @param length tokens of a sequence
 * @param groups what is trained; parameters in no group are frozen
 */
public record TrainingPlan(Recipe.Training schedule, int length, ImmutableList<GroupPlan> groups) {

  /** A group with its own rate, in the units of AdamW, and decay. */
  public record GroupPlan(ParameterGroup group, double learningRate, double weightDecay) {}

  /** One group of all parameters that are chosen. */
  public static TrainingPlan of(
      Graph model, Recipe.Training schedule, int length, Predicate<String> trained) {
    return new TrainingPlan(schedule, length, ImmutableList.of(weights(model, schedule, trained)));
  }

  static GroupPlan weights(Graph model, Recipe.Training schedule, Predicate<String> trained) {
    return new GroupPlan(
        DecayRule.group("weights", model, trained),
        schedule.learningRate(),
        schedule.weightDecay());
  }

  /** The chosen weights, and the mixture weights at a rate of their own and without decay. */
  public static TrainingPlan search(
      Graph model,
      Recipe.Training schedule,
      int length,
      Predicate<String> alpha,
      double alphaRate) {
    GroupPlan mixture = new GroupPlan(DecayRule.group("alpha", model, alpha), alphaRate, 0);
    return new TrainingPlan(
        schedule, length, ImmutableList.of(weights(model, schedule, alpha.negate()), mixture));
  }

  ImmutableList<ParameterGroup> parameterGroups() {
    return groups.stream().map(GroupPlan::group).collect(ImmutableList.toImmutableList());
  }

  /**
   * The factor of all learning rates at a step: linear warm-up from 0, then the schedule down to 0.
   *
   * @param step counted from 0
   */
  public double rateFactor(int step) {
    int warmup = schedule.warmup();
    if (step < warmup) {
      return (step + 1.0) / (warmup + 1.0);
    }
    double done = (double) (step - warmup) / Math.max(1, schedule.steps() - warmup);
    return switch (schedule.schedule()) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - done;
      case COSINE -> 0.5 * (1 + StrictMath.cos(Math.PI * done));
    };
  }
}
