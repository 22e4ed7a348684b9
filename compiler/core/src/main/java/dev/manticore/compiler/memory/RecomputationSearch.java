package dev.manticore.compiler.memory;

import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.Iterables;
import dev.manticore.ir.Node;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Finds which nodes of a step are run again so that the step stays below a budget at the least
 * cost.
 *
 * <p>Any set of nodes is a plan, with a peak and a cost that {@link StepMemory} tells. If the
 * candidates are few, all plans are looked at. Otherwise the plan grows, each time by what takes
 * most away from above the budget for its cost: nodes that have the same role in every layer, all
 * or every second or fourth of them, or single ones; alone, or with what they are made from, as far
 * back as what is held in any case or farther. Then nodes leave the plan, the most expensive first,
 * as long as the budget allows, and, if they are not too many, are exchanged for others. The same
 * is done from the plan with the least peak, and from one that nodes are taken from where all were
 * run again; the cheapest is taken.
 */
final class RecomputationSearch {

  /** With at most so many candidates all plans are looked at. */
  static final int EXHAUSTIVE = 13;

  /** With at most so many runs of the step, nodes of a plan are exchanged for others one by one. */
  private static final int EXCHANGES = 4_000;

  /**
   * Of more candidates than so many, only all of a role are taken from a plan that runs all again.
   */
  private static final int FEW = 60;

  /** Every how many of the nodes of a role a step of the search may take. */
  private static final int[] STRIDES = {1, 2, 4};

  /** Rounds in which a node's role is refined by those of its neighbours. */
  private static final int ROUNDS = 4;

  /** Looking for the least peak goes on while it falls by this part at a time. */
  private static final double PROGRESS = 0.02;

  private static final BitSet NONE = new BitSet();

  private final StepMemory memory;
  private final BitSet candidates;
  private final ImmutableList<BitSet> roles;
  private final Supplier<Plan> least = Suppliers.memoize(this::findLeast);

  RecomputationSearch(StepMemory memory) {
    this.memory = memory;
    this.candidates = memory.candidates();
    this.roles = roles();
  }

  /**
   * A set of nodes that are run again.
   *
   * @param run the step with them
   */
  record Plan(BitSet again, StepMemory.Run run) {

    long peak() {
      return run.peak();
    }

    double cost() {
      return run.cost();
    }
  }

  /** A plan of a peak of no more than the budget; empty if there is none, or none is found. */
  Optional<Plan> cheapest(long budget) {
    Plan nothing = plan(new BitSet());
    if (nothing.peak() <= budget) {
      return Optional.of(nothing);
    }
    if (candidates.cardinality() <= EXHAUSTIVE) {
      return exhaustive(budget);
    }
    return heuristic(budget);
  }

  Optional<Plan> heuristic(long budget) {
    Plan grown = grow(plan(new BitSet()), budget);
    List<Plan> fitting = new ArrayList<>();
    for (Plan plan : List.of(grown, least(), carve(budget))) {
      if (plan.peak() <= budget) {
        fitting.add(exchange(shrink(plan, budget), budget));
      }
    }
    return fitting.stream().min(Comparator.comparingDouble(Plan::cost));
  }

  /** Looks at all plans. */
  Optional<Plan> exhaustive(long budget) {
    return all()
        .filter(plan -> plan.peak() <= budget)
        .min(Comparator.comparingDouble(Plan::cost).thenComparingLong(Plan::peak));
  }

  private Stream<Plan> all() {
    int[] nodes = candidates.stream().toArray();
    return LongStream.range(0, 1L << nodes.length)
        .mapToObj(
            chosen -> {
              BitSet again = new BitSet();
              for (int i = 0; i < nodes.length; i++) {
                again.set(nodes[i], (chosen >> i & 1) != 0);
              }
              return plan(again);
            });
  }

  /** The plan with the least peak that is found. */
  Plan least() {
    return least.get();
  }

  private Plan findLeast() {
    if (candidates.cardinality() <= EXHAUSTIVE) {
      return all().min(Comparator.comparingLong(Plan::peak)).orElseThrow();
    }
    Plan lowest = plan(new BitSet());
    while (true) {
      Plan lower = grow(lowest, (long) (lowest.peak() * (1 - PROGRESS)));
      if (lower.peak() >= lowest.peak()) {
        break;
      }
      lowest = lower;
    }
    Plan carved = carve((long) (lowest.peak() * (1 - PROGRESS)));
    return carved.peak() < lowest.peak() ? carved : lowest;
  }

  /**
   * Takes from the plan that runs all again until its peak is within the budget, or nothing helps.
   */
  private Plan carve(long budget) {
    Plan plan = plan((BitSet) candidates.clone(), budget);
    List<BitSet> moves =
        candidates.cardinality() <= FEW
            ? ImmutableList.copyOf(Iterables.concat(roles, single()))
            : roles;
    while (plan.peak() > budget) {
      double least = plan.run().excess();
      Plan next = null;
      for (BitSet move : moves) {
        BitSet again = (BitSet) plan.again().clone();
        again.andNot(move);
        Plan less = plan(again, budget);
        double excess = less.run().excess();
        if (excess < least) {
          least = excess;
          next = less;
        }
      }
      if (next == null) {
        return plan;
      }
      plan = next;
    }
    return plan;
  }

  private Plan plan(BitSet again) {
    return plan(again, 0);
  }

  /**
   * @param budget that the plan's excess is meant of
   */
  private Plan plan(BitSet again, long budget) {
    return new Plan(again, memory.run(again, budget));
  }

  /** Adds to a plan until its peak is within the budget, or nothing helps any more. */
  private Plan grow(Plan start, long budget) {
    Plan plan = plan(start.again(), budget);
    while (plan.peak() > budget) {
      Optional<Plan> next = better(plan, budget, roles);
      if (next.isEmpty()) {
        next = better(plan, budget, single());
      }
      if (next.isEmpty()) {
        return plan;
      }
      plan = next.get();
    }
    return plan;
  }

  private Optional<Plan> better(Plan plan, long budget, List<BitSet> moves) {
    double excess = plan.run().excess();
    BitSet held = held(plan);
    Plan best = null;
    double most = 0;
    Set<BitSet> seen = new HashSet<>(Set.of(plan.again()));
    for (BitSet move : moves) {
      if (!move.intersects(held)) {
        // What is not held takes no memory away from anything.
        continue;
      }
      BitSet nearest = (BitSet) move.clone();
      move.stream().forEach(node -> addSources(node, nearest));
      for (BitSet added :
          List.of(
              move,
              withSources(move, plan.again(), held),
              withSources(nearest, plan.again(), held),
              withSources(move, plan.again(), NONE))) {
        BitSet again = (BitSet) plan.again().clone();
        again.or(added);
        if (!seen.add(again)) {
          continue;
        }
        Plan next = plan(again, budget);
        double gain = excess - next.run().excess();
        double worth = gain / Math.max(1, next.cost() - plan.cost());
        if (gain > 0 && worth > most) {
          most = worth;
          best = next;
        }
      }
    }
    return Optional.ofNullable(best);
  }

  /** The nodes whose results are held for the backward, or for what is run again. */
  private BitSet held(Plan plan) {
    BitSet held = new BitSet();
    int count = memory.nodes().size();
    for (int code : memory.order(plan.again())) {
      int node = code % count;
      if (code >= count || !memory.isForward(node)) {
        for (int source : memory.sources(node)) {
          if (!plan.again().get(source)) {
            held.set(source);
          }
        }
      }
    }
    return held;
  }

  private void addSources(int node, BitSet all) {
    for (int source : memory.sources(node)) {
      if (candidates.get(source)) {
        all.set(source);
      }
    }
  }

  /** Nodes with those that they are made from, as far back as what is held. */
  private BitSet withSources(BitSet nodes, BitSet again, BitSet held) {
    BitSet all = (BitSet) nodes.clone();
    Deque<Integer> open = new ArrayDeque<>();
    nodes.stream().forEach(open::add);
    while (!open.isEmpty()) {
      for (int source : memory.sources(open.pop())) {
        if (candidates.get(source) && !again.get(source) && !held.get(source) && !all.get(source)) {
          all.set(source);
          open.add(source);
        }
      }
    }
    return all;
  }

  /** Takes from a plan what its peak allows, the most expensive first. */
  private Plan shrink(Plan start, long budget) {
    Plan plan = start;
    boolean changed = true;
    while (changed) {
      changed = false;
      Map<Integer, Plan> without = new LinkedHashMap<>();
      for (int node : plan.again().stream().toArray()) {
        without.put(node, without(plan, node));
      }
      List<Integer> byCost = new ArrayList<>(without.keySet());
      byCost.sort(Comparator.comparingDouble(node -> without.get(node).cost()));
      for (int node : byCost) {
        Plan less = without(plan, node);
        if (less.peak() <= budget && less.cost() <= plan.cost()) {
          plan = less;
          changed = true;
        }
      }
    }
    return plan;
  }

  /** Exchanges nodes of a plan for others, one for one, while that makes it cheaper. */
  private Plan exchange(Plan start, long budget) {
    Plan plan = start;
    int left = EXCHANGES;
    boolean changed = true;
    while (changed && left >= (long) plan.again().cardinality() * candidates.cardinality()) {
      changed = false;
      for (int node : plan.again().stream().toArray()) {
        for (int other : candidates.stream().toArray()) {
          if (plan.again().get(node) && !plan.again().get(other)) {
            BitSet again = (BitSet) plan.again().clone();
            again.clear(node);
            again.set(other);
            Plan exchanged = plan(again);
            left--;
            if (exchanged.peak() <= budget && exchanged.cost() < plan.cost()) {
              plan = shrink(exchanged, budget);
              changed = true;
            }
          }
        }
      }
    }
    return plan;
  }

  private Plan without(Plan plan, int node) {
    BitSet again = (BitSet) plan.again().clone();
    again.clear(node);
    return plan(again);
  }

  private ImmutableList<BitSet> single() {
    return candidates.stream()
        .mapToObj(
            node -> {
              BitSet one = new BitSet();
              one.set(node);
              return one;
            })
        .collect(ImmutableList.toImmutableList());
  }

  /** Nodes that have the same role: the same operator and types, and so have their neighbours. */
  private ImmutableList<BitSet> roles() {
    int count = memory.nodes().size();
    int[] hashes = new int[count];
    for (int i = 0; i < count; i++) {
      Node node = memory.nodes().get(i);
      hashes[i] =
          31 * node.op().toString().hashCode()
              + node.presentOutputs().stream()
                  .map(output -> output.type().toString())
                  .toList()
                  .hashCode();
    }
    for (int round = 0; round < ROUNDS; round++) {
      int[] refined = new int[count];
      for (int i = 0; i < count; i++) {
        refined[i] += 31 * hashes[i];
        for (int source : memory.sources(i)) {
          refined[i] = 31 * refined[i] + hashes[source];
        }
      }
      for (int i = 0; i < count; i++) {
        for (int source : memory.sources(i)) {
          refined[source] += 17 * hashes[i] * hashes[i];
        }
      }
      hashes = refined;
    }
    Map<Integer, List<Integer>> byRole = new HashMap<>();
    List<List<Integer>> roles = new ArrayList<>();
    for (int node : candidates.stream().toArray()) {
      byRole
          .computeIfAbsent(
              hashes[node],
              unused -> {
                List<Integer> role = new ArrayList<>();
                roles.add(role);
                return role;
              })
          .add(node);
    }
    ImmutableList.Builder<BitSet> moves = ImmutableList.builder();
    for (List<Integer> role : roles) {
      for (int stride : STRIDES) {
        if (stride <= role.size()) {
          BitSet move = new BitSet();
          for (int i = stride - 1; i < role.size(); i += stride) {
            move.set(role.get(i));
          }
          moves.add(move);
        }
      }
    }
    return moves.build();
  }
}
