package dev.manticore.compiler.inspect;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;

/**
 * What a model is made of.
 *
 * @param kind checkpoint, onnx, hir, hybrid or artifact
 * @param model the file or directory
 * @param inputs and outputs with their types
 * @param width of the residual stream; of a hybrid the common one; 0 if no such stream was found
 * @param vocabulary the extent of the logits; 0 if it is not known
 * @param maxLength the longest sequence, in tokens; 0 for any
 * @param parameters the number of their elements, a tied table counted once
 * @param cost floating-point operations of one run
 * @param parts where both are, in the order of the computation
 * @param components of a hybrid, in the order of the mixture weights; of a model that is one stack
 *     of layers, itself; else none
 * @param blocks of a hybrid
 * @param operators how many nodes of each there are, those of subgraphs included
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record ModelSummary(
    Kind kind,
    String name,
    String model,
    List<String> inputs,
    List<String> outputs,
    long width,
    long vocabulary,
    long maxLength,
    long parameters,
    Cost cost,
    List<Part> parts,
    List<Component> components,
    List<Block> blocks,
    SortedMap<String, Integer> operators) {

  /** What has been looked at. */
  public enum Kind {
    @JsonProperty("checkpoint")
    CHECKPOINT,
    @JsonProperty("onnx")
    ONNX,
    @JsonProperty("hir")
    HIR,
    @JsonProperty("hybrid")
    HYBRID,
    @JsonProperty("artifact")
    ARTIFACT
  }

  /**
   * What a run costs.
   *
   * @param batch sequences of it
   * @param length tokens of each
   * @param flops floating-point operations, a multiplication and an addition being two
   * @param flopsPerToken for each token of the batch, rounded
   * @param uncounted operators that are not counted, since they or their shapes are not known, and
   *     how many nodes of each there are
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Cost(
      long batch, long length, long flops, long flopsPerToken, Map<String, Integer> uncounted) {}

  /**
   * A part of the computation with one purpose.
   *
   * @param kind attention, state_space, mlp, norm and others
   * @param parameters the number of their elements
   * @param flops floating-point operations of one run of the whole batch
   * @param flopsPerToken the same for each token of the batch, rounded
   * @param parts what it consists of, where its structure tells; they may leave something over
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  @JsonInclude(JsonInclude.Include.NON_EMPTY)
  public record Part(
      String name,
      String kind,
      @JsonInclude long parameters,
      @JsonInclude long flops,
      @JsonInclude long flopsPerToken,
      List<Part> parts) {}

  /**
   * A component.
   *
   * @param layers how many it has
   * @param width of its residual stream
   */
  public record Component(String name, int layers, long width, long parameters) {}

  /**
   * A block of a hybrid.
   *
   * @param layers for each component the first layer and the one after the last; nothing where the
   *     block does not mix it
   * @param mixtureWeights for each component, of sum 1
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Block(List<List<Integer>> layers, List<Float> mixtureWeights) {}
}
