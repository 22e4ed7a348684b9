package dev.manticore.ir.autodiff;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Backward rules of reductions, and of normalisations over more than the last axis. */
final class ReductionRules {

  /** What each element contributes, from x and from y and dy spread over what was reduced. */
  @FunctionalInterface
  private interface Share {
    Value of(Ops ops, Value x, Value y, Value dy);
  }

  private ReductionRules() {}

  private static BackwardRule share(Share share) {
    return (b, node, dy) ->
        Backward.of(
            share.of(
                b.ops(),
                node.input(0),
                BackwardRules.spread(b, node, node.output()),
                BackwardRules.spread(b, node, BackwardRules.only(dy))));
  }

  static BackwardRule sumSquare() {
    return share((o, x, y, dy) -> o.mul(dy, o.mul(x, 2)));
  }

  static BackwardRule l1() {
    return share((o, x, y, dy) -> o.mul(dy, o.onnx("Sign", x)));
  }

  /** Of a norm of zero the gradient is zero. */
  static BackwardRule l2() {
    return share(
        (o, x, y, dy) -> {
          Value isZero = o.onnx("Equal", y, o.scalar(y.elementType(), 0));
          return o.mul(dy, o.div(x, o.where(isZero, o.scalar(y.elementType(), 1), y)));
        });
  }

  static BackwardRule logSum() {
    return share((o, x, y, dy) -> o.mul(dy, o.exp(o.neg(y))));
  }

  static BackwardRule logSumExp() {
    return share((o, x, y, dy) -> o.mul(dy, o.exp(o.sub(x, y))));
  }

  /** The gradient goes to the largest or smallest element; to all that are equally so. */
  static BackwardRule extremum() {
    return share(
        (o, x, y, dy) -> o.where(o.onnx("Equal", x, y), dy, o.scalar(dy.elementType(), 0)));
  }

  /** The product of the others, which must not be had by dividing by zero. */
  static List<Optional<Value>> product(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value one = o.scalar(x.elementType(), 1);
    Value isZero = o.onnx("Equal", x, o.scalar(x.elementType(), 0));
    Value nonZero = o.where(isZero, one, x);
    Value zeros =
        BackwardRules.spread(b, node, again(o, node, "ReduceSum", o.cast(isZero, x.elementType())));
    Value others =
        o.div(BackwardRules.spread(b, node, again(o, node, "ReduceProd", nonZero)), nonZero);
    // An element's partners contain a zero unless it is itself the only one.
    Value zerosElsewhere = o.sub(zeros, o.cast(isZero, x.elementType()));
    Value counts = o.onnx("Equal", zerosElsewhere, o.scalar(x.elementType(), 0));
    Value slope = o.where(counts, others, o.scalar(x.elementType(), 0));
    return Backward.of(o.mul(BackwardRules.spread(b, node, BackwardRules.only(dy)), slope));
  }

  /** Another reduction of another operand over the same axes. */
  private static Value again(Ops o, Node node, String operator, Value operand) {
    List<Optional<Value>> operands = new ArrayList<>(node.inputs());
    operands.set(0, Optional.of(operand));
    return o.editor().add(OpId.onnx(operator), operator, node.attributes(), operands, 1).get(0);
  }

  /** The gradients of the chosen elements, back in their places. */
  static List<Optional<Value>> topK(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    return Backward.of(
        o.onnx(
            "ScatterElements",
            Attributes.of("axis", node.attributes().intValue("axis", -1)),
            BackwardRules.zerosLike(b, node.input(0)),
            node.output(1),
            BackwardRules.only(dy)));
  }

  // ---- Normalisation over the axes from one on, which are taken as one

  static List<Optional<Value>> layerNormalization(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Rows rows = Rows.of(o, node);
    List<Value> gradients =
        o.own(
            "LayerNormGrad",
            Attributes.NONE,
            3,
            rows.flat(node.input(0)),
            rows.weight(node.input(1)),
            rows.statistic(node.output(1)),
            rows.statistic(node.output(2)),
            rows.flat(BackwardRules.only(dy)));
    return rows.back(b, node, gradients);
  }

  static List<Optional<Value>> rmsNormalization(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Rows rows = Rows.of(o, node);
    Attributes epsilon =
        Attributes.of("epsilon", Attribute.of(node.attributes().floatValue("epsilon", 1e-5f)));
    List<Value> gradients =
        o.own(
            "RmsNormGrad",
            epsilon,
            2,
            rows.flat(node.input(0)),
            rows.weight(node.input(1)),
            rows.flat(BackwardRules.only(dy)));
    return rows.back(b, node, gradients);
  }

  /** How a normalisation's operands become such over the last axis alone. */
  private record Rows(Ops ops, int axis, int rank, Value input) {

    static Rows of(Ops ops, Node node) {
      Value input = node.input(0);
      int rank = input.shape().rank();
      long axis = node.attributes().intValue("axis", -1);
      return new Rows(ops, (int) (axis < 0 ? axis + rank : axis), rank, input);
    }

    private boolean isLast() {
      return axis == rank - 1;
    }

    private Value normalisedShape() {
      return ops.shapeOf(input, axis, rank);
    }

    Value flat(Value value) {
      return isLast()
          ? value
          : ops.onnx("Reshape", value, ops.concat(0, ops.shapeOf(input, 0, axis), ops.ints(-1)));
    }

    Value statistic(Value value) {
      return isLast()
          ? value
          : ops.onnx("Reshape", value, ops.concat(0, ops.shapeOf(input, 0, axis), ops.ints(1)));
    }

    /** A scale, which may be broadcast over the normalised axes. */
    Value weight(Value value) {
      boolean whole =
          value.shape().rank() == rank - axis
              && value.shape().dims().equals(input.shape().dims().subList(axis, rank));
      return isLast() && whole
          ? value
          : ops.reshape(whole ? value : ops.expand(value, normalisedShape()), -1);
    }

    List<Optional<Value>> back(Backward b, Node node, List<Value> gradients) {
      List<Optional<Value>> results = new ArrayList<>();
      for (int i = 0; i < gradients.size() && i < node.inputs().size(); i++) {
        Value gradient = gradients.get(i);
        if (i == 0) {
          results.add(Optional.of(isLast() ? gradient : ops.reshapeLike(gradient, input)));
        } else {
          Value whole = isLast() ? gradient : ops.onnx("Reshape", gradient, normalisedShape());
          results.add(Optional.of(b.unbroadcast(whole, node.input(i))));
        }
      }
      return results;
    }
  }
}
