package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.LongStream;

/**
 * Whether a node computes what it gives for a token from that token alone, so that it does not
 * matter which tokens come with it. What is not known to do so is taken not to.
 */
final class TokenMixing {

  /** Along an axis that an attribute names, the last one if there is none. */
  private static final ImmutableSet<String> ALONG_AN_AXIS =
      ImmutableSet.of("Concat", "Hardmax", "LogSoftmax", "LpNormalization", "Split");

  /** Over the axes from one on, which is named by an attribute, to the last. */
  private static final ImmutableSet<String> FROM_AN_AXIS =
      ImmutableSet.of("LayerNormalization", "RMSNormalization");

  private static final ImmutableSet<String> FREE =
      ImmutableSet.of(
          "Celu",
          "Elu",
          "Gelu",
          "HardSigmoid",
          "HardSwish",
          "LeakyRelu",
          "Mish",
          "PRelu",
          "Relu",
          "Selu",
          "Softplus",
          "Softsign",
          "Squeeze",
          "Swish",
          "ThresholdedRelu",
          "Transpose",
          "Unsqueeze");

  private static final ImmutableSet<String> OWN = ImmutableSet.of("Mixture", "Projector", "Silu");

  private final Dim length;
  private final Set<Value> data;
  private final Function<Value, Optional<Tensor>> constants;

  /**
   * @param length the model's dimension that is a sequence's length
   * @param data the values that depend on the token ids
   * @param constants what values are known to be
   */
  TokenMixing(Dim length, Set<Value> data, Function<Value, Optional<Tensor>> constants) {
    this.length = length;
    this.data = data;
    this.constants = constants;
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
    if (ALONG_AN_AXIS.contains(name)) {
      int otherwise = name.equals("Split") ? 0 : -1;
      return !isLength(node.input(0), (int) node.attributes().intValue("axis", otherwise));
    }
    if (FROM_AN_AXIS.contains(name)) {
      return isFreeFrom(node.input(0), (int) node.attributes().intValue("axis", -1));
    }
    if (name.startsWith("Reduce")) {
      return node.hasInput(1) && areFree(node.input(0), constants.apply(node.input(1)));
    }
    return switch (name) {
      case "MatMul", "Gemm" -> !(data.contains(node.input(0)) && data.contains(node.input(1)));
      case "Gather" -> !data.contains(node.input(0)) && node.attributes().intValue("axis", 0) == 0;
      case "Slice" -> node.hasInput(3) && areFree(node.input(0), constants.apply(node.input(3)));
      case "Pad" -> isPaddedElsewhere(node);
      case "Reshape", "Expand" -> keepsPlaceOfLength(node);
      default -> false;
    };
  }

  /** Whether known axes are none of the length. */
  private boolean areFree(Value value, Optional<Tensor> axes) {
    return axes.isPresent()
        && Arrays.stream(axes.get().toLongs()).noneMatch(axis -> isLength(value, (int) axis));
  }

  private boolean isPaddedElsewhere(Node node) {
    Optional<Tensor> pads = constants.apply(node.input(1));
    if (pads.isEmpty()) {
      return false;
    }
    long[] counts = pads.get().toLongs();
    int rank = counts.length / 2;
    long[] axes = LongStream.range(0, rank).toArray();
    if (node.hasInput(3)) {
      Optional<Tensor> named = constants.apply(node.input(3));
      if (named.isEmpty()) {
        return false;
      }
      axes = named.get().toLongs();
    }
    for (int i = 0; i < rank; i++) {
      boolean padded = counts[i] != 0 || counts[i + rank] != 0;
      if (padded && isLength(node.input(0), (int) axes[i])) {
        return false;
      }
    }
    return true;
  }

  /**
   * Whether tokens stay apart: the length is one axis before and after, with the same before it.
   */
  private boolean keepsPlaceOfLength(Node node) {
    Shape before = node.input(0).shape();
    Shape after = node.output().shape();
    if (!before.isRanked() || !after.isRanked()) {
      return false;
    }
    int place = before.dims().indexOf(length);
    return place >= 0
        && place == before.dims().lastIndexOf(length)
        && place == after.dims().indexOf(length)
        && place == after.dims().lastIndexOf(length)
        && before.dims().subList(0, place).equals(after.dims().subList(0, place));
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
