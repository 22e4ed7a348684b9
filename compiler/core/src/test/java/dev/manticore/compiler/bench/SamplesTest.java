package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

final class SamplesTest {

  @Test
  void theMedianIsTheMiddleOneWhateverTheOrder() {
    assertThat(Samples.of(List.of(5.0, 1.0, 9.0)).median()).isEqualTo(5);
    assertThat(Samples.of(List.of(4.0, 1.0, 9.0, 6.0)).median()).isEqualTo(5);
    assertThat(Samples.of(List.of(7.0)).median()).isEqualTo(7);
  }

  @Test
  void theSpreadOfFiveIsTheDistanceOfTheSecondFromTheFourth() {
    Samples samples = Samples.of(List.of(100.0, 1.0, 11.0, 9.0, 10.0));

    assertThat(samples.spread()).isCloseTo(0.2, within(1e-12));
    assertThat(samples.least()).isEqualTo(1);
    assertThat(samples.greatest()).isEqualTo(100);
  }

  @Test
  void quartilesLieBetweenValuesWhereNoneIsThere() {
    // Quartiles at 0.75 and 2.25 of the way along 1, 2, 3, 4.
    assertThat(Samples.of(List.of(1.0, 2.0, 3.0, 4.0)).spread())
        .isCloseTo((3.25 - 1.75) / 2.5, within(1e-12));
  }

  @Test
  void equalValuesHaveNoSpread() {
    assertThat(Samples.of(List.of(3.0, 3.0, 3.0, 3.0, 3.0)).spread()).isZero();
  }

  @Test
  void nothingAndWhatIsNotPositiveAreRefused() {
    assertThatThrownBy(() -> Samples.of(List.of())).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Samples.of(List.of(1.0, 0.0)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Samples.of(List.of(Double.NaN)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
