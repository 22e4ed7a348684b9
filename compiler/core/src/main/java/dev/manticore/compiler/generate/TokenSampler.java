package dev.manticore.compiler.generate;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.util.Arrays;
import java.util.Comparator;

/** Draws tokens from logits; the same seed and logits give the same tokens on every JDK. */
final class TokenSampler {

  private final Sampling sampling;
  private final Draws draws;

  TokenSampler(Sampling sampling, long seed) {
    this.sampling = sampling;
    this.draws = new Draws(seed);
  }

  /**
   * @param logits of the tokens that may be drawn
   * @throws ManticoreException {@code MNT-GENERATE} if a logit is not a number
   */
  int next(float[] logits) {
    for (float logit : logits) {
      if (Float.isNaN(logit) || logit == Float.POSITIVE_INFINITY) {
        throw new ManticoreException(
            "MNT-GENERATE",
            "the model computed a logit of " + logit + ": its weights are damaged or diverged");
      }
    }
    if (sampling.temperature() == 0) {
      return largest(logits);
    }
    Integer[] order = new Integer[logits.length];
    Arrays.setAll(order, id -> id);
    // Stable: of equal logits the smaller id comes first.
    Arrays.sort(order, Comparator.comparingDouble(id -> -(double) logits[id]));
    int kept = sampling.topK() == 0 ? order.length : Math.min(sampling.topK(), order.length);
    double[] powers = new double[kept];
    double sum = 0;
    for (int i = 0; i < kept; i++) {
      powers[i] =
          StrictMath.exp(((double) logits[order[i]] - logits[order[0]]) / sampling.temperature());
      sum += powers[i];
    }
    double reached = 0;
    int nucleus = 0;
    while (nucleus < kept && (nucleus == 0 || reached < sampling.topP() * sum)) {
      reached += powers[nucleus++];
    }
    double drawn = draws.unit() * reached;
    for (int i = 0; i < nucleus - 1; i++) {
      drawn -= powers[i];
      if (drawn < 0) {
        return order[i];
      }
    }
    return order[nucleus - 1];
  }

  private static int largest(float[] logits) {
    int best = 0;
    for (int id = 1; id < logits.length; id++) {
      if (logits[id] > logits[best]) {
        best = id;
      }
    }
    return best;
  }
}
