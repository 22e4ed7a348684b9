package dev.manticore.compiler.verify;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;

/**
 * How far a model is from a reference.
 *
 * @param logitsMaxAbs the largest absolute difference of the logits
 * @param hiddenMaxAbs the same of the hidden states and mixture weights
 * @param lossAbs the absolute difference of the mean next-token cross-entropy, in nats
 * @param gradientMaxRel the largest, over the parameters, of the norm of the difference over the
 *     norm of the reference; NaN if gradients were not asked for
 */
@JsonPropertyOrder({"logits_max_abs", "hidden_max_abs", "loss_abs", "gradient_max_rel", "passed"})
public record Discrepancy(
    @JsonProperty("logits_max_abs") double logitsMaxAbs,
    @JsonProperty("hidden_max_abs") double hiddenMaxAbs,
    @JsonProperty("loss_abs") double lossAbs,
    @JsonProperty("gradient_max_rel") Double gradientMaxRel,
    @JsonProperty("passed") boolean passed) {

  /** The largest differences of logits and hidden states, and of gradients, that pass. */
  public static final double TOLERANCE = 1e-4;

  /** The largest difference of the loss that passes. */
  public static final double LOSS_TOLERANCE = 1e-5;
}
