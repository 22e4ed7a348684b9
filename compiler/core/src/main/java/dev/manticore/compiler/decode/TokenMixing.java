package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.Optional;
import java.util.Set;

/**
 * Whether a node computes what it gives for a token from that token alone, so that it does not
 * matter which tokens come with it. What is not known to do so is taken not to.
 */
final class TokenMixing {

  /** Along an axis that an attribute names, the last one if there is none. */
  private static final ImmutableSet<String> ALONG_AN_AXIS =
      ImmutableSet.of("Hardmax", "LogSoftmax", "LpNormalization", "Softmax");

  /** Over the axes from one on, which is named by an attribute, to the last. */
  private static final ImmutableSet<String> FROM_AN_AXIS =
      ImmutableSet.of("LayerNormalization", "RMSNormalization");

  private static final ImmutableSet<String> FREE =
      ImmutableSet.of(
          "BiasGelu",
          "Celu",
          "Elu",
          "Expand",
          "FastGelu",
          "Gelu",
          "HardSigmoid",
          "HardSwish",
          "LeakyRelu",
          "Mish",
          "PRelu",
          "Relu",
          "Reshape",
          "Selu",
          "Softplus",
          "Softsign",
          "Squeeze",
          "Swish",
          "ThresholdedRelu",
          "Transpose",
          "Unsqueeze");

  /** They may move tokens, which shows in the axis of the length. */
  private static final ImmutableSet<String> CUTTING =
      ImmutableSet.of("Concat", "Pad", "Slice", "Split");

  private static final ImmutableSet<String> OWN = ImmutableSet.of("Mixture", "Projector", "Silu");

  private final Dim length;
  private final Set<Value> data;

  /**
   * @param length the model's dimension that is a sequence's length
   * @param data the values that depend on the token ids
   */
  TokenMixing(Dim length, Set<Value> data) {
    this.length = length;
    this.data = data;
  }

  /** What is wrong with a node, if it is not done to each token alone. */
  Optional<String> objection(Node node) {
    boolean alone =
        node.presentOutputs().stream().noneMatch(data::contains) || isDoneToEachTokenAlone(node);
    return alone
        ? Optional.empty()
        : Optional.of("is not known to be done to each token alone, and has no state");
  }

  private boolean isDoneToEachTokenAlone(Node node) {
    String name = node.op().name();
    if (node.op().domain().equals(OpId.MANTICORE)) {
      return OWN.contains(name);
    }
    if (!node.op().domain().isEmpty()) {
      return false;
    }
    if (Attentions.isElementwise(node) || FREE.contains(name)) {
      return true;
    }
    if (CUTTING.contains(name)) {
      return keepsLength(node);
    }
    if (ALONG_AN_AXIS.contains(name)) {
      return !isLength(node.input(0), (int) node.attributes().intValue("axis", -1));
    }
    if (FROM_AN_AXIS.contains(name)) {
      return isFreeFrom(node.input(0), (int) node.attributes().intValue("axis", -1));
    }
    if (name.startsWith("Reduce")) {
      return keepsLength(node);
    }
    return switch (name) {
      case "MatMul", "Gemm" -> !(data.contains(node.input(0)) && data.contains(node.input(1)));
      case "Gather" -> !data.contains(node.input(0)) && node.attributes().intValue("axis", 0) == 0;
      default -> false;
    };
  }

  /** Whether each output has an axis of the length where the first operand has one. */
  private boolean keepsLength(Node node) {
    return node.presentOutputs().stream()
        .allMatch(output -> lengths(output) == lengths(node.input(0)));
  }

  private long lengths(Value value) {
    return value.shape().isRanked()
        ? value.shape().dims().stream().filter(length::equals).count()
        : -1;
  }

  private boolean isLength(Value value, int axis) {
    return !value.shape().isRanked() || value.shape().dim(axis).equals(length);
  }

  private boolean isFreeFrom(Value value, int axis) {
    int rank = value.shape().isRanked() ? value.shape().rank() : 0;
    for (int i = axis < 0 ? axis + rank : axis; i < rank; i++) {
      if (isLength(value, i)) {
        return false;
      }
    }
    return rank > 0;
  }
}
