package dev.manticore.compiler.trial;

import com.google.common.base.Joiner;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableListMultimap;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Multimaps;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Mixture weights that small hybrids found on cheap tasks, for a large hybrid on which nothing is
 * searched (paper.md §4.6, of which the original does the averaging and the carrying over by hand).
 *
 * @param families what the weights are of, in their order
 * @param weights [block][family], of sum 1 a block
 */
public record Programming(
    ImmutableList<Component.Family> families, ImmutableList<ImmutableList<Double>> weights) {

  /** Of what the hybrids of {@link TaskModel} are made of. */
  private static final ImmutableMap<String, Component.Family> FAMILIES =
      ImmutableMap.of(
          Architecture.GPT_NEO.toString(),
          Component.Family.TRANSFORMER,
          Architecture.MAMBA.toString(),
          Component.Family.STATE_SPACE);

  /**
   * The mean over the seeds of each task, then the mean over tasks.
   *
   * @param outcomes of hybrids of a GPT-Neo and a Mamba, all of the same number of blocks; others
   *     are passed over
   * @param taskWeights how much tasks count, by name; one that is not named counts 1
   * @throws ManticoreException {@code MNT-PROGRAM} if there are no such outcomes, or a task that is
   *     named is not among them, or none counts
   */
  public static Programming of(List<Outcome> outcomes, Map<String, Double> taskWeights) {
    ImmutableListMultimap<String, Outcome> byTask =
        Multimaps.index(
            outcomes.stream().filter(outcome -> !outcome.mixture().isEmpty()).toList(),
            Outcome::group);
    if (byTask.isEmpty()) {
      throw failure("there are no outcomes of hybrids to take mixture weights from");
    }
    for (String task : taskWeights.keySet()) {
      if (!byTask.containsKey(task)) {
        throw failure(
            "no hybrid was trained on '"
                + task
                + "'"
                + Spelling.nearest(task, byTask.keySet())
                    .map(nearest -> "; did you mean '" + nearest + "'?")
                    .orElse(". There are: " + Joiner.on(", ").join(byTask.keySet()) + "."));
      }
    }
    Outcome first = byTask.values().iterator().next();
    int blocks = first.mixture().size();
    double[][] sum = new double[blocks][first.components().size()];
    double total = 0;
    // In the order of the names: a sum depends on its order.
    for (String task : new TreeMap<>(byTask.asMap()).keySet()) {
      double weight = taskWeights.getOrDefault(task, 1.0);
      if (!(weight >= 0) || Double.isInfinite(weight)) {
        throw failure("task '" + task + "' cannot count " + weight);
      }
      List<Outcome> seeds = byTask.get(task);
      for (Outcome outcome : seeds) {
        if (outcome.mixture().size() != blocks
            || !outcome.components().equals(first.components())) {
          throw failure(
              "hybrids of other components or numbers of blocks do not go together: "
                  + first.components()
                  + " in "
                  + blocks
                  + " blocks, and "
                  + outcome.components()
                  + " in "
                  + outcome.mixture().size());
        }
        for (int block = 0; block < blocks; block++) {
          for (int k = 0; k < sum[block].length; k++) {
            sum[block][k] += weight / seeds.size() * outcome.mixture().get(block).get(k);
          }
        }
      }
      total += weight;
    }
    if (total == 0) {
      throw failure("no task counts");
    }
    ImmutableList.Builder<ImmutableList<Double>> weights = ImmutableList.builder();
    for (double[] block : sum) {
      ImmutableList.Builder<Double> row = ImmutableList.builder();
      for (double value : block) {
        row.add(value / total);
      }
      weights.add(row.build());
    }
    return new Programming(
        first.components().stream()
            .map(Programming::familyOf)
            .collect(ImmutableList.toImmutableList()),
        weights.build());
  }

  private static Component.Family familyOf(String component) {
    Component.Family family = FAMILIES.get(component);
    if (family == null) {
      throw failure("it is not known whether '" + component + "' is a transformer");
    }
    return family;
  }

  /**
   * The weights for another hybrid. A block gets those of the same depth, in parts of the whole,
   * averaged where it spans several; what a family has is shared equally among its components.
   *
   * @param targets the families of its components, in their order
   * @param blocks of it
   * @return [block][component]
   * @throws ManticoreException {@code MNT-PROGRAM} if a family has a weight here and no component
   *     there, or the other way round
   */
  public ImmutableList<ImmutableList<Double>> carry(List<Component.Family> targets, int blocks) {
    for (Component.Family family : Component.Family.values()) {
      if (targets.contains(family) != families.contains(family)) {
        throw failure(
            "the recipe has "
                + targets
                + " and the tasks' hybrids "
                + families
                + ": weights are carried from family to family");
      }
    }
    ImmutableList.Builder<ImmutableList<Double>> carried = ImmutableList.builder();
    for (int block = 0; block < blocks; block++) {
      double[] of = new double[families.size()];
      for (int small = 0; small < weights.size(); small++) {
        double overlap =
            Math.min((block + 1.0) / blocks, (small + 1.0) / weights.size())
                - Math.max((double) block / blocks, (double) small / weights.size());
        for (int k = 0; k < of.length; k++) {
          of[k] += Math.max(0, overlap) * blocks * weights.get(small).get(k);
        }
      }
      List<Double> row = new ArrayList<>();
      for (Component.Family target : targets) {
        double share = 0;
        for (int k = 0; k < of.length; k++) {
          share += families.get(k) == target ? of[k] : 0;
        }
        row.add(share / targets.stream().filter(other -> other == target).count());
      }
      carried.add(ImmutableList.copyOf(row));
    }
    return carried.build();
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-PROGRAM", message);
  }
}
