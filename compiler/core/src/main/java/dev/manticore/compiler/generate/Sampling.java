package dev.manticore.compiler.generate;

import dev.manticore.ir.ManticoreException;

/**
 * How the next token is drawn from the logits: divided by the temperature, cut to the {@code topK}
 * largest, then to the most probable ones that together reach {@code topP}.
 *
 * @param temperature 0 takes the largest logit, always
 * @param topK 0 for no limit
 * @param topP 1 for no limit
 */
public record Sampling(double temperature, int topK, double topP) {

  /** The largest logit, and of equal ones that of the smallest id. */
  public static final Sampling GREEDY = new Sampling(0, 0, 1);

  public Sampling {
    if (!(temperature >= 0) || Double.isInfinite(temperature)) {
      throw failure("the temperature is " + temperature + ", but should be a number from 0 on");
    }
    if (topK < 0) {
      throw failure("top-k is " + topK + ", but should be a number from 1 on, or 0 for no limit");
    }
    if (!(topP > 0 && topP <= 1)) {
      throw failure("top-p is " + topP + ", but should be above 0 and at most 1");
    }
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-GENERATE", message);
  }
}
