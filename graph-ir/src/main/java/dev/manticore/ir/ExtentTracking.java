package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Ints;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.BiFunction;
import java.util.function.BinaryOperator;
import java.util.function.Function;

/**
 * Follows integers and vectors of integers through shape arithmetic where they are known up to
 * symbolic dimensions: what {@code Shape} gives, taken apart, calculated with and put together
 * again. Truth values are followed as 0 and 1.
 */
final class ExtentTracking {

  /** Vectors of at most so many elements are tracked; shapes have far fewer. */
  static final int LONGEST = 64;

  private final Function<Value, Optional<ImmutableList<Extent>>> extentsOf;

  private ExtentTracking(Function<Value, Optional<ImmutableList<Extent>>> extentsOf) {
    this.extentsOf = extentsOf;
  }

  /** The elements of the node's output, if the node calculates with extents. */
  static Optional<ImmutableList<Extent>> track(
      Node node, Function<Value, Optional<ImmutableList<Extent>>> extentsOf) {
    if (!node.op().domain().equals(OpId.ONNX)
        || node.outputs().size() != 1
        || !node.hasOnlyTensors()
        || !isTracked(node.output().type())) {
      return Optional.empty();
    }
    try {
      return new ExtentTracking(extentsOf)
          .elements(node)
          .filter(elements -> elements.size() <= LONGEST);
    } catch (ArithmeticException | IndexOutOfBoundsException e) {
      // Numbers beyond long, or indices that fit no element: nothing is known.
      return Optional.empty();
    }
  }

  /** Whether values of a type are tracked: integers and truth values, single or in a vector. */
  static boolean isTracked(TensorType type) {
    boolean whole =
        type.elementType() == ElementType.INT64
            || type.elementType() == ElementType.INT32
            || type.elementType() == ElementType.BOOL;
    return whole
        && type.shape().isRanked()
        && type.shape().isStatic()
        && type.shape().rank() <= 1
        && type.shape().elementCount() <= LONGEST;
  }

  private Optional<ImmutableList<Extent>> elements(Node node) {
    return switch (node.op().name()) {
      case "Shape" -> shape(node);
      case "Size" -> size(node.input(0).shape());
      case "Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten" ->
          extentsOf.apply(node.input(0));
      case "Cast" -> cast(node);
      case "Gather" -> gather(node);
      case "Slice" -> slice(node);
      case "Concat" -> concat(node);
      case "ConstantOfShape" -> filled(node);
      case "Expand" -> expanded(node);
      case "Neg" -> negated(node);
      case "Add" -> zip(node, Extent::plus);
      case "Sub" -> zip(node, Extent::minus);
      case "Mul" -> zip(node, Extent::times);
      case "Div" -> divide(node);
      case "Equal" -> equal(node);
      case "Where" -> where(node);
      case "ReduceProd" -> product(node);
      default -> Optional.empty();
    };
  }

  private static Optional<ImmutableList<Extent>> shape(Node node) {
    Shape shape = node.input(0).shape();
    if (!shape.isRanked()) {
      return Optional.empty();
    }
    int rank = shape.rank();
    int start = clamp(node.attributes().intValue("start", 0), rank);
    int end = Math.max(start, clamp(node.attributes().intValue("end", rank), rank));
    return all(shape.dims().subList(start, end).stream().map(Extent::of).toList());
  }

  private static int clamp(long axis, int rank) {
    return (int) Math.max(0, Math.min(rank, axis < 0 ? axis + rank : axis));
  }

  private static Optional<ImmutableList<Extent>> size(Shape shape) {
    return shape.isRanked()
        ? all(shape.dims().stream().map(Extent::of).toList()).map(ExtentTracking::product)
        : Optional.empty();
  }

  private static ImmutableList<Extent> product(List<Extent> factors) {
    return ImmutableList.of(factors.stream().reduce(Extent.of(1), Extent::times));
  }

  private Optional<ImmutableList<Extent>> product(Node node) {
    return node.output().shape().elementCount() == 1
        ? extentsOf.apply(node.input(0)).map(ExtentTracking::product)
        : Optional.empty();
  }

  private Optional<ImmutableList<Extent>> cast(Node node) {
    return node.output().elementType() == ElementType.BOOL
            && node.input(0).elementType() != ElementType.BOOL
        ? Optional.empty()
        : extentsOf.apply(node.input(0));
  }

  private Optional<ImmutableList<Extent>> gather(Node node) {
    Optional<ImmutableList<Extent>> data = extentsOf.apply(node.input(0));
    Optional<long[]> indices = constants(node, 1);
    if (data.isEmpty() || indices.isEmpty() || node.input(0).shape().rank() != 1) {
      return Optional.empty();
    }
    int count = data.get().size();
    return Optional.of(
        Arrays.stream(indices.get())
            .mapToObj(index -> data.get().get(Ints.checkedCast(index < 0 ? index + count : index)))
            .collect(ImmutableList.toImmutableList()));
  }

  private Optional<ImmutableList<Extent>> slice(Node node) {
    Optional<ImmutableList<Extent>> data = extentsOf.apply(node.input(0));
    Optional<long[]> start = constants(node, 1);
    Optional<long[]> end = constants(node, 2);
    Optional<long[]> step = node.hasInput(4) ? constants(node, 4) : Optional.of(new long[] {1});
    if (data.isEmpty()
        || start.isEmpty()
        || end.isEmpty()
        || step.isEmpty()
        || start.get().length != 1
        || step.get()[0] != 1) {
      return Optional.empty();
    }
    int count = data.get().size();
    int from = clamp(start.get()[0], count);
    return Optional.of(data.get().subList(from, Math.max(from, clamp(end.get()[0], count))));
  }

  private Optional<ImmutableList<Extent>> concat(Node node) {
    ImmutableList.Builder<Extent> joined = ImmutableList.builder();
    for (Value part : node.presentInputs()) {
      Optional<ImmutableList<Extent>> elements = extentsOf.apply(part);
      if (elements.isEmpty()) {
        return Optional.empty();
      }
      joined.addAll(elements.get());
    }
    return Optional.of(joined.build());
  }

  private static Optional<ImmutableList<Extent>> filled(Node node) {
    if (!node.attributes().has("value")) {
      return Optional.empty();
    }
    long value = node.attributes().tensor("value").toLongs()[0];
    return Optional.of(repeat(Extent.of(value), node.output()));
  }

  private Optional<ImmutableList<Extent>> expanded(Node node) {
    return extentsOf
        .apply(node.input(0))
        .filter(elements -> elements.size() == 1)
        .map(elements -> repeat(elements.get(0), node.output()));
  }

  private static ImmutableList<Extent> repeat(Extent element, Value like) {
    return ImmutableList.copyOf(
        Collections.nCopies(Math.toIntExact(like.shape().elementCount()), element));
  }

  private Optional<ImmutableList<Extent>> negated(Node node) {
    return extentsOf
        .apply(node.input(0))
        .map(
            elements ->
                elements.stream()
                    .map(element -> element.times(Extent.of(-1)))
                    .collect(ImmutableList.toImmutableList()));
  }

  private Optional<ImmutableList<Extent>> zip(Node node, BinaryOperator<Extent> function) {
    return zipIfKnown(node, (left, right) -> Optional.of(function.apply(left, right)));
  }

  private Optional<ImmutableList<Extent>> zipIfKnown(
      Node node, BiFunction<Extent, Extent, Optional<Extent>> function) {
    Optional<ImmutableList<Extent>> left = extentsOf.apply(node.input(0));
    Optional<ImmutableList<Extent>> right = extentsOf.apply(node.input(1));
    if (left.isEmpty() || right.isEmpty()) {
      return Optional.empty();
    }
    int count = Math.toIntExact(node.output().shape().elementCount());
    List<Optional<Extent>> elements = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      elements.add(function.apply(element(left.get(), i), element(right.get(), i)));
    }
    return all(elements);
  }

  /** An element of an operand that may have one for all. */
  private static Extent element(List<Extent> elements, int index) {
    return elements.get(elements.size() == 1 ? 0 : index);
  }

  /** Quotients that come out even; others are rounded, which is not followed. */
  private Optional<ImmutableList<Extent>> divide(Node node) {
    return zipIfKnown(
        node,
        (left, right) -> {
          OptionalLong dividend = left.constant();
          OptionalLong divisor = right.constant();
          if (divisor.isPresent() && divisor.getAsLong() == 0) {
            return Optional.empty();
          }
          return dividend.isPresent() && divisor.isPresent()
              ? Optional.of(Extent.of(dividend.getAsLong() / divisor.getAsLong()))
              : left.dividedBy(right);
        });
  }

  private Optional<ImmutableList<Extent>> equal(Node node) {
    return zipIfKnown(
        node,
        (left, right) -> {
          Extent difference = left.minus(right);
          if (difference.isConstant(0)) {
            return Optional.of(Extent.of(1));
          }
          boolean larger = difference.minus(Extent.of(1)).isNonNegative();
          boolean smaller = right.minus(left).minus(Extent.of(1)).isNonNegative();
          return larger || smaller ? Optional.of(Extent.of(0)) : Optional.empty();
        });
  }

  private Optional<ImmutableList<Extent>> where(Node node) {
    Optional<long[]> chosen = constants(node, 0);
    Optional<ImmutableList<Extent>> then = extentsOf.apply(node.input(1));
    Optional<ImmutableList<Extent>> otherwise = extentsOf.apply(node.input(2));
    if (chosen.isEmpty() || then.isEmpty() || otherwise.isEmpty()) {
      return Optional.empty();
    }
    int count = Math.toIntExact(node.output().shape().elementCount());
    ImmutableList.Builder<Extent> elements = ImmutableList.builder();
    for (int i = 0; i < count; i++) {
      boolean first = chosen.get()[chosen.get().length == 1 ? 0 : i] != 0;
      elements.add(element(first ? then.get() : otherwise.get(), i));
    }
    return Optional.of(elements.build());
  }

  private Optional<long[]> constants(Node node, int input) {
    if (!node.hasInput(input)) {
      return Optional.empty();
    }
    Optional<ImmutableList<Extent>> elements = extentsOf.apply(node.input(input));
    return elements
        .filter(known -> known.stream().allMatch(element -> element.constant().isPresent()))
        .map(
            known -> known.stream().mapToLong(element -> element.constant().getAsLong()).toArray());
  }

  private static Optional<ImmutableList<Extent>> all(List<Optional<Extent>> elements) {
    return elements.stream().allMatch(Optional::isPresent)
        ? Optional.of(
            elements.stream().flatMap(Optional::stream).collect(ImmutableList.toImmutableList()))
        : Optional.empty();
  }
}
