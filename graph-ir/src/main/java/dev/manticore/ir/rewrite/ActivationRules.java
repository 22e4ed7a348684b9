package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.constant;
import static dev.manticore.ir.rewrite.Pattern.oneOf;
import static dev.manticore.ir.rewrite.Pattern.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.OpId;

/** Activations, as exporters and ONNX Runtime's optimizer write them. */
final class ActivationRules {

  private static final Attributes TANH = Attributes.of("approximate", Attribute.of("tanh"));

  private ActivationRules() {}

  static ImmutableList<Rule> all() {
    Pattern x = any("x");
    Pattern half = constant(0.5);
    Pattern erf = op("Add", op("Erf", scaled(x, Math.sqrt(0.5))), constant(1));
    Pattern tanh = op("Add", op("Tanh", tanhArgument(x)), constant(1));
    return ImmutableList.of(
        gelu("gelu", op("Mul", op("Mul", x, half), erf), Attributes.NONE),
        gelu("gelu-factor-halved", op("Mul", x, op("Mul", erf, half)), Attributes.NONE),
        gelu("gelu-product-halved", op("Mul", op("Mul", x, erf), half), Attributes.NONE),
        gelu("gelu-tanh", op("Mul", op("Mul", x, half), tanh), TANH),
        gelu("gelu-tanh-factor-halved", op("Mul", x, op("Mul", tanh, half)), TANH),
        gelu("gelu-tanh-product-halved", op("Mul", op("Mul", x, tanh), half), TANH),
        Rule.named("gelu-of-microsoft")
            .matching(op(OpId.microsoft("Gelu"), x))
            .replacedBy((match, ops) -> ops.onnx("Gelu", match.value("x"))),
        Rule.named("fast-gelu-of-microsoft")
            .matching(op(OpId.microsoft("FastGelu"), x))
            .replacedBy((match, ops) -> ops.onnx("Gelu", TANH, match.value("x"))),
        Rule.named("fast-gelu-with-bias-of-microsoft")
            .matching(op(OpId.microsoft("FastGelu"), x, any("bias")))
            .replacedBy(
                (match, ops) ->
                    ops.onnx("Gelu", TANH, ops.add(match.value("x"), match.value("bias")))),
        Rule.named("bias-gelu-of-microsoft")
            .matching(op(OpId.microsoft("BiasGelu"), x, any("bias")))
            .replacedBy(
                (match, ops) -> ops.onnx("Gelu", ops.add(match.value("x"), match.value("bias")))),
        Rule.named("sigmoid")
            .matching(op("Div", constant(1), onePlusExpOfMinus(x)))
            .replacedBy((match, ops) -> ops.sigmoid(match.value("x"))),
        Rule.named("sigmoid-by-reciprocal")
            .matching(op("Reciprocal", onePlusExpOfMinus(x)))
            .replacedBy((match, ops) -> ops.sigmoid(match.value("x"))),
        Rule.named("silu-by-quotient")
            .matching(op("Div", x, onePlusExpOfMinus(x)))
            .replacedBy((match, ops) -> ops.mul(match.value("x"), ops.sigmoid(match.value("x")))),
        Rule.named("silu-of-microsoft")
            .matching(
                op(OpId.microsoft("QuickGelu"), x)
                    .where(
                        "alpha is 1",
                        (match, node) -> node.attributes().floatValue("alpha", 1.702f) == 1))
            .replacedBy((match, ops) -> ops.mul(match.value("x"), ops.sigmoid(match.value("x")))),
        Rule.named("softplus")
            .matching(op("Log", op("Add", op("Exp", x), constant(1))))
            .replacedBy((match, ops) -> ops.onnx("Softplus", match.value("x"))),
        Rule.named("softplus-without-overflow")
            .matching(
                op(
                    "Add",
                    oneOf(op("Relu", x), op("Max", x, constant(0))),
                    op("Log", op("Add", op("Exp", op("Neg", op("Abs", x))), constant(1)))))
            .replacedBy((match, ops) -> ops.onnx("Softplus", match.value("x"))));
  }

  private static Rule gelu(String name, Pattern.Operation pattern, Attributes attributes) {
    return Rule.named(name)
        .matching(pattern)
        .replacedBy((match, ops) -> ops.onnx("Gelu", attributes, match.value("x")));
  }

  /** {@code sqrt(2/pi) · (x + 0.044715 x³)}, the cube as a power or as a chain of products. */
  private static Pattern tanhArgument(Pattern x) {
    double factor = Math.sqrt(2 / Math.PI);
    Pattern small = constant(0.044715);
    Pattern square = oneOf(op("Mul", x, x), op("Pow", x, constant(2)));
    Pattern cube = oneOf(op("Pow", x, constant(3)), op("Mul", x, square));
    Pattern scaledCube =
        oneOf(
            op("Mul", cube, small),
            op("Mul", op("Mul", square, small), x),
            op("Mul", op("Mul", op("Mul", x, small), x), x));
    Pattern onePlus =
        op("Add", oneOf(op("Mul", op("Mul", x, small), x), op("Mul", square, small)), constant(1));
    return oneOf(
        op("Mul", op("Add", x, scaledCube), constant(factor)),
        op("Mul", op("Mul", x, constant(factor)), onePlus),
        op("Mul", op("Mul", x, onePlus), constant(factor)));
  }

  private static Pattern scaled(Pattern x, double factor) {
    return oneOf(op("Mul", x, constant(factor)), op("Div", x, constant(1 / factor)));
  }

  private static Pattern onePlusExpOfMinus(Pattern x) {
    return op("Add", op("Exp", op("Neg", x)), constant(1));
  }
}
