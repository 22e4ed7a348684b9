package dev.manticore.ir;

import dev.manticore.ir.op.Evaluation;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.op.Operator;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Follows small values through shape arithmetic, so that inference knows what a {@code Reshape} is
 * given.
 */
final class ConstantTracking {

  private ConstantTracking() {}

  /** What the outputs of a node are, if that follows from constants and shapes alone. */
  static Optional<Map<Value, Tensor>> track(
      Node node, Operator operator, Function<Value, Optional<Tensor>> constantOf, int limit) {
    if (node.op().isOnnx("Constant")) {
      return node.attributes().has("value")
          ? Optional.of(Map.of(node.output(), node.attributes().tensor("value")))
          : Optional.empty();
    }
    if (node.op().isOnnx("Shape")) {
      return shape(node);
    }
    if (!operator.isPure() || !node.attributes().graphs().isEmpty()) {
      return Optional.empty();
    }
    for (Value output : node.presentOutputs()) {
      if (!output.isTensor()
          || !output.shape().isRanked()
          || !output.shape().isStatic()
          || output.shape().elementCount() > limit) {
        return Optional.empty();
      }
    }
    for (Optional<Value> input : node.inputs()) {
      Optional<Tensor> known = input.flatMap(constantOf);
      if (input.isPresent() && (known.isEmpty() || known.get().shape().elementCount() > limit)) {
        return Optional.empty();
      }
    }
    try {
      return evaluate(node, operator, constantOf);
    } catch (ManticoreException e) {
      // Data that cannot be read, or operands that the reference refuses: then nothing is known.
      return Optional.empty();
    }
  }

  private static Optional<Map<Value, Tensor>> evaluate(
      Node node, Operator operator, Function<Value, Optional<Tensor>> constantOf) {
    List<Optional<NdArray>> operands = new ArrayList<>();
    for (Optional<Value> input : node.inputs()) {
      Optional<Tensor> known = input.flatMap(constantOf);
      if (known.isPresent() && !NumberFormats.isExactInDouble(known.get())) {
        return Optional.empty();
      }
      operands.add(known.map(NdArray::of));
    }
    List<NdArray> results =
        operator.evaluate(
            new Evaluation(node.op(), node.attributes(), operands, node.outputs().size()));
    Map<Value, Tensor> values = new LinkedHashMap<>();
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        Tensor result = results.get(i).toTensor();
        if (!NumberFormats.isExactInDouble(result)) {
          return Optional.empty();
        }
        values.put(node.output(i), result);
      }
    }
    return Optional.of(values);
  }

  /** {@code Shape} needs the extents that it is asked for, not all of them. */
  private static Optional<Map<Value, Tensor>> shape(Node node) {
    Shape shape = node.input(0).shape();
    if (!shape.isRanked()) {
      return Optional.empty();
    }
    int rank = shape.rank();
    int start = clamp(node.attributes().intValue("start", 0), rank);
    int end = Math.max(start, clamp(node.attributes().intValue("end", rank), rank));
    long[] extents = new long[end - start];
    for (int axis = start; axis < end; axis++) {
      if (!shape.dim(axis).isKnown()) {
        return Optional.empty();
      }
      extents[axis - start] = shape.dim(axis).extent();
    }
    return Optional.of(Map.of(node.output(), Tensor.vector(extents)));
  }

  private static int clamp(long axis, int rank) {
    return (int) Math.max(0, Math.min(rank, axis < 0 ? axis + rank : axis));
  }
}
