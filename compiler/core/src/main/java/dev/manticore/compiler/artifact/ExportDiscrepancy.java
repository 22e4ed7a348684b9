package dev.manticore.compiler.artifact;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;

/**
 * How far exported models are from the hybrid that they were made of, {@code discrepancy.json}.
 *
 * @param reference what they were compared with
 * @param sequences the number of held-out sequences they were run on
 * @param tokens of all those sequences together
 * @param lengths the lengths of sequences, in the order they were run
 * @param largestLogit the largest absolute value of a logit of the reference
 * @param models the exported models
 * @param limit the largest difference that passes in float32
 * @param passed whether all of them do
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record ExportDiscrepancy(
    String reference,
    long sequences,
    long tokens,
    List<Long> lengths,
    double largestLogit,
    List<Model> models,
    double limit,
    boolean passed) {

  /**
   * One exported model.
   *
   * @param file relative to the artifact
   * @param precision what it computes in
   * @param logitsMaxAbs the largest absolute difference of a logit
   * @param limit the largest that passes: that of all in float32, a share of the largest logit in
   *     16 bits
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Model(
      String file, String precision, double logitsMaxAbs, double limit, boolean passed) {}
}
