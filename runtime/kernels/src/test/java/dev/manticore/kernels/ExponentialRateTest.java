package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ExponentialRateTest {

  @Test
  void whatIsMeasuredIsTheExponentialFunction() {
    double sum = 0;
    for (int i = 0; i < ExponentialRate.WINDOW; i++) {
      sum += Math.exp(-8.0 * i / ExponentialRate.WINDOW);
    }

    assertThat((double) ExponentialRate.compute(3)).isCloseTo(sum, within(1e-4 * sum));
  }
}
