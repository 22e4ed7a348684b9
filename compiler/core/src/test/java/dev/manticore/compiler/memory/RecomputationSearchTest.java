package dev.manticore.compiler.memory;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecomputationSearchTest {

  private static final int PARTS = 8;

  private static StepMemory memory(Graph step) {
    return new StepMemory(step, "loss", StepMemory.costs(step));
  }

  /** The runs of all sets of candidates. */
  private static List<StepMemory.Run> all(StepMemory memory) {
    int[] nodes = memory.candidates().stream().toArray();
    List<StepMemory.Run> runs = new ArrayList<>();
    for (long chosen = 0; chosen < 1L << nodes.length; chosen++) {
      BitSet again = new BitSet();
      for (int i = 0; i < nodes.length; i++) {
        if ((chosen & 1L << i) != 0) {
          again.set(nodes[i]);
        }
      }
      runs.add(memory.run(again, 0));
    }
    return runs;
  }

  private static void forBudgets(StepMemory memory, BudgetCheck check) {
    List<StepMemory.Run> all = all(memory);
    long least = all.stream().mapToLong(StepMemory.Run::peak).min().orElseThrow();
    long most = memory.run(new BitSet(), 0).peak();
    for (int part = 0; part <= PARTS; part++) {
      long budget = least + (most - least) * part / PARTS;
      check.check(
          budget,
          all.stream()
              .filter(run -> run.peak() <= budget)
              .mapToDouble(StepMemory.Run::cost)
              .min()
              .orElseThrow());
    }
  }

  private interface BudgetCheck {
    void check(long budget, double leastCost);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void noOtherPlanOfASmallStepIsCheaper(long seed) {
    StepMemory memory = memory(SmallSteps.random(4, seed));
    RecomputationSearch search = new RecomputationSearch(memory);
    assertThat(memory.candidates().cardinality()).isBetween(6, RecomputationSearch.EXHAUSTIVE);

    forBudgets(
        memory,
        (budget, leastCost) ->
            assertThat(search.cheapest(budget))
                .hasValueSatisfying(
                    plan -> {
                      assertThat(plan.peak()).isLessThanOrEqualTo(budget);
                      assertThat(plan.cost()).isEqualTo(leastCost);
                    }));
    assertThat(search.cheapest(search.least().peak() - 1)).isEmpty();
  }

  /** What is done for larger steps, on steps of which all plans can still be looked at. */
  @Test
  void theSearchThatLooksAtFewPlansComesNear() {
    List<Boolean> found = new ArrayList<>();
    for (long seed = 1; seed <= 16; seed++) {
      StepMemory memory = memory(SmallSteps.random(5, seed));
      RecomputationSearch search = new RecomputationSearch(memory);

      forBudgets(
          memory,
          (budget, leastCost) -> {
            Optional<RecomputationSearch.Plan> plan = search.heuristic(budget);
            found.add(plan.isPresent());
            plan.ifPresent(
                there -> {
                  assertThat(there.peak()).isLessThanOrEqualTo(budget);
                  assertThat(there.cost()).isBetween(leastCost, 1.4 * leastCost);
                });
          });
    }
    assertThat(found.stream().filter(one -> one).count()).isGreaterThan(found.size() * 9L / 10);
  }

  @Test
  void aStepThatFitsRunsNothingTwice() {
    StepMemory memory = memory(SmallSteps.random(5, 1));

    assertThat(new RecomputationSearch(memory).cheapest(memory.run(new BitSet(), 0).peak()))
        .hasValueSatisfying(
            plan -> {
              assertThat(plan.again().isEmpty()).isTrue();
              assertThat(plan.cost()).isZero();
            });
  }
}
