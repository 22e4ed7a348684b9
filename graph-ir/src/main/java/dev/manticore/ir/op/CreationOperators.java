package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Longs;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.Optional;

/** Operators that make arrays from attributes, shapes and a few numbers. */
final class CreationOperators {

  private CreationOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx(
            "Constant",
            call -> constant(call.attributes()).type(),
            evaluation -> NdArray.of(constant(evaluation.attributes())))
        .onnx(
            "ConstantOfShape",
            CreationOperators::constantOfShapeType,
            CreationOperators::constantOfShape)
        .onnx("Range", CreationOperators::rangeType, CreationOperators::range)
        .onnx("EyeLike", CreationOperators::eyeLikeType, CreationOperators::eyeLike)
        .onnx("Shape", CreationOperators::shapeType, CreationOperators::shape)
        .onnx(
            "Size",
            call -> TensorType.of(ElementType.INT64),
            evaluation -> NdArray.scalar(ElementType.INT64, evaluation.input(0).size()))
        .build();
  }

  /** The value of a {@code Constant}, whichever attribute holds it. */
  private static Tensor constant(Attributes attributes) {
    if (attributes.has("value")) {
      return attributes.tensor("value");
    }
    if (attributes.has("value_int")) {
      return Tensor.scalar(attributes.intValue("value_int", 0));
    }
    if (attributes.has("value_ints")) {
      return Tensor.vector(attributes.intValues("value_ints"));
    }
    if (attributes.has("value_float")) {
      return Tensor.scalar(attributes.floatValue("value_float", 0));
    }
    if (attributes.values().get("value_floats") instanceof Attribute.FloatsValue floats) {
      return Tensor.ofFloats(Shape.of(floats.values().size()), floats.toArray());
    }
    throw new IrException(
        "a constant needs one of the attributes value, value_int, value_ints, value_float and"
            + " value_floats; it has "
            + attributes.values().keySet());
  }

  private static Tensor fill(Attributes attributes) {
    Tensor value = attributes.has("value") ? attributes.tensor("value") : Tensor.scalar(0f);
    if (value.shape().elementCount() != 1) {
      throw new IrException("attribute 'value' should have one element but is " + value.type());
    }
    return value;
  }

  private static TensorType constantOfShapeType(Call call) {
    Inference.requireRank(call, 0, 1);
    Shape shape = Inference.shape(call, 0).orElseGet(() -> Inference.ofRank(call.shape(0)));
    return new TensorType(fill(call.attributes()).elementType(), shape);
  }

  private static NdArray constantOfShape(Evaluation evaluation) {
    Tensor value = fill(evaluation.attributes());
    int[] shape = ints(evaluation.input(0));
    NdArray result = NdArray.zeros(value.elementType(), shape);
    Arrays.fill(result.data(), value.toDoubles()[0]);
    return result;
  }

  private static int[] ints(NdArray array) {
    return Arrays.stream(array.toLongs()).mapToInt(Math::toIntExact).toArray();
  }

  private static TensorType rangeType(Call call) {
    ElementType type = Inference.elementType(call);
    Optional<Tensor> start = call.constant(0);
    Optional<Tensor> limit = call.constant(1);
    Optional<Tensor> delta = call.constant(2);
    Dim count = Dim.UNKNOWN;
    if (start.isPresent() && limit.isPresent() && delta.isPresent()) {
      count =
          Dim.of(
              rangeCount(
                  start.get().toDoubles()[0],
                  limit.get().toDoubles()[0],
                  delta.get().toDoubles()[0]));
    } else if (call.extents(2).map(step -> step.get(0).isConstant(1)).orElse(false)) {
      Optional<Extent> first = call.extents(0).map(elements -> elements.get(0));
      count =
          call.extents(1)
              .flatMap(end -> first.map(from -> end.get(0).minus(from).toDim()))
              .orElse(Dim.UNKNOWN);
    }
    return new TensorType(type, Shape.of(count));
  }

  private static int rangeCount(double start, double limit, double delta) {
    if (delta == 0) {
      throw new IrException("the step of a range cannot be zero");
    }
    return Math.toIntExact((long) Math.max(0, Math.ceil((limit - start) / delta)));
  }

  private static NdArray range(Evaluation evaluation) {
    double start = evaluation.input(0).data()[0];
    double delta = evaluation.input(2).data()[0];
    double[] values = new double[rangeCount(start, evaluation.input(1).data()[0], delta)];
    Arrays.setAll(values, i -> start + i * delta);
    return NdArray.of(evaluation.input(0).elementType(), new int[] {values.length}, values);
  }

  private static ElementType eyeType(Attributes attributes, ElementType otherwise) {
    return attributes.has("dtype")
        ? ElementType.ofOnnxNumber(Math.toIntExact(attributes.intValue("dtype", 0)))
        : otherwise;
  }

  private static TensorType eyeLikeType(Call call) {
    Inference.requireRank(call, 0, 2);
    return call.type(0).withElementType(eyeType(call.attributes(), call.type(0).elementType()));
  }

  private static NdArray eyeLike(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long diagonal = evaluation.attributes().intValue("k", 0);
    NdArray result =
        NdArray.zeros(eyeType(evaluation.attributes(), input.elementType()), input.shape());
    for (int row = 0; row < input.dim(0); row++) {
      long column = row + diagonal;
      if (column >= 0 && column < input.dim(1)) {
        result.data()[row * input.dim(1) + (int) column] = 1;
      }
    }
    return result;
  }

  private static TensorType shapeType(Call call) {
    Shape shape = call.shape(0);
    Dim count =
        shape.isRanked()
            ? Dim.of(end(call.attributes(), shape.rank()) - start(call.attributes(), shape.rank()))
            : Dim.UNKNOWN;
    return new TensorType(ElementType.INT64, Shape.of(count));
  }

  private static NdArray shape(Evaluation evaluation) {
    int rank = evaluation.input(0).rank();
    int start = start(evaluation.attributes(), rank);
    int[] extents =
        Arrays.copyOfRange(evaluation.input(0).shape(), start, end(evaluation.attributes(), rank));
    return NdArray.of(
        ElementType.INT64,
        new int[] {extents.length},
        Arrays.stream(extents).asDoubleStream().toArray());
  }

  private static int start(Attributes attributes, int rank) {
    return clamp(attributes.intValue("start", 0), rank);
  }

  private static int end(Attributes attributes, int rank) {
    return Math.max(start(attributes, rank), clamp(attributes.intValue("end", rank), rank));
  }

  private static int clamp(long axis, int rank) {
    return (int) Longs.constrainToRange(axis < 0 ? axis + rank : axis, 0, rank);
  }
}
