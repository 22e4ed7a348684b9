package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.constant;
import static dev.manticore.ir.rewrite.Pattern.oneOf;
import static dev.manticore.ir.rewrite.Pattern.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.Optional;

/** Layer normalisation and root-mean-square normalisation, as exporters take them apart. */
final class NormalizationRules {

  private NormalizationRules() {}

  static ImmutableList<Rule> all() {
    return ImmutableList.of(
        layerNorm(), layerNormBias(), rmsNorm(), rmsNormOfMicrosoft(), powerOfHalf());
  }

  /** {@code (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon) · scale}. */
  private static Rule layerNorm() {
    Pattern centred = op("Sub", any("x"), mean(any("x"))).as("centred");
    Pattern centredAgain = any("centred");
    Pattern deviation = deviation(centredAgain);
    return Rule.named("layer-norm")
        .matching(op("Mul", normalised(centred, deviation), any("scale")))
        .provided("the scale is a vector of the last axis", match -> isOfLastAxis(match, "scale"))
        .replacedBy(
            (match, ops) ->
                ops.onnx(
                    "LayerNormalization",
                    attributes(match),
                    match.value("x"),
                    match.value("scale")));
  }

  /** A bias added to a layer norm without one. */
  private static Rule layerNormBias() {
    return Rule.named("layer-norm-bias")
        .matching(
            op(
                "Add",
                op("LayerNormalization", any("x"), any("scale"))
                    .as("norm")
                    .where("mean and deviation are not read", (match, node) -> isSingle(node)),
                any("bias")))
        .provided("the bias is a vector of the last axis", match -> isOfLastAxis(match, "bias"))
        .replacedBy(
            (match, ops) ->
                ops.onnx(
                    "LayerNormalization",
                    match.node("norm").attributes(),
                    match.value("x"),
                    match.value("scale"),
                    match.value("bias")));
  }

  /** {@code x / sqrt(mean(x²) + epsilon) · scale}. */
  private static Rule rmsNorm() {
    return Rule.named("rms-norm")
        .matching(op("Mul", normalised(any("x"), deviation(any("x"))), any("scale")))
        .provided("the scale is a vector of the last axis", match -> isOfLastAxis(match, "scale"))
        .replacedBy(
            (match, ops) ->
                ops.onnx(
                    "RMSNormalization", attributes(match), match.value("x"), match.value("scale")));
  }

  /** What ONNX Runtime's optimizer writes for it. */
  private static Rule rmsNormOfMicrosoft() {
    return Rule.named("rms-norm-of-microsoft")
        .matching(op("SimplifiedLayerNormalization", any("x"), any("scale")).as("norm"))
        .provided("only the result is read", match -> isSingle(match.node("norm")))
        .replacedBy(
            (match, ops) -> {
              Attributes given = match.node("norm").attributes();
              return ops.onnx(
                  "RMSNormalization",
                  Attributes.of("axis", given.intValue("axis", -1))
                      .with("epsilon", Attribute.of(given.floatValue("epsilon", 1e-5f))),
                  match.value("x"),
                  match.value("scale"));
            });
  }

  /** {@code x^0.5} is a square root. */
  private static Rule powerOfHalf() {
    return Rule.named("square-root")
        .matching(op("Pow", any("x"), constant(0.5)))
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy((match, ops) -> ops.sqrt(match.value("x")));
  }

  private static Pattern normalised(Pattern x, Pattern deviation) {
    return oneOf(
        op("Div", x, deviation),
        op("Mul", x, op("Reciprocal", deviation)),
        op("Mul", x, op("Div", constant(1), deviation)));
  }

  /** {@code sqrt(mean(x²) + epsilon)}. */
  private static Pattern deviation(Pattern x) {
    Pattern square = oneOf(op("Pow", x, constant(2)), op("Mul", x, x));
    return op("Sqrt", op("Add", mean(square), constant("epsilon", e -> e > 0, "positive")));
  }

  /** The mean over the last axis, which stays. */
  private static Pattern mean(Pattern x) {
    return op("ReduceMean", x, any(""))
        .with("keepdims", 1, 1)
        .where("the mean is over the last axis", NormalizationRules::isOverLastAxis);
  }

  private static boolean isOverLastAxis(Match match, Node node) {
    Optional<long[]> axes = match.integers(node.input(1));
    return axes.isPresent()
        && axes.get().length == 1
        && node.input(0).shape().isRanked()
        && (axes.get()[0] == -1 || axes.get()[0] == node.input(0).shape().rank() - 1);
  }

  private static boolean isOfLastAxis(Match match, String name) {
    Value value = match.value(name);
    Value x = match.value("x");
    if (!value.shape().isRanked() || !x.shape().isRanked() || x.shape().rank() == 0) {
      return false;
    }
    Dim last = x.shape().dim(-1);
    return value.shape().rank() == 1
        && value.shape().dim(0).equals(last)
        && !last.equals(Dim.UNKNOWN);
  }

  private static boolean isSingle(Node node) {
    return node.presentOutputs().size() == 1;
  }

  private static Attributes attributes(Match match) {
    return Attributes.of("axis", -1).with("epsilon", Attribute.of((float) match.number("epsilon")));
  }
}
