package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.Recipe.SearchUpdates;
import dev.manticore.ir.Graph;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What a run of the optimizer does.
 *
 * @param schedule steps, batch, AdamW's constants, clipping and the schedule of the learning rates
 * @param length tokens of a sequence
 * @param groups what is trained; parameters in no group are frozen
 * @param search how mixture weights are searched beside it, if they are
 */
public record TrainingPlan(
    Recipe.Training schedule,
    int length,
    ImmutableList<GroupPlan> groups,
    Optional<Mixtures> search) {

  /**
   * Mixture weights that are searched: inputs of step graphs, which give the gradient by them.
   *
   * @param alphas parameters whose softmax they are, one a block
   * @param components that each block mixes
   */
  public record Mixtures(Recipe.Search settings, ImmutableList<String> alphas, int components) {

    /** Whether mixture weights have steps of their own. */
    boolean apart() {
      return settings.updates() != SearchUpdates.SIMULTANEOUS;
    }

    boolean secondOrder() {
      return settings.updates() == SearchUpdates.BILEVEL_SECOND_ORDER;
    }

    /** Whether they have data of their own. */
    boolean bilevel() {
      return settings.updates() == SearchUpdates.BILEVEL || secondOrder();
    }
  }

  /** A group with its own rate, in the units of AdamW, and decay. */
  public record GroupPlan(ParameterGroup group, double learningRate, double weightDecay) {}

  /** One group of all parameters that are chosen. */
  public static TrainingPlan of(
      Graph model, Recipe.Training schedule, int length, Predicate<String> trained) {
    return new TrainingPlan(
        schedule, length, ImmutableList.of(weights(model, schedule, trained)), Optional.empty());
  }

  static GroupPlan weights(Graph model, Recipe.Training schedule, Predicate<String> trained) {
    return new GroupPlan(
        DecayRule.group("weights", model, trained),
        schedule.learningRate(),
        schedule.weightDecay());
  }

  /** All weights, and mixture weights beside them. */
  public static TrainingPlan search(
      Graph model, Recipe.Search search, int length, List<String> alphas) {
    int components =
        Math.toIntExact(model.parameter(alphas.get(0)).orElseThrow().shape().elementCount());
    return new TrainingPlan(
        search.training(),
        length,
        ImmutableList.of(weights(model, search.training(), name -> !alphas.contains(name))),
        Optional.of(new Mixtures(search, ImmutableList.copyOf(alphas), components)));
  }

  ImmutableList<String> mixtures() {
    return search.map(Mixtures::alphas).orElse(ImmutableList.of());
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
