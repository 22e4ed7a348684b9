package dev.manticore.compiler.experiment;

import static dev.manticore.compiler.experiment.Outcomes.hybrid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Comparison.Difference;
import dev.manticore.compiler.experiment.Comparison.Extent;
import dev.manticore.compiler.experiment.Comparison.Group;
import dev.manticore.compiler.experiment.Comparison.Verdict;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ComparisonTest {

  private static final ImmutableList<String> COMPONENTS = ImmutableList.of("gpt-neo", "mamba");

  /** Hybrid and one other model with these test losses, from seed 1. */
  private static Difference difference(double[] ours, double[] theirs) {
    List<Outcome> outcomes = new ArrayList<>();
    for (int i = 0; i < ours.length; i++) {
      outcomes.add(hybrid("recall", i + 1, ours[i], COMPONENTS, 0.5));
    }
    for (int i = 0; i < theirs.length; i++) {
      outcomes.add(Outcomes.of("recall", "mamba", i + 1, theirs[i], theirs[i]));
    }
    return Comparison.of(outcomes, "hybrid").groups().get(0).differences().get(0);
  }

  @Test
  void aSmallPOnTheGoodSideIsSignificantlyBetter() {
    Difference difference =
        difference(new double[] {1.0, 1.1, 1.2}, new double[] {1.5, 1.61, 1.69});

    assertThat(difference.tests().get(Measure.LOSS).differences().mean())
        .isCloseTo(-0.5, within(1e-12));
    assertThat(difference.verdict(Measure.LOSS)).isEqualTo(Verdict.SIGNIFICANTLY_BETTER);
    // Accuracy is better where it is higher.
    assertThat(difference.tests().get(Measure.ACCURACY).differences().mean()).isPositive();
    assertThat(difference.verdict(Measure.ACCURACY)).isEqualTo(Verdict.SIGNIFICANTLY_BETTER);
  }

  @Test
  void anIntervalWithZeroInItIsAtLeastAsGood() {
    assertThat(
            difference(new double[] {1.0, 1.2, 1.4}, new double[] {1.1, 1.1, 1.3})
                .verdict(Measure.LOSS))
        .isEqualTo(Verdict.AT_LEAST_AS_GOOD);
  }

  @Test
  void anIntervalOnTheBadSideIsWorse() {
    Difference difference =
        difference(new double[] {1.5, 1.61, 1.69}, new double[] {1.0, 1.1, 1.2});

    assertThat(difference.verdict(Measure.LOSS)).isEqualTo(Verdict.WORSE);
    assertThat(difference.verdict(Measure.ACCURACY)).isEqualTo(Verdict.WORSE);
  }

  @Test
  void equalDifferencesHaveNoSignificance() {
    assertThat(
            difference(new double[] {1.0, 1.0, 1.0}, new double[] {1.5, 1.5, 1.5})
                .verdict(Measure.LOSS))
        .isEqualTo(Verdict.AT_LEAST_AS_GOOD);
    assertThat(
            difference(new double[] {1.0, 1.0, 1.0}, new double[] {1.0, 1.0, 1.0})
                .verdict(Measure.LOSS))
        .isEqualTo(Verdict.AT_LEAST_AS_GOOD);
    assertThat(
            difference(new double[] {1.5, 1.5, 1.5}, new double[] {1.0, 1.0, 1.0})
                .verdict(Measure.LOSS))
        .isEqualTo(Verdict.WORSE);
  }

  @Test
  void oneSeedAndADivergedOneAreNotTested() {
    assertThat(difference(new double[] {1.0}, new double[] {1.5}).verdict(Measure.LOSS))
        .isEqualTo(Verdict.NOT_TESTED);
    assertThat(
            difference(new double[] {1.0, 1.1}, new double[] {1.5, Double.POSITIVE_INFINITY})
                .verdict(Measure.LOSS))
        .isEqualTo(Verdict.NOT_TESTED);
  }

  @Test
  void onlySeedsOfBothArePairedAndTheOthersAreNamed() {
    List<Outcome> outcomes =
        List.of(
            hybrid("recall", 3, 1.3, COMPONENTS, 0.5),
            hybrid("recall", 1, 1.1, COMPONENTS, 0.5),
            hybrid("recall", 2, 1.2, COMPONENTS, 0.5),
            Outcomes.of("recall", "mamba", 4, 1, 9),
            Outcomes.of("recall", "mamba", 2, 1, 1.4),
            Outcomes.of("recall", "mamba", 3, 1, 1.6));
    Group group = Comparison.of(outcomes, "hybrid").groups().get(0);
    Difference difference = group.difference("mamba").orElseThrow();

    assertThat(group.model("hybrid").orElseThrow().seeds()).containsExactly(1, 2, 3);
    assertThat(difference.seeds()).containsExactly(2, 3);
    assertThat(difference.onlyReference()).containsExactly(1);
    assertThat(difference.onlyOther()).containsExactly(4);
    assertThat(difference.tests().get(Measure.LOSS).differences().values())
        .satisfiesExactly(
            second -> assertThat(second).isCloseTo(-0.2, within(1e-12)),
            third -> assertThat(third).isCloseTo(-0.3, within(1e-12)));
    // A mean is over all of a model's own seeds.
    assertThat(group.model("mamba").orElseThrow().sample(Measure.LOSS).mean())
        .isCloseTo(4, within(1e-12));
  }

  @Test
  void withoutACommonSeedNothingIsCompared() {
    Difference difference =
        Comparison.of(
                List.of(
                    hybrid("recall", 1, 1.3, COMPONENTS, 0.5),
                    Outcomes.of("recall", "mamba", 2, 1, 1.4)),
                "hybrid")
            .groups()
            .get(0)
            .differences()
            .get(0);

    assertThat(difference.tests()).isEmpty();
    assertThat(difference.verdict(Measure.LOSS)).isEqualTo(Verdict.NOT_TESTED);
    assertThat(difference.steps().equal()).isFalse();
    assertThat(difference.steps().ratio()).isNaN();
  }

  @Test
  void whatIsNotEqualIsFlaggedEachForItself() {
    Difference difference = difference(new double[] {1, 1}, new double[] {1, 1});

    assertThat(difference.parameters().equal()).isFalse();
    assertThat(difference.parameters().ratio()).isEqualTo(2);
    assertThat(difference.steps().equal()).isTrue();
    assertThat(difference.tokens().equal()).isTrue();
    assertThat(difference.tokens().ratio()).isEqualTo(1);
  }

  @Test
  void bestComponentIsChosenByValidationAndNotByTest() {
    List<Outcome> outcomes = new ArrayList<>();
    for (int seed = 1; seed <= 2; seed++) {
      outcomes.add(Outcomes.of("recall", "gpt-neo", seed, 1.0, 1.5));
      outcomes.add(Outcomes.of("recall", "mamba", seed, 1.1, 1.2));
      // Not a component, however low.
      outcomes.add(Outcomes.of("recall", "mambaformer", seed, 0.1, 0.1));
      outcomes.add(hybrid("recall", seed, 1.3, COMPONENTS, 0.5));
    }
    // Seeds that not all components have do not choose.
    outcomes.add(Outcomes.of("recall", "mamba", 3, 0.01, 0.01));
    Group group = Comparison.of(outcomes, "hybrid").groups().get(0);

    assertThat(group.bestComponent()).contains("gpt-neo");
    assertThat(group.models().stream().map(Comparison.Row::model))
        .containsExactly("hybrid", "gpt-neo", "mamba", "mambaformer");
  }

  @Test
  void aComponentThatDivergedIsNotTheBest() {
    Group group =
        Comparison.of(
                List.of(
                    hybrid("recall", 1, 1.3, COMPONENTS, 0.5),
                    Outcomes.of("recall", "gpt-neo", 1, Double.NaN, Double.NaN),
                    Outcomes.of("recall", "mamba", 1, 2, 2)),
                "hybrid")
            .groups()
            .get(0);

    assertThat(group.bestComponent()).contains("mamba");
  }

  @Test
  void aGroupSaysWhichModelsItLacks() {
    Comparison comparison =
        Comparison.of(
            List.of(
                hybrid("recall", 1, 1.3, COMPONENTS, 0.5),
                Outcomes.of("recall", "mamba", 1, 2, 2),
                Outcomes.of("copying", "gpt-neo", 1, 2, 2)),
            "hybrid");

    assertThat(comparison.groups().get(0).missing()).containsExactly("gpt-neo");
    assertThat(comparison.groups().get(1).missing()).containsExactly("hybrid", "mamba");
    assertThat(comparison.groups().get(1).differences()).isEmpty();
    assertThat(comparison.groups().get(1).bestComponent()).isEmpty();
    assertThat(comparison.groups().get(0).models().get(0).parameters())
        .isEqualTo(new Extent(200_000, 200_000));
  }

  @Test
  void twoOutcomesOfOneTrialAreRefused() {
    Outcome outcome = hybrid("recall", 1, 1.3, COMPONENTS, 0.5);

    assertThatThrownBy(() -> Comparison.of(List.of(outcome, outcome), "hybrid"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("two outcomes of hybrid on recall with seed 1");
  }

  @Test
  void withoutTheReferenceThereIsNothingToCompare() {
    assertThatThrownBy(() -> Comparison.of(List.of(), "hybrid"))
        .hasMessageContaining("no outcomes");
    assertThatThrownBy(
            () -> Comparison.of(List.of(Outcomes.of("recall", "mamba", 1, 1, 1)), "hybrid"))
        .hasMessageContaining("no outcome of 'hybrid'");
  }
}
