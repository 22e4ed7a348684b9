package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.BinaryOperator;

/** What the operators' shape and type inference has in common. */
final class Inference {

  private Inference() {}

  /** The dimension that two broadcast to. */
  static Dim broadcast(Dim left, Dim right) {
    if (left instanceof Dim.Known known && known.value() == 1) {
      return right;
    }
    if (right instanceof Dim.Known known && known.value() == 1) {
      return left;
    }
    if (left.equals(right)) {
      return left;
    }
    if (left.isKnown() && right.isKnown()) {
      throw new IrException("dimensions " + left + " and " + right + " do not broadcast");
    }
    // The one that is not known is either one or equal to the other.
    return left.isKnown() ? left : right.isKnown() ? right : Dim.UNKNOWN;
  }

  /**
   * The shape that two broadcast to.
   *
   * @throws IrException if they do not
   */
  static Shape broadcast(Shape left, Shape right) {
    if (!left.isRanked() || !right.isRanked()) {
      return Shape.unranked();
    }
    int rank = Math.max(left.rank(), right.rank());
    List<Dim> dims = new ArrayList<>();
    for (int i = rank; i >= 1; i--) {
      Dim first = i <= left.rank() ? left.dim(-i) : Dim.of(1);
      Dim second = i <= right.rank() ? right.dim(-i) : Dim.of(1);
      try {
        dims.add(broadcast(first, second));
      } catch (IrException e) {
        throw new IrException("shapes " + left + " and " + right + " do not broadcast", e);
      }
    }
    return Shape.of(dims);
  }

  /** The shape that all inputs from {@code from} on broadcast to. */
  static Shape broadcastInputs(Call call, int from) {
    Shape shape = Shape.scalar();
    for (int i = from; i < call.inputCount(); i++) {
      shape = broadcast(shape, call.shape(i));
    }
    return shape;
  }

  /**
   * Two dimensions that must be equal, as one: the one of which more is known.
   *
   * @throws IrException if they are known to differ
   */
  static Dim same(Dim left, Dim right, String what) {
    if (left.isKnown() && right.isKnown() && !left.equals(right)) {
      throw new IrException(what + " differ: " + left + " and " + right);
    }
    if (left.isKnown() || right instanceof Dim.Unknown) {
      return left;
    }
    return right.isKnown() || left instanceof Dim.Unknown ? right : left;
  }

  /**
   * Two shapes that must be equal, as one.
   *
   * @throws IrException if they are known to differ
   */
  static Shape same(Shape left, Shape right, String what) {
    if (!left.isRanked() || !right.isRanked()) {
      return left.isRanked() ? left : right;
    }
    if (left.rank() != right.rank()) {
      throw new IrException("ranks of " + what + " differ: " + left + " and " + right);
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < left.rank(); axis++) {
      dims.add(same(left.dim(axis), right.dim(axis), "dimensions " + axis + " of " + what));
    }
    return Shape.of(dims);
  }

  /** A dimension that may be either of two. */
  static Dim either(Dim left, Dim right) {
    return left.equals(right) ? left : Dim.UNKNOWN;
  }

  /** A shape that may be either of two. */
  static Shape either(Shape left, Shape right) {
    if (!left.isRanked() || !right.isRanked() || left.rank() != right.rank()) {
      return Shape.unranked();
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < left.rank(); axis++) {
      dims.add(either(left.dim(axis), right.dim(axis)));
    }
    return Shape.of(dims);
  }

  static Dim plus(Dim left, Dim right) {
    if (isKnown(left, 0)) {
      return right;
    }
    return isKnown(right, 0) ? left : calculate(left, right, Extent::plus);
  }

  static Dim times(Dim left, Dim right) {
    if (isKnown(left, 0) || isKnown(right, 0)) {
      return Dim.of(0);
    }
    if (isKnown(left, 1)) {
      return right;
    }
    return isKnown(right, 1) ? left : calculate(left, right, Extent::times);
  }

  private static Dim calculate(Dim left, Dim right, BinaryOperator<Extent> function) {
    Optional<Extent> first = Extent.of(left);
    Optional<Extent> second = Extent.of(right);
    try {
      return first.isPresent() && second.isPresent()
          ? function.apply(first.get(), second.get()).toDim()
          : Dim.UNKNOWN;
    } catch (ArithmeticException e) {
      throw new IrException("dimensions " + left + " and " + right + " make too many elements", e);
    }
  }

  /** The dimensions that the elements of an operand stand for, as far as they are known. */
  static Optional<Shape> shape(Call call, int index) {
    Optional<Shape> constant = call.constant(index).map(extents -> Shape.of(extents.toLongs()));
    return constant.isPresent()
        ? constant
        : call.extents(index)
            .map(extents -> Shape.of(extents.stream().map(Extent::toDim).toList()));
  }

  /** The product of some dimensions. */
  static Dim product(List<Dim> dims) {
    Dim product = Dim.of(1);
    for (Dim dim : dims) {
      product = times(product, dim);
    }
    return product;
  }

  static boolean isKnown(Dim dim, long extent) {
    return dim instanceof Dim.Known known && known.value() == extent;
  }

  /** A shape of a known rank of which nothing else is known. */
  static Shape ofRank(int rank) {
    return Shape.of(Collections.nCopies(rank, Dim.UNKNOWN));
  }

  /** The shape that a one-dimensional operand of unknown content stands for. */
  static Shape ofRank(Shape operand) {
    return operand.isRanked() && operand.rank() == 1 && operand.dim(0).isKnown()
        ? ofRank(Math.toIntExact(operand.dim(0).extent()))
        : Shape.unranked();
  }

  /**
   * An axis counted from the front.
   *
   * @throws IrException if there is none such
   */
  static int axis(long axis, int rank) {
    if (axis < -rank || axis >= rank) {
      throw new IrException("axis " + axis + " is outside of rank " + rank);
    }
    return (int) (axis < 0 ? axis + rank : axis);
  }

  /**
   * Axes counted from the front, sorted.
   *
   * @throws IrException if one is outside or there twice
   */
  static int[] axes(long[] axes, int rank) {
    int[] normalised = Arrays.stream(axes).mapToInt(axis -> axis(axis, rank)).sorted().toArray();
    for (int i = 1; i < normalised.length; i++) {
      if (normalised[i] == normalised[i - 1]) {
        throw new IrException("axis " + normalised[i] + " is named twice");
      }
    }
    return normalised;
  }

  static int[] allAxes(int rank) {
    int[] axes = new int[rank];
    Arrays.setAll(axes, axis -> axis);
    return axes;
  }

  /**
   * The element type of the inputs of these numbers, which must have the same.
   *
   * @throws IrException if they differ
   */
  static ElementType elementType(Call call, int from, int end) {
    ElementType type = call.type(from).elementType();
    for (int i = from + 1; i < end; i++) {
      if (call.hasInput(i) && call.type(i).elementType() != type) {
        throw new IrException(
            "element types "
                + type.text()
                + " and "
                + call.type(i).elementType().text()
                + " of inputs "
                + from
                + " and "
                + i
                + " differ; a Cast is needed");
      }
    }
    return type;
  }

  /** The element type of all inputs. */
  static ElementType elementType(Call call) {
    return elementType(call, 0, call.inputCount());
  }

  static TensorType sameAsInput(Call call) {
    return call.type(0);
  }

  /**
   * Whether an operand that newer versions of an operator take as an input and older ones as an
   * attribute is there.
   */
  static boolean isGiven(Call call, int index, String attribute) {
    return call.hasInput(index) || call.attributes().has(attribute);
  }

  /** The values of such an operand, as far as they are known; empty too when it is not there. */
  static Optional<long[]> ints(Call call, int index, String attribute) {
    return call.hasInput(index)
        ? call.constant(index).map(Tensor::toLongs)
        : attribute(call.attributes(), attribute);
  }

  /** The values of an operand that is an input or, in older versions, an attribute. */
  static Optional<long[]> ints(Evaluation evaluation, int index, String attribute) {
    return evaluation.hasInput(index)
        ? Optional.of(evaluation.input(index).toLongs())
        : attribute(evaluation.attributes(), attribute);
  }

  private static Optional<long[]> attribute(Attributes attributes, String attribute) {
    return attributes.has(attribute)
        ? Optional.of(attributes.intValues(attribute))
        : Optional.empty();
  }

  /**
   * Checks the rank of an input, if it is known.
   *
   * @throws IrException if it is another
   */
  static void requireRank(Call call, int index, int rank) {
    Shape shape = call.shape(index);
    if (shape.isRanked() && shape.rank() != rank) {
      throw new IrException(
          "input " + index + " should have rank " + rank + " but is " + call.type(index));
    }
  }

  /** The same type for every output. */
  static ImmutableList<TensorType> repeat(TensorType type, int count) {
    return ImmutableList.copyOf(Collections.nCopies(count, type));
  }

  /**
   * Checks that one shape broadcasts to another, which it does not change.
   *
   * @throws IrException if it does not
   */
  static void requireBroadcast(Shape shape, Shape target) {
    if (!shape.isRanked() || !target.isRanked()) {
      return;
    }
    boolean fits = shape.rank() <= target.rank();
    for (int i = 1; fits && i <= shape.rank(); i++) {
      Dim from = shape.dim(-i);
      Dim to = target.dim(-i);
      fits = !from.isKnown() || from.extent() == 1 || !to.isKnown() || from.equals(to);
    }
    if (!fits) {
      throw new IrException("shape " + shape + " does not broadcast to " + target);
    }
  }
}
