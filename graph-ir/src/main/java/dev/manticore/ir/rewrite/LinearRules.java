package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.constant;
import static dev.manticore.ir.rewrite.Pattern.op;
import static dev.manticore.ir.rewrite.Pattern.opOf;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.Optional;

/**
 * Products with matrices and with numbers. A linear map is {@code Add(MatMul(x, W), b)} on all axes
 * of {@code x}; a number that a product is scaled with is its last factor.
 */
final class LinearRules {

  private LinearRules() {}

  static ImmutableList<Rule> all() {
    Pattern scaled = op("Mul", any("a"), constant("c")).as("scaled");
    return ImmutableList.of(
        gemm(),
        fusedMatMul(),
        matMulOfOneColumn(),
        dividedByConstant(),
        scaledTwice(),
        scaledOperand("scaled-left-operand", scaled, any("b")),
        scaledOperand("scaled-right-operand", any("b"), scaled),
        scaledOperand("scaled-transposed-left-operand", op("Transpose", scaled), any("b")),
        scaledOperand("scaled-transposed-right-operand", any("b"), op("Transpose", scaled)),
        parameterLast());
  }

  private static Rule gemm() {
    return Rule.named("gemm")
        .matching(op("Gemm", any("a"), any("b")).andMore().as("gemm"))
        .replacedBy(
            (match, ops) -> {
              Node node = match.node("gemm");
              Attributes given = node.attributes();
              Value a = given.intValue("transA", 0) == 1 ? flip(ops, match, "a") : match.value("a");
              Value b = given.intValue("transB", 0) == 1 ? flip(ops, match, "b") : match.value("b");
              Value product = scaled(ops, ops.matMul(a, b), given.floatValue("alpha", 1));
              return node.hasInput(2)
                  ? ops.add(product, scaled(ops, node.input(2), given.floatValue("beta", 1)))
                  : product;
            });
  }

  private static Value flip(Ops ops, Match match, String name) {
    return ops.transpose(match.value(name), 1, 0);
  }

  private static Value scaled(Ops ops, Value value, float factor) {
    return factor == 1 ? value : ops.mul(value, factor);
  }

  /** ONNX Runtime's product of transposed and scaled operands. */
  private static Rule fusedMatMul() {
    return Rule.named("fused-mat-mul-of-microsoft")
        .matching(op(OpId.microsoft("FusedMatMul"), any("a"), any("b")).as("product"))
        .provided(
            "no batch axis is transposed",
            match ->
                match.node("product").attributes().intValue("transBatchA", 0) == 0
                    && match.node("product").attributes().intValue("transBatchB", 0) == 0)
        .provided(
            "the ranks are known",
            match -> match.value("a").shape().isRanked() && match.value("b").shape().isRanked())
        .replacedBy(
            (match, ops) -> {
              Attributes given = match.node("product").attributes();
              Value a = match.value("a");
              Value b = match.value("b");
              return scaled(
                  ops,
                  ops.matMul(
                      given.intValue("transA", 0) == 1 ? ops.transposeLast(a) : a,
                      given.intValue("transB", 0) == 1 ? ops.transposeLast(b) : b),
                  given.floatValue("alpha", 1));
            });
  }

  /** An outer product is one of numbers, broadcast. */
  private static Rule matMulOfOneColumn() {
    return Rule.named("outer-product")
        .matching(op("MatMul", any("a"), any("b")))
        .provided(
            "one has one column and the other one row",
            match -> {
              Shape a = match.value("a").shape();
              Shape b = match.value("b").shape();
              return a.isRanked()
                  && b.isRanked()
                  && a.rank() >= 2
                  && b.rank() >= 2
                  && a.dim(-1).equals(Dim.of(1))
                  && b.dim(-2).equals(Dim.of(1));
            })
        .replacedBy((match, ops) -> ops.mul(match.value("a"), match.value("b")));
  }

  private static Rule dividedByConstant() {
    return Rule.named("divided-by-constant")
        .matching(op("Div", any("x"), constant("c", c -> c != 0, "other than 0")))
        .provided("x is floating", match -> match.value("x").elementType().isFloating())
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy((match, ops) -> ops.mul(match.value("x"), 1 / match.number("c")));
  }

  private static Rule scaledTwice() {
    return Rule.named("scaled-twice")
        .matching(op("Mul", op("Mul", any("x"), constant("a")), constant("b")))
        .provided("x is floating", match -> match.value("x").elementType().isFloating())
        .provided("x is not constant", match -> match.constantOf(match.value("x")).isEmpty())
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy(
            (match, ops) -> ops.mul(match.value("x"), match.number("a") * match.number("b")));
  }

  /** Scaling an operand scales the product. */
  private static Rule scaledOperand(String name, Pattern left, Pattern right) {
    return Rule.named(name)
        .matching(op("MatMul", left, right))
        .provided("it is a scaling", LinearRules::isScaling)
        .replacedBy(
            (match, ops) -> {
              Node product = match.root();
              return ops.mul(
                  ops.matMul(
                      unscaled(match, ops, product.input(0)),
                      unscaled(match, ops, product.input(1))),
                  match.number("c"));
            });
  }

  /** An operand, without the scaling that was found in one of them. */
  private static Value unscaled(Match match, Ops ops, Value operand) {
    if (operand == match.value("scaled")) {
      return match.value("a");
    }
    return match
        .producer(operand, "Transpose")
        .filter(node -> node.input(0) == match.value("scaled"))
        .map(node -> ops.onnx("Transpose", node.attributes(), match.value("a")))
        .orElse(operand);
  }

  private static boolean isScaling(Match match) {
    return match.constantOf(match.value("a")).isEmpty()
        && Conditions.sameType(match.value("scaled"), match.value("a"));
  }

  /** What is the same for all inputs comes after what is not. */
  private static Rule parameterLast() {
    return Rule.named("parameter-last")
        .matching(
            opOf(ImmutableSet.of("Add", "Mul", "And", "Or", "Equal"), any("fixed"), any("x"))
                .as("node")
                .where(
                    "the first operand is fixed and the second is not",
                    (match, node) -> match.isFixed(node.input(0)) && !match.isFixed(node.input(1))))
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              return Optional.of(
                  List.of(
                      ops.editor()
                          .add(node.op(), node.attributes(), node.input(1), node.input(0))));
            });
  }
}
