package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Writes shapes, and changes of shape, in the one way that the normal form has for each. */
final class ShapeBuilder {

  private final Ops ops;
  private final ImmutableList<Value> inputs;

  /**
   * @param inputs the graph's inputs, whose shapes all symbols are read from
   */
  ShapeBuilder(Ops ops, ImmutableList<Value> inputs) {
    this.ops = ops;
    this.inputs = inputs;
  }

  /** An integer; empty if no input has a symbol that it depends on. */
  Optional<Value> scalar(Extent extent) {
    if (extent.constant().isPresent()) {
      return Optional.of(integer(extent.constant().getAsLong()));
    }
    Value sum = null;
    for (Map.Entry<List<String>, Long> term : extent.terms().entrySet()) {
      Value product = null;
      for (String symbol : term.getKey()) {
        Optional<Value> read = symbol(symbol).map(vector -> ops.squeeze(vector, 0));
        if (read.isEmpty()) {
          return Optional.empty();
        }
        product = product == null ? read.get() : ops.mul(product, read.get());
      }
      if (product == null) {
        product = integer(term.getValue());
      } else if (term.getValue() != 1) {
        product = ops.mul(product, integer(term.getValue()));
      }
      sum = sum == null ? product : ops.add(sum, product);
    }
    return Optional.of(sum);
  }

  private Value integer(long value) {
    return ops.scalar(ElementType.INT64, value);
  }

  private Optional<Value> symbol(String symbol) {
    return run(ImmutableList.of(Extent.of(Dim.of(symbol)).orElseThrow()), 0).map(Run::read);
  }

  /** A vector of integers; empty if no input has a symbol that it depends on. */
  Optional<Value> vector(ImmutableList<Extent> elements) {
    List<Value> parts = new ArrayList<>();
    List<Long> constants = new ArrayList<>();
    for (int i = 0; i < elements.size(); ) {
      Extent element = elements.get(i);
      if (element.constant().isPresent()) {
        constants.add(element.constant().getAsLong());
        i++;
        continue;
      }
      flush(constants, parts);
      Optional<Run> run = run(elements, i);
      if (run.isPresent()) {
        parts.add(run.get().read());
        i += run.get().length();
      } else {
        Optional<Value> scalar = scalar(element);
        if (scalar.isEmpty()) {
          return Optional.empty();
        }
        parts.add(ops.unsqueeze(scalar.get(), 0));
        i++;
      }
    }
    flush(constants, parts);
    return Optional.of(
        parts.size() == 1 ? parts.get(0) : ops.concat(0, parts.toArray(Value[]::new)));
  }

  private void flush(List<Long> constants, List<Value> parts) {
    if (!constants.isEmpty()) {
      parts.add(ops.ints(constants.stream().mapToLong(Long::longValue).toArray()));
      constants.clear();
    }
  }

  /** Neighbouring dimensions of an input. */
  private final class Run {
    private final Value input;
    private final int start;
    private final int length;

    Run(Value input, int start, int length) {
      this.input = input;
      this.start = start;
      this.length = length;
    }

    int length() {
      return length;
    }

    Value read() {
      return ops.shapeOf(input, start, start + length);
    }
  }

  /** The longest run of an input's symbolic dimensions that the elements from one on are. */
  private Optional<Run> run(ImmutableList<Extent> elements, int from) {
    Optional<Run> longest = Optional.empty();
    for (Value input : inputs) {
      int rank = input.shape().isRanked() ? input.shape().rank() : 0;
      for (int axis = 0; axis < rank; axis++) {
        int length = 0;
        while (axis + length < rank
            && from + length < elements.size()
            && input.shape().dim(axis + length) instanceof Dim.Symbolic
            && Extent.of(input.shape().dim(axis + length))
                .equals(Optional.of(elements.get(from + length)))) {
          length++;
        }
        if (length > longest.map(Run::length).orElse(0)) {
          longest = Optional.of(new Run(input, axis, length));
        }
      }
    }
    return longest;
  }

  /**
   * A value in another shape of as many elements: as it is, with axes of one element added or taken
   * away, or reshaped: to constant extents where 0 copies one and -1 is what remains, or else to
   * extents read from the inputs. Empty if the shapes are not known well enough for that.
   */
  Optional<Value> reshape(Value value, Shape target) {
    Shape shape = value.shape();
    if (!isKnown(shape) || !isKnown(target)) {
      return Optional.empty();
    }
    if (shape.equals(target)) {
      return Optional.of(value);
    }
    Optional<long[]> added = axesOfOne(shape, target);
    if (added.isPresent()) {
      return Optional.of(ops.unsqueeze(value, added.get()));
    }
    Optional<long[]> removed = axesOfOne(target, shape);
    if (removed.isPresent()) {
      return Optional.of(ops.squeeze(value, removed.get()));
    }
    long[] extents = new long[target.rank()];
    boolean open = false;
    for (int axis = 0; axis < extents.length; axis++) {
      Dim dim = target.dim(axis);
      if (dim.isKnown()) {
        if (dim.extent() == 0) {
          return Optional.empty();
        }
        extents[axis] = dim.extent();
      } else if (axis < shape.rank() && shape.dim(axis).equals(dim)) {
        extents[axis] = 0;
      } else if (!open) {
        extents[axis] = -1;
        open = true;
      } else {
        return reshapeToExtents(value, target);
      }
    }
    return Optional.of(ops.reshape(value, extents));
  }

  /** Where constants do not say it, every extent is written out. */
  private Optional<Value> reshapeToExtents(Value value, Shape target) {
    ImmutableList<Extent> extents =
        target.dims().stream()
            .flatMap(dim -> Extent.of(dim).stream())
            .collect(ImmutableList.toImmutableList());
    return vector(extents).map(shape -> ops.onnx("Reshape", value, shape));
  }

  static boolean isKnown(Shape shape) {
    return shape.isRanked() && !shape.dims().contains(Dim.UNKNOWN);
  }

  /** The axes of one element that the larger shape has besides those of the smaller. */
  private static Optional<long[]> axesOfOne(Shape smaller, Shape larger) {
    if (smaller.rank() >= larger.rank()) {
      return Optional.empty();
    }
    List<Long> added = new ArrayList<>();
    int next = smaller.rank() - 1;
    for (int axis = larger.rank() - 1; axis >= 0; axis--) {
      if (next >= 0 && larger.dim(axis).equals(smaller.dim(next))) {
        next--;
      } else if (larger.dim(axis).equals(Dim.of(1))) {
        added.add(0, (long) axis);
      } else {
        return Optional.empty();
      }
    }
    return next < 0
        ? Optional.of(added.stream().mapToLong(Long::longValue).toArray())
        : Optional.empty();
  }

  /** Takes a value's axes in another order; as it is if that is the order they are in. */
  Value transpose(Value value, long... permutation) {
    boolean same = true;
    for (int axis = 0; axis < permutation.length; axis++) {
      same &= permutation[axis] == axis;
    }
    return same ? value : ops.transpose(value, permutation);
  }

  /** The permutation of a transposition, written out. */
  static long[] permutation(Node transpose) {
    int rank = transpose.input(0).shape().rank();
    long[] reversed = new long[rank];
    Arrays.setAll(reversed, axis -> rank - 1 - axis);
    return transpose.attributes().intValues("perm", reversed);
  }

  /** Whether a node is a standard operator that only changes a shape. */
  static boolean isReshape(OpId op) {
    return op.isOnnx("Reshape") || op.isOnnx("Squeeze") || op.isOnnx("Unsqueeze");
  }
}
