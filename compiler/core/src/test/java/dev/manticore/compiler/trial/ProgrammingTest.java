package dev.manticore.compiler.trial;

import static dev.manticore.compiler.component.Component.Family.STATE_SPACE;
import static dev.manticore.compiler.component.Component.Family.TRANSFORMER;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.ir.ManticoreException;
import java.util.List;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;

/** Mixture weights from tasks, averaged and carried over. */
class ProgrammingTest {

  private static final Measures NONE = new Measures(1, 0, 0, 0, OptionalDouble.empty());

  private static Outcome outcome(String task, String model, int seed, double... neo) {
    ImmutableList.Builder<ImmutableList<Double>> mixture = ImmutableList.builder();
    for (double weight : neo) {
      mixture.add(ImmutableList.of(weight, 1 - weight));
    }
    return new Outcome(
        task,
        model,
        seed,
        1,
        1,
        1,
        mixture.build(),
        neo.length == 0 ? ImmutableList.of() : ImmutableList.of("gpt-neo", "mamba"),
        NONE,
        NONE);
  }

  private static final List<Outcome> OUTCOMES =
      List.of(
          outcome("recall", "hybrid", 1, 0.2, 0.4),
          outcome("recall", "hybrid", 2, 0.4, 0.8),
          outcome("copying", "hybrid", 1, 0.9, 0.0),
          outcome("copying", "mamba", 1));

  @Test
  void everyTaskCountsAlikeHoweverManySeedsItHas() {
    Programming programming = Programming.of(OUTCOMES, ImmutableMap.of());
    assertThat(programming.families()).containsExactly(TRANSFORMER, STATE_SPACE);
    assertThat(programming.weights().get(0).get(0)).isCloseTo((0.3 + 0.9) / 2, within(1e-12));
    assertThat(programming.weights().get(1).get(0)).isCloseTo((0.6 + 0.0) / 2, within(1e-12));
    assertThat(programming.weights().get(1).get(1)).isCloseTo(0.7, within(1e-12));
  }

  @Test
  void tasksCountAsMuchAsIsSaid() {
    Programming programming = Programming.of(OUTCOMES, ImmutableMap.of("recall", 3.0));
    assertThat(programming.weights().get(0).get(0)).isCloseTo((3 * 0.3 + 0.9) / 4, within(1e-12));
    assertThat(Programming.of(OUTCOMES, ImmutableMap.of("copying", 0.0)).weights().get(1).get(0))
        .isCloseTo(0.6, within(1e-12));
  }

  @Test
  void blocksGetTheWeightsOfTheirDepthAndFamiliesAreShared() {
    Programming programming =
        new Programming(
            ImmutableList.of(TRANSFORMER, STATE_SPACE),
            ImmutableList.of(ImmutableList.of(0.2, 0.8), ImmutableList.of(0.6, 0.4)));
    assertThat(programming.carry(List.of(STATE_SPACE, TRANSFORMER), 1).get(0))
        .satisfiesExactly(
            weight -> assertThat(weight).isCloseTo(0.6, within(1e-12)),
            weight -> assertThat(weight).isCloseTo(0.4, within(1e-12)));
    List<ImmutableList<Double>> three =
        programming.carry(List.of(TRANSFORMER, STATE_SPACE, STATE_SPACE), 3);
    assertThat(three.get(0).get(0)).isCloseTo(0.2, within(1e-12));
    assertThat(three.get(1).get(0)).isCloseTo(0.4, within(1e-12));
    assertThat(three.get(2).get(0)).isCloseTo(0.6, within(1e-12));
    assertThat(three.get(0).get(1)).isCloseTo(0.4, within(1e-12));
    assertThat(three.get(0).get(2)).isCloseTo(0.4, within(1e-12));
  }

  @Test
  void whatCannotBeCarriedIsRefused() {
    assertThatThrownBy(() -> Programming.of(OUTCOMES.subList(3, 4), ImmutableMap.of()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no outcomes of hybrids");
    assertThatThrownBy(() -> Programming.of(OUTCOMES, ImmutableMap.of("recal", 1.0)))
        .isInstanceOf(ManticoreException.class)
        .hasMessage("no hybrid was trained on 'recal'; did you mean 'recall'?");
    assertThatThrownBy(
            () -> Programming.of(OUTCOMES, ImmutableMap.of("recall", 0.0, "copying", 0.0)))
        .isInstanceOf(ManticoreException.class)
        .hasMessage("no task counts");
    Programming programming = Programming.of(OUTCOMES, ImmutableMap.of());
    assertThatThrownBy(() -> programming.carry(List.of(TRANSFORMER, TRANSFORMER), 2))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("from family to family");
    assertThatThrownBy(
            () ->
                Programming.of(
                    List.of(OUTCOMES.get(0), outcome("copying", "hybrid", 1, 0.5)),
                    ImmutableMap.of()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("do not go together");
  }

  @Test
  void familiesAreToldByWhatLayersDo() {
    assertThat(
            ComponentFinder.find("a", TinyModels.build("a", TinyModels.gptNeo(2, 8), 1)).family())
        .isEqualTo(TRANSFORMER);
    assertThat(
            ComponentFinder.find("b", TinyModels.build("b", TinyModels.mamba2(2, 32), 1)).family())
        .isEqualTo(STATE_SPACE);
  }
}
