package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExponentialTest {

  @Test
  void itIsWithinTwoUnitsInTheLastPlace() {
    for (float x = -87f; x < 88f; x += 0.00091f) {
      double exact = Math.exp(x);
      assertThat(Math.abs(Exponential.of(x) - exact))
          .as("exp(%s)", x)
          .isLessThanOrEqualTo(2.0 * Math.ulp((float) exact));
    }
  }

  @Test
  void theEndsOfTheRangeAreZeroAndFiniteAndNotANumberIsKept() {
    assertThat(Exponential.of(0f)).isEqualTo(1f);
    assertThat(Exponential.of(-0f)).isEqualTo(1f);
    assertThat(Exponential.of(-100f)).isZero();
    assertThat(Exponential.of(-1e9f)).isZero();
    assertThat(Exponential.of(200f)).isFinite();
    assertThat(Exponential.of(Float.NaN)).isNaN();
  }
}
