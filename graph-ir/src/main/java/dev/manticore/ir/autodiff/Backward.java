package dev.manticore.ir.autodiff;

import dev.manticore.ir.Dim;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What backward rules work with: the graph being extended, and which values need a gradient at all.
 */
final class Backward {

  private final Ops ops;
  private final Set<Value> wanted;

  Backward(Ops ops, Set<Value> wanted) {
    this.ops = ops;
    this.wanted = wanted;
  }

  Ops ops() {
    return ops;
  }

  /** Whether the gradient of this value leads to one that is asked for. */
  boolean wants(Value value) {
    return wanted.contains(value);
  }

  /** The gradients of all inputs, each there. */
  static List<Optional<Value>> of(Value... gradients) {
    return Arrays.stream(gradients).map(Optional::of).toList();
  }

  /** Sums a gradient over the axes along which {@code operand} was broadcast. */
  Value unbroadcast(Value gradient, Value operand) {
    Shape from = gradient.shape();
    Shape to = operand.shape();
    if (from.equals(to)) {
      return gradient;
    }
    int extra = from.rank() - to.rank();
    List<Long> leading = new ArrayList<>();
    List<Long> ones = new ArrayList<>();
    for (int axis = 0; axis < from.rank(); axis++) {
      if (axis < extra) {
        leading.add((long) axis);
      } else if (Ops.isOne(to.dim(axis - extra)) && !Ops.isOne(from.dim(axis))) {
        ones.add((long) axis - extra);
      }
    }
    Value reduced = leading.isEmpty() ? gradient : ops.reduceSum(gradient, toArray(leading));
    return ones.isEmpty() ? reduced : ops.reduceSumKeep(reduced, toArray(ones));
  }

  /** A value as a matrix of its last axis: [.., n] becomes [rows, n]. */
  Value asMatrix(Value value) {
    if (value.shape().rank() == 2) {
      return value;
    }
    Dim last = value.shape().dim(-1);
    return last.isKnown() ? ops.reshape(value, -1, last.extent()) : flattened(value);
  }

  private Value flattened(Value value) {
    Value width = ops.shapeOf(value, value.shape().rank() - 1, value.shape().rank());
    return ops.onnx("Reshape", value, ops.concat(0, ops.ints(-1), width));
  }

  private static long[] toArray(List<Long> values) {
    return values.stream().mapToLong(Long::longValue).toArray();
  }
}
