package dev.manticore.ir.autodiff;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Backward rules of elementwise operators that take more than a line. */
final class ActivationRules {

  /** A slope that depends on x alone. */
  @FunctionalInterface
  private interface Slope {
    Value of(Ops ops, Node node, Value x);
  }

  private ActivationRules() {}

  private static BackwardRule slope(Slope slope) {
    return (b, node, dy) ->
        Backward.of(b.ops().mul(BackwardRules.only(dy), slope.of(b.ops(), node, node.input(0))));
  }

  private static float attribute(Node node, String name, float otherwise) {
    return node.attributes().floatValue(name, otherwise);
  }

  private static Value greater(Ops o, Value x, double bound) {
    return o.onnx("Greater", x, o.scalar(x.elementType(), bound));
  }

  private static Value less(Ops o, Value x, double bound) {
    return o.onnx("Less", x, o.scalar(x.elementType(), bound));
  }

  /** Two constants by a condition, of the type of {@code like}. */
  private static Value choose(Ops o, Value condition, double then, double otherwise, Value like) {
    ElementType type = like.elementType();
    return o.where(condition, o.scalar(type, then), o.scalar(type, otherwise));
  }

  static BackwardRule elu() {
    return slope(
        (o, node, x) -> {
          float alpha = attribute(node, "alpha", 1);
          return o.where(less(o, x, 0), o.add(node.output(), alpha), o.scalar(x.elementType(), 1));
        });
  }

  static BackwardRule selu() {
    return slope(
        (o, node, x) -> {
          float alpha = attribute(node, "alpha", 1.67326319217681884765625f);
          float gamma = attribute(node, "gamma", 1.05070102214813232421875f);
          return o.where(
              greater(o, x, 0),
              o.scalar(x.elementType(), gamma),
              o.add(node.output(), (double) alpha * gamma));
        });
  }

  static BackwardRule celu() {
    return slope(
        (o, node, x) -> {
          Value negative = o.onnx("Min", x, o.scalar(x.elementType(), 0));
          return o.exp(o.mul(negative, 1.0 / attribute(node, "alpha", 1)));
        });
  }

  static BackwardRule leakyRelu() {
    return slope((o, node, x) -> choose(o, less(o, x, 0), attribute(node, "alpha", 0.01f), 1, x));
  }

  static BackwardRule thresholdedRelu() {
    return slope((o, node, x) -> choose(o, greater(o, x, attribute(node, "alpha", 1)), 1, 0, x));
  }

  static BackwardRule shrink() {
    return slope(
        (o, node, x) ->
            choose(o, greater(o, o.onnx("Abs", x), attribute(node, "lambd", 0.5f)), 1, 0, x));
  }

  static BackwardRule hardSigmoid() {
    return slope(
        (o, node, x) -> {
          Value inside = o.onnx("And", greater(o, node.output(), 0), less(o, node.output(), 1));
          return choose(o, inside, attribute(node, "alpha", 0.2f), 0, x);
        });
  }

  /** x times a hard sigmoid of slope 1/6. */
  static BackwardRule hardSwish() {
    return slope(
        (o, node, x) ->
            o.where(
                less(o, o.onnx("Abs", x), 3),
                o.add(o.mul(x, 1 / 3.0), 0.5),
                choose(o, greater(o, x, 0), 1, 0, x)));
  }

  static BackwardRule mish() {
    return slope(
        (o, node, x) -> {
          Value t = o.tanh(o.onnx("Softplus", x));
          return o.add(t, o.mul(o.mul(x, o.sigmoid(x)), o.sub(1, o.mul(t, t))));
        });
  }

  static BackwardRule swish() {
    return slope(
        (o, node, x) -> {
          float alpha = attribute(node, "alpha", 1);
          Value s = o.sigmoid(o.mul(x, alpha));
          return o.add(s, o.mul(o.mul(node.output(), alpha), o.sub(1, s)));
        });
  }

  static List<Optional<Value>> prelu(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value slope = node.input(1);
    Value gradient = BackwardRules.only(dy);
    Value negative = less(o, x, 0);
    Value zero = o.scalar(x.elementType(), 0);
    return List.of(
        b.wants(x)
            ? Optional.of(
                b.unbroadcast(
                    o.mul(gradient, o.where(negative, slope, o.scalar(x.elementType(), 1))), x))
            : Optional.empty(),
        b.wants(slope)
            ? Optional.of(b.unbroadcast(o.mul(gradient, o.where(negative, x, zero)), slope))
            : Optional.empty());
  }

  /** Elements that are cut off have no influence; the bounds have, on those that they cut. */
  static List<Optional<Value>> clip(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value gradient = BackwardRules.only(dy);
    Value zero = o.scalar(gradient.elementType(), 0);
    Value kept = o.onnx("Equal", x, node.output());
    List<Optional<Value>> gradients = new ArrayList<>();
    gradients.add(Optional.of(o.where(kept, gradient, zero)));
    for (int index = 1; index < node.inputs().size(); index++) {
      if (!node.hasInput(index) || !b.wants(node.input(index))) {
        gradients.add(Optional.empty());
        continue;
      }
      Value bound = node.input(index);
      Value cut = o.onnx("And", o.onnx("Not", kept), o.onnx("Equal", node.output(), bound));
      gradients.add(Optional.of(b.unbroadcast(o.where(cut, gradient, zero), bound)));
    }
    return gradients;
  }

  /** What is kept in training is scaled up; outside of training all is. */
  static List<Optional<Value>> dropout(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value gradient = BackwardRules.only(dy);
    if (!node.hasInput(2)) {
      return Backward.of(gradient);
    }
    Tensor training =
        o.editor()
            .constantOf(node.input(2))
            .orElseThrow(() -> new IrException(node + ": whether it trains must be constant"));
    if (training.toLongs()[0] == 0) {
      return Backward.of(gradient);
    }
    Value ratio =
        node.hasInput(1)
            ? o.cast(node.input(1), gradient.elementType())
            : o.scalar(gradient.elementType(), 0.5);
    Value kept = o.cast(node.output(1), gradient.elementType());
    return Backward.of(o.div(o.mul(gradient, kept), o.sub(1, ratio)));
  }

  /** x - y trunc(x / y). */
  static List<Optional<Value>> mod(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value y = node.input(1);
    Value gradient = BackwardRules.only(dy);
    Value quotient = o.div(x, y);
    Value whole = o.mul(o.onnx("Sign", quotient), o.onnx("Floor", o.onnx("Abs", quotient)));
    return BackwardRules.broadcast(
        b, node, gradient, b.wants(y) ? o.neg(o.mul(gradient, whole)) : gradient);
  }

  static List<Optional<Value>> mean(Backward b, Node node, List<Optional<Value>> dy) {
    Value share = b.ops().mul(BackwardRules.only(dy), 1.0 / node.inputs().size());
    return node.presentInputs().stream().map(x -> Optional.of(b.unbroadcast(share, x))).toList();
  }

  /** For operators that are constant wherever they are continuous. */
  static List<Optional<Value>> flat(Backward b, Node node, List<Optional<Value>> dy) {
    return List.of();
  }

  static List<Optional<Value>> einsum(Backward b, Node node, List<Optional<Value>> dy) {
    String equation = node.attributes().stringValue("equation", "").replace(" ", "");
    int arrow = equation.indexOf("->");
    if (arrow < 0 || equation.contains(".")) {
      throw new IrException(
          node + ": only equations that name the result, without an ellipsis, are differentiated");
    }
    String[] terms = equation.substring(0, arrow).split(",", -1);
    String result = equation.substring(arrow + 2);
    List<Optional<Value>> gradients = new ArrayList<>();
    for (int i = 0; i < terms.length; i++) {
      gradients.add(
          b.wants(node.input(i))
              ? Optional.of(einsumOperand(b, node, BackwardRules.only(dy), terms, result, i))
              : Optional.empty());
    }
    return gradients;
  }

  /** The result's gradient times all other operands; what the operand alone has is repeated. */
  private static Value einsumOperand(
      Backward b, Node node, Value dy, String[] terms, String result, int index) {
    Ops o = b.ops();
    String own = terms[index];
    if (own.chars().distinct().count() != own.length()) {
      throw new IrException(node + ": diagonals are not differentiated");
    }
    StringBuilder equation = new StringBuilder(result);
    List<Value> operands = new ArrayList<>(List.of(dy));
    for (int other = 0; other < terms.length; other++) {
      if (other != index) {
        equation.append(',').append(terms[other]);
        operands.add(node.input(other));
      }
    }
    StringBuilder shared = new StringBuilder();
    List<Long> alone = new ArrayList<>();
    for (int axis = 0; axis < own.length(); axis++) {
      if (equation.indexOf(String.valueOf(own.charAt(axis))) >= 0) {
        shared.append(own.charAt(axis));
      } else {
        alone.add((long) axis);
      }
    }
    Value gradient =
        o.onnx(
            "Einsum",
            Attributes.of("equation", Attribute.of(equation + "->" + shared)),
            operands.toArray(new Value[0]));
    if (alone.isEmpty()) {
      return gradient;
    }
    long[] axes = alone.stream().mapToLong(Long::longValue).toArray();
    return o.expand(o.unsqueeze(gradient, axes), o.shapeOf(node.input(index)));
  }
}
