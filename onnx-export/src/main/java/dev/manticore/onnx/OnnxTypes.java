package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.ValueType;
import dev.manticore.onnx.proto.TensorShapeProto;
import dev.manticore.onnx.proto.TypeProto;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** {@code TypeProto} to types of values and back. */
final class OnnxTypes {

  private OnnxTypes() {}

  /**
   * The version of the format that has an element type, for those that version 10 does not have.
   */
  static int irVersion(ElementType type) {
    return switch (type) {
      case UINT2, INT2 -> 13;
      case FLOAT8E8M0 -> 12;
      case FLOAT4E2M1 -> 11;
      default -> 10;
    };
  }

  /** The type; empty if the file does not say it. */
  static Optional<ValueType> read(TypeProto proto, String source, String value) {
    switch (proto.getValueCase()) {
      case VALUE_NOT_SET -> {
        return Optional.empty();
      }
      case TENSOR_TYPE -> {
        TypeProto.Tensor tensor = proto.getTensorType();
        if (tensor.getElemType() == 0) {
          return Optional.empty();
        }
        Shape shape = tensor.hasShape() ? read(tensor.getShape(), source, value) : Shape.unranked();
        return Optional.of(new TensorType(elementType(tensor.getElemType(), source, value), shape));
      }
      case SPARSE_TENSOR_TYPE -> {
        TypeProto.SparseTensor tensor = proto.getSparseTensorType();
        Shape shape = tensor.hasShape() ? read(tensor.getShape(), source, value) : Shape.unranked();
        return Optional.of(
            new ValueType.SparseTensorType(
                new TensorType(elementType(tensor.getElemType(), source, value), shape)));
      }
      case SEQUENCE_TYPE -> {
        return Optional.of(
            new ValueType.SequenceType(
                element(proto.getSequenceType().getElemType(), source, value)));
      }
      case OPTIONAL_TYPE -> {
        return Optional.of(
            new ValueType.OptionalType(
                element(proto.getOptionalType().getElemType(), source, value)));
      }
      case MAP_TYPE -> {
        TypeProto.Map map = proto.getMapType();
        return Optional.of(
            new ValueType.MapType(
                elementType(map.getKeyType(), source, value),
                element(map.getValueType(), source, value)));
      }
      case OPAQUE_TYPE -> {
        return Optional.of(
            new ValueType.OpaqueType(
                proto.getOpaqueType().getDomain(), proto.getOpaqueType().getName()));
      }
    }
    throw new AssertionError("a kind of type that is not read: " + proto.getValueCase());
  }

  private static ValueType element(TypeProto proto, String source, String value) {
    return read(proto, source, value)
        .orElseThrow(
            () ->
                Problems.invalid(
                    source, "the type of value '" + value + "' does not say what it holds"));
  }

  private static ElementType elementType(int number, String source, String value) {
    try {
      return ElementType.ofOnnxNumber(number);
    } catch (IrException e) {
      throw Problems.unsupported(source, "value '" + value + "': " + e.getMessage());
    }
  }

  private static Shape read(TensorShapeProto proto, String source, String value) {
    checkRank(proto.getDimCount(), source, "value '" + value + "'");
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

  static void checkRank(int rank, String source, String what) {
    if (rank > Shape.LARGEST_RANK) {
      throw Problems.unsupported(
          source, what + " has " + rank + " dimensions, more than " + Shape.LARGEST_RANK);
    }
  }

  /** What a tensor's type and its dimensions stand for; empty if nothing is said. */
  static ImmutableList<String> denotations(TypeProto proto) {
    ImmutableList.Builder<String> denotations = ImmutableList.builder();
    denotations.add(proto.getDenotation());
    boolean any = !proto.getDenotation().isEmpty();
    for (TensorShapeProto.Dimension dimension : proto.getTensorType().getShape().getDimList()) {
      denotations.add(dimension.getDenotation());
      any |= !dimension.getDenotation().isEmpty();
    }
    return any ? denotations.build() : ImmutableList.of();
  }

  static TypeProto write(ValueType type) {
    return write(type, ImmutableList.of());
  }

  /**
   * @param denotations as {@link #denotations} gives them
   */
  static TypeProto write(ValueType type, ImmutableList<String> denotations) {
    TypeProto.Builder proto = TypeProto.newBuilder();
    if (type instanceof TensorType tensor) {
      proto.getTensorTypeBuilder().setElemType(tensor.elementType().onnxNumber());
      if (tensor.shape().isRanked()) {
        proto.getTensorTypeBuilder().setShape(write(tensor.shape(), denotations));
      }
    } else if (type instanceof ValueType.SparseTensorType sparse) {
      proto.getSparseTensorTypeBuilder().setElemType(sparse.dense().elementType().onnxNumber());
      if (sparse.dense().shape().isRanked()) {
        proto
            .getSparseTensorTypeBuilder()
            .setShape(write(sparse.dense().shape(), ImmutableList.of()));
      }
    } else if (type instanceof ValueType.SequenceType sequence) {
      proto.getSequenceTypeBuilder().setElemType(write(sequence.element()));
    } else if (type instanceof ValueType.OptionalType optional) {
      proto.getOptionalTypeBuilder().setElemType(write(optional.element()));
    } else if (type instanceof ValueType.MapType map) {
      proto.getMapTypeBuilder().setKeyType(map.key().onnxNumber()).setValueType(write(map.value()));
    } else if (type instanceof ValueType.OpaqueType opaque) {
      proto.getOpaqueTypeBuilder().setDomain(opaque.domain()).setName(opaque.name());
    } else {
      throw new AssertionError("a kind of type that is not written: " + type);
    }
    if (!denotations.isEmpty() && !denotations.get(0).isEmpty()) {
      proto.setDenotation(denotations.get(0));
    }
    return proto.build();
  }

  private static TensorShapeProto write(Shape shape, ImmutableList<String> denotations) {
    TensorShapeProto.Builder proto = TensorShapeProto.newBuilder();
    for (int axis = 0; axis < shape.rank(); axis++) {
      TensorShapeProto.Dimension.Builder dimension = proto.addDimBuilder();
      if (shape.dim(axis) instanceof Dim.Known known) {
        dimension.setDimValue(known.value());
      } else if (shape.dim(axis) instanceof Dim.Symbolic symbolic) {
        dimension.setDimParam(symbolic.name());
      }
      if (axis + 1 < denotations.size() && !denotations.get(axis + 1).isEmpty()) {
        dimension.setDenotation(denotations.get(axis + 1));
      }
    }
    return proto.build();
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
