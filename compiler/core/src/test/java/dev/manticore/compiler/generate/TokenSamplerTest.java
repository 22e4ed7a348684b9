package dev.manticore.compiler.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TokenSamplerTest {

  private static final float[] LOGITS = {
    (float) Math.log(0.1), (float) Math.log(0.5), (float) Math.log(0.25), (float) Math.log(0.15)
  };

  @Test
  void greedyTakesTheLargestAndOfEqualOnesTheFirst() {
    TokenSampler sampler = new TokenSampler(Sampling.GREEDY, 1);

    assertThat(sampler.next(LOGITS)).isEqualTo(1);
    assertThat(sampler.next(new float[] {0, 7, 7, Float.NEGATIVE_INFINITY})).isEqualTo(1);
  }

  @Test
  void drawsInProportionToTheProbabilities() {
    assertThat(frequencies(new Sampling(1, 0, 1)))
        .containsExactly(new double[] {0.1, 0.5, 0.25, 0.15}, within(0.02));
  }

  @Test
  void temperatureSharpensTheProbabilities() {
    double sum = 0.01 + 0.25 + 0.0625 + 0.0225;
    assertThat(frequencies(new Sampling(0.5, 0, 1)))
        .containsExactly(
            new double[] {0.01 / sum, 0.25 / sum, 0.0625 / sum, 0.0225 / sum}, within(0.02));
  }

  @Test
  void topKKeepsTheLargest() {
    assertThat(frequencies(new Sampling(1, 2, 1)))
        .containsExactly(new double[] {0, 2 / 3.0, 1 / 3.0, 0}, within(0.02));
  }

  @Test
  void topPKeepsTheFewestThatReachIt() {
    assertThat(frequencies(new Sampling(1, 0, 0.6)))
        .containsExactly(new double[] {0, 2 / 3.0, 1 / 3.0, 0}, within(0.02));
    assertThat(frequencies(new Sampling(1, 0, 0.01))).containsExactly(0, 1, 0, 0);
  }

  @Test
  void aSeedGivesTheSameDraws() {
    int[] first = draws(5);

    assertThat(draws(5)).isEqualTo(first);
    assertThat(draws(6)).isNotEqualTo(first);
  }

  @Test
  void refusesLogitsThatAreNoNumbers() {
    TokenSampler sampler = new TokenSampler(Sampling.GREEDY, 1);

    assertThatThrownBy(() -> sampler.next(new float[] {1, Float.NaN}))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("NaN");
  }

  @Test
  void refusesSettingsOutOfRange() {
    assertThatThrownBy(() -> new Sampling(-1, 0, 1)).hasMessageContaining("temperature");
    assertThatThrownBy(() -> new Sampling(Double.NaN, 0, 1)).hasMessageContaining("temperature");
    assertThatThrownBy(() -> new Sampling(1, -1, 1)).hasMessageContaining("top-k");
    assertThatThrownBy(() -> new Sampling(1, 0, 0)).hasMessageContaining("top-p");
    assertThatThrownBy(() -> new Sampling(1, 0, 1.5)).hasMessageContaining("top-p");
  }

  private static int[] draws(long seed) {
    TokenSampler sampler = new TokenSampler(new Sampling(1, 0, 1), seed);
    int[] draws = new int[50];
    Arrays.setAll(draws, i -> sampler.next(LOGITS));
    return draws;
  }

  private static double[] frequencies(Sampling sampling) {
    TokenSampler sampler = new TokenSampler(sampling, 3);
    int count = 20_000;
    double[] frequencies = new double[LOGITS.length];
    for (int i = 0; i < count; i++) {
      frequencies[sampler.next(LOGITS)] += 1.0 / count;
    }
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = Math.round(frequencies[i] * 1e6) / 1e6;
    }
    return frequencies;
  }
}
