package dev.manticore.onnx;

import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.proto.TensorShapeProto;
import dev.manticore.onnx.proto.TypeProto;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** {@code TypeProto} to tensor types and back. */
final class OnnxTypes {

  private OnnxTypes() {}

  /** The type; empty if the file does not say it. */
  static Optional<TensorType> read(TypeProto proto, String source, String value) {
    switch (proto.getValueCase()) {
      case VALUE_NOT_SET -> {
        return Optional.empty();
      }
      case TENSOR_TYPE -> {
        TypeProto.Tensor tensor = proto.getTensorType();
        if (tensor.getElemType() == 0) {
          return Optional.empty();
        }
        try {
          ElementType elementType = ElementType.ofOnnxNumber(tensor.getElemType());
          Shape shape =
              tensor.hasShape() ? read(tensor.getShape(), source, value) : Shape.unranked();
          return Optional.of(new TensorType(elementType, shape));
        } catch (IrException e) {
          throw Problems.unsupported(source, "value '" + value + "': " + e.getMessage());
        }
      }
      default ->
          throw Problems.unsupported(
              source, "value '" + value + "' is a " + proto.getValueCase() + ", not a tensor");
    }
  }

  private static Shape read(TensorShapeProto proto, String source, String value) {
    List<Dim> dims = new ArrayList<>();
    for (TensorShapeProto.Dimension dimension : proto.getDimList()) {
      if (dimension.hasDimValue() && dimension.getDimValue() < -1) {
        throw Problems.invalid(
            source, "value '" + value + "' has dimension " + dimension.getDimValue());
      }
      if (dimension.hasDimValue() && dimension.getDimValue() >= 0) {
        dims.add(Dim.of(dimension.getDimValue()));
      } else if (dimension.getDimParam().isEmpty()) {
        // Some exporters write -1 for a dimension that they do not know.
        dims.add(Dim.UNKNOWN);
      } else {
        dims.add(Dim.of(dimension.getDimParam()));
      }
    }
    return Shape.of(dims);
  }

  static TypeProto write(TensorType type) {
    TypeProto.Tensor.Builder tensor =
        TypeProto.Tensor.newBuilder().setElemType(type.elementType().onnxNumber());
    if (type.shape().isRanked()) {
      TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
      for (Dim dim : type.shape().dims()) {
        TensorShapeProto.Dimension.Builder dimension = shape.addDimBuilder();
        if (dim instanceof Dim.Known known) {
          dimension.setDimValue(known.value());
        } else if (dim instanceof Dim.Symbolic symbolic) {
          dimension.setDimParam(symbolic.name());
        }
      }
      tensor.setShape(shape);
    }
    return TypeProto.newBuilder().setTensorType(tensor).build();
  }

  /**
   * What two statements about one value's shape say together: {@code first} where they say equally
   * much or contradict each other.
   */
  static Shape refine(Shape first, Shape second) {
    if (!second.isRanked() || first.isRanked() && first.rank() != second.rank()) {
      return first;
    }
    if (!first.isRanked()) {
      return second;
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < first.rank(); axis++) {
      Dim dim = first.dim(axis);
      Dim other = second.dim(axis);
      dims.add(dim.equals(Dim.UNKNOWN) || !dim.isKnown() && other.isKnown() ? other : dim);
    }
    return Shape.of(dims);
  }
}
