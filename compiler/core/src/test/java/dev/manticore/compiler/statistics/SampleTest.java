package dev.manticore.compiler.statistics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SampleTest {

  @Test
  void meanAndDeviationAreThoseOfTheDefinition() {
    Sample sample = new Sample(ImmutableList.of(2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0));

    assertThat(sample.mean()).isEqualTo(5);
    assertThat(sample.standardDeviation()).isCloseTo(Math.sqrt(32.0 / 7), within(1e-15));
  }

  @Test
  void intervalOfTwoIsThatOfCauchysDistribution() {
    // Of one degree of freedom the quantile is tan(π (q - 1/2)); half of ±1 is 1.
    double quantile = Math.tan(Math.PI * 0.475);
    Interval interval = new Sample(ImmutableList.of(4.0, 6.0)).interval().orElseThrow();

    assertThat(interval.low()).isCloseTo(5 - quantile, within(1e-11));
    assertThat(interval.high()).isCloseTo(5 + quantile, within(1e-11));
    assertThat(interval.halfWidth()).isCloseTo(12.7062, within(5e-5));
  }

  @Test
  void intervalOfThreeIsTheClosedForm() {
    // Of two degrees of freedom: t = (2q - 1) sqrt(2 / (4 q (1 - q))), at q = 0.95.
    double quantile = 0.9 * Math.sqrt(2 / (4 * 0.95 * 0.05));
    Interval interval = new Sample(ImmutableList.of(1.0, 2.0, 3.0)).interval(0.9).orElseThrow();

    assertThat(interval.halfWidth()).isCloseTo(quantile / Math.sqrt(3), within(1e-12));
  }

  /** The usual table of two-sided 95 % quantiles, and 99 % of nine degrees of freedom. */
  @ParameterizedTest
  @CsvSource({
    "4, 0.95, 3.182",
    "5, 0.95, 2.776",
    "10, 0.95, 2.262",
    "31, 0.95, 2.042",
    "10, 0.99, 3.250"
  })
  void intervalIsThatOfTheTable(int size, double confidence, double quantile) {
    ImmutableList.Builder<Double> values = ImmutableList.builder();
    for (int i = 0; i < size; i++) {
      values.add((double) i);
    }
    Sample sample = new Sample(values.build());

    assertThat(
            sample.interval(confidence).orElseThrow().halfWidth()
                * Math.sqrt(size)
                / sample.standardDeviation())
        .isCloseTo(quantile, within(5e-4));
  }

  @Test
  void oneValueHasNoInterval() {
    Sample sample = new Sample(ImmutableList.of(1.0));

    assertThat(sample.mean()).isEqualTo(1);
    assertThat(sample.standardDeviation()).isNaN();
    assertThat(sample.interval()).isEmpty();
  }

  @Test
  void equalValuesHaveAnIntervalWithoutWidth() {
    assertThat(new Sample(ImmutableList.of(1.0, 1.0, 1.0)).interval()).contains(new Interval(1, 1));
  }

  @Test
  void aValueThatIsNotFiniteLeavesNoInterval() {
    assertThat(new Sample(ImmutableList.of(1.0, Double.POSITIVE_INFINITY)).interval()).isEmpty();
    assertThat(new Sample(ImmutableList.of(1.0, Double.NaN)).interval()).isEmpty();
  }
}
