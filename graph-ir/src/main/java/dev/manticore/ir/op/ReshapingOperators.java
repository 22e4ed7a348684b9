package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Operators that give the same elements another shape. */
final class ReshapingOperators {

  private ReshapingOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("Reshape", ReshapingOperators::reshapeType, ReshapingOperators::reshape)
        .onnx("Squeeze", ReshapingOperators::squeezeType, ReshapingOperators::squeeze)
        .onnx("Unsqueeze", ReshapingOperators::unsqueezeType, ReshapingOperators::unsqueeze)
        .onnx("Flatten", ReshapingOperators::flattenType, ReshapingOperators::flatten)
        .build();
  }

  private static TensorType reshapeType(Call call) {
    TensorType input = call.type(0);
    Optional<long[]> target = Inference.ints(call, 1, "shape");
    boolean allowZero = call.attributes().intValue("allowzero", 0) == 1;
    if (target.isPresent()) {
      return input.withShape(reshape(input.shape(), target.get(), allowZero));
    }
    Inference.requireRank(call, 1, 1);
    Optional<ImmutableList<Extent>> extents = call.extents(1);
    if (extents.isPresent()) {
      return input.withShape(reshape(input.shape(), extents.get(), allowZero));
    }
    return input.withShape(Inference.ofRank(call.shape(1)));
  }

  /**
   * The shape that a {@code Reshape} makes. Dimensions that the input and the target share cancel,
   * so that {@code [batch,length,12]} to {@code [0,0,4,-1]} is {@code [batch,length,4,3]}.
   */
  static Shape reshape(Shape input, long[] target, boolean allowZero) {
    List<Dim> left = new ArrayList<>(input.isRanked() ? input.dims() : List.of());
    List<Dim> dims = new ArrayList<>();
    int inferred = -1;
    long made = 1;
    for (int axis = 0; axis < target.length; axis++) {
      if (target[axis] == -1) {
        if (inferred >= 0) {
          throw new IrException("shape " + Arrays.toString(target) + " has more than one -1");
        }
        inferred = axis;
        dims.add(Dim.UNKNOWN);
      } else if (target[axis] == 0 && !allowZero) {
        if (input.isRanked() && axis >= input.rank()) {
          throw new IrException(
              "shape " + Arrays.toString(target) + " copies dimension " + axis + " of " + input);
        }
        Dim copied = input.isRanked() ? input.dim(axis) : Dim.UNKNOWN;
        dims.add(copied);
        if (input.isRanked()) {
          left.set(axis, Dim.of(1));
        }
      } else {
        dims.add(Dim.of(target[axis]));
        made = Math.multiplyExact(made, target[axis]);
      }
    }
    if (!input.isRanked()) {
      return Shape.of(dims);
    }
    long known = 1;
    List<Dim> open = new ArrayList<>();
    for (Dim dim : left) {
      if (dim.isKnown()) {
        known = Math.multiplyExact(known, dim.extent());
      } else {
        open.add(dim);
      }
    }
    if (open.isEmpty()) {
      boolean fits = inferred < 0 ? known == made : made != 0 && known % made == 0;
      if (!fits) {
        throw new IrException(
            "a tensor of shape " + input + " has no shape " + Arrays.toString(target));
      }
      if (inferred >= 0) {
        dims.set(inferred, Dim.of(known / made));
      }
    } else if (inferred >= 0) {
      dims.set(
          inferred,
          open.size() == 1 && known == made
              ? open.get(0)
              : quotient(Inference.product(left), Extent.of(made)));
    }
    return Shape.of(dims);
  }

  /** The same for a target that is known up to symbolic dimensions. */
  private static Shape reshape(Shape input, List<Extent> target, boolean allowZero) {
    List<Dim> left = new ArrayList<>(input.isRanked() ? input.dims() : List.of());
    List<Dim> dims = new ArrayList<>();
    int inferred = -1;
    Extent made = Extent.of(1);
    for (int axis = 0; axis < target.size(); axis++) {
      Extent extent = target.get(axis);
      if (extent.isConstant(-1)) {
        inferred = axis;
        dims.add(Dim.UNKNOWN);
      } else if (extent.isConstant(0) && !allowZero) {
        boolean copied = axis < left.size();
        dims.add(copied ? input.dim(axis) : Dim.UNKNOWN);
        if (copied) {
          left.set(axis, Dim.of(1));
        }
      } else {
        dims.add(extent.toDim());
        made = made.times(extent);
      }
    }
    if (inferred >= 0 && input.isRanked()) {
      dims.set(inferred, quotient(Inference.product(left), made));
    }
    return Shape.of(dims);
  }

  private static Dim quotient(Dim dividend, Extent divisor) {
    return Extent.of(dividend)
        .filter(extent -> !divisor.isConstant(0))
        .flatMap(extent -> extent.dividedBy(divisor))
        .map(Extent::toDim)
        .orElse(Dim.UNKNOWN);
  }

  private static NdArray reshape(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long[] target =
        Inference.ints(evaluation, 1, "shape")
            .orElseThrow(() -> new IrException("the shape is missing"));
    boolean allowZero = evaluation.attributes().intValue("allowzero", 0) == 1;
    return input.reshape(extents(reshape(shapeOf(input), target, allowZero)));
  }

  private static Shape shapeOf(NdArray array) {
    return Shape.of(Arrays.stream(array.shape()).asLongStream().toArray());
  }

  private static int[] extents(Shape shape) {
    return Arrays.stream(shape.extents()).mapToInt(Math::toIntExact).toArray();
  }

  private static TensorType squeezeType(Call call) {
    TensorType input = call.type(0);
    Optional<long[]> axes = Inference.ints(call, 1, "axes");
    if (axes.isPresent() || !Inference.isGiven(call, 1, "axes")) {
      return input.withShape(squeeze(input.shape(), axes));
    }
    Shape given = call.shape(1);
    return input.withShape(
        input.shape().isRanked() && given.isRanked() && given.isStatic()
            ? Inference.ofRank(Math.toIntExact(input.shape().rank() - given.elementCount()))
            : Shape.unranked());
  }

  /** The shape without some axes, or without all of one element. */
  private static Shape squeeze(Shape shape, Optional<long[]> axes) {
    if (!shape.isRanked() || axes.isEmpty() && !shape.isStatic()) {
      return Shape.unranked();
    }
    int[] removed =
        axes.map(given -> Inference.axes(given, shape.rank()))
            .orElseGet(
                () ->
                    Arrays.stream(Inference.allAxes(shape.rank()))
                        .filter(axis -> shape.dim(axis).extent() == 1)
                        .toArray());
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < shape.rank(); axis++) {
      if (Arrays.binarySearch(removed, axis) < 0) {
        dims.add(shape.dim(axis));
      } else if (shape.dim(axis).isKnown() && shape.dim(axis).extent() != 1) {
        throw new IrException("axis " + axis + " of " + shape + " is not of one element");
      }
    }
    return Shape.of(dims);
  }

  private static NdArray squeeze(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    return input.reshape(extents(squeeze(shapeOf(input), Inference.ints(evaluation, 1, "axes"))));
  }

  private static TensorType unsqueezeType(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    Optional<long[]> axes = Inference.ints(call, 1, "axes");
    if (axes.isPresent()) {
      return input.withShape(unsqueeze(input.shape(), axes.get()));
    }
    Shape given = call.shape(1);
    return input.withShape(
        given.isRanked() && given.isStatic()
            ? Inference.ofRank(Math.toIntExact(input.shape().rank() + given.elementCount()))
            : Shape.unranked());
  }

  /** The shape with axes of one element added; they are named as the result has them. */
  private static Shape unsqueeze(Shape shape, long[] axes) {
    int rank = shape.rank() + axes.length;
    int[] added = Inference.axes(axes, rank);
    List<Dim> dims = new ArrayList<>();
    int next = 0;
    for (int axis = 0; axis < rank; axis++) {
      dims.add(Arrays.binarySearch(added, axis) >= 0 ? Dim.of(1) : shape.dim(next++));
    }
    return Shape.of(dims);
  }

  private static NdArray unsqueeze(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long[] axes =
        Inference.ints(evaluation, 1, "axes")
            .orElseThrow(() -> new IrException("the axes are missing"));
    return input.reshape(extents(unsqueeze(shapeOf(input), axes)));
  }

  private static TensorType flattenType(Call call) {
    TensorType input = call.type(0);
    return input.withShape(flatten(input.shape(), call.attributes().intValue("axis", 1)));
  }

  private static Shape flatten(Shape shape, long axis) {
    if (!shape.isRanked()) {
      return Inference.ofRank(2);
    }
    int split = axis == shape.rank() ? shape.rank() : Inference.axis(axis, shape.rank());
    return Shape.of(
        Inference.product(shape.dims().subList(0, split)),
        Inference.product(shape.dims().subList(split, shape.rank())));
  }

  private static NdArray flatten(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long axis = evaluation.attributes().intValue("axis", 1);
    return input.reshape(extents(flatten(shapeOf(input), axis)));
  }
}
