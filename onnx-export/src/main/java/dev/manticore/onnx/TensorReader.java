package dev.manticore.onnx;

import com.google.protobuf.ByteString;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Utf8;
import dev.manticore.onnx.proto.SparseTensorProto;
import dev.manticore.onnx.proto.TensorProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/** {@code TensorProto} to tensors: raw data, typed fields and external data. */
final class TensorReader {

  private final String source;
  private final ExternalData external;

  TensorReader(String source, ExternalData external) {
    this.source = source;
    this.external = external;
  }

  /**
   * @param left the raw data, where it was left in the file
   * @param what the tensor in words, for messages
   */
  Tensor read(TensorProto proto, Optional<TensorData> left, String what) {
    String where = what + " of " + source;
    TensorType type = type(proto, what);
    if (proto.hasSegment()) {
      throw Problems.unsupported(source, what + " is a segment of a tensor");
    }
    if (type.elementType() == ElementType.STRING) {
      return strings(proto, left, type, what);
    }
    elementCount(type, what);
    long byteSize = type.byteSize();
    if (proto.getDataLocation() == TensorProto.DataLocation.EXTERNAL) {
      if (proto.hasRawData() || left.isPresent()) {
        throw Problems.invalid(source, what + " has both raw and external data");
      }
      return new Tensor(type, external.find(proto, byteSize, where));
    }
    TensorData data;
    if (left.isPresent()) {
      data = left.get();
    } else if (proto.hasRawData()) {
      data = new ByteStringData(proto.getRawData());
    } else {
      data = typed(proto, type, byteSize, what);
    }
    if (data.byteSize() != byteSize) {
      throw Problems.invalid(
          source, what + " has " + data.byteSize() + " bytes; a " + type + " takes " + byteSize);
    }
    return new Tensor(type, data);
  }

  private Tensor strings(
      TensorProto proto, Optional<TensorData> left, TensorType type, String what) {
    if (proto.getDataLocation() == TensorProto.DataLocation.EXTERNAL
        || proto.hasRawData()
        || left.isPresent()) {
      throw Problems.invalid(source, what + " holds strings, which are neither raw nor external");
    }
    int held = proto.getStringDataCount();
    if (held != elementCount(type, what)) {
      throw Problems.invalid(source, what + " has " + held + " strings; it is a " + type);
    }
    return Tensor.ofStrings(
        type.shape(),
        proto.getStringDataList().stream().map(bytes -> Utf8.decode(bytes.toByteArray())).toList());
  }

  /** A sparse tensor; its indices are read and checked. */
  SparseTensor read(SparseTensorProto proto, String what) {
    Tensor values = read(proto.getValues(), Optional.empty(), "the values of " + what);
    Tensor indices = read(proto.getIndices(), Optional.empty(), "the indices of " + what);
    try {
      SparseTensor sparse = new SparseTensor(values, indices, shape(proto.getDimsList(), what));
      sparse.checkIndices();
      return sparse;
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw Problems.invalid(source, what + " is not a sparse tensor: " + e.getMessage());
    }
  }

  private TensorType type(TensorProto proto, String what) {
    ElementType elementType;
    try {
      elementType = ElementType.ofOnnxNumber(proto.getDataType());
    } catch (IrException e) {
      throw Problems.unsupported(source, what + ": " + e.getMessage());
    }
    return new TensorType(elementType, shape(proto.getDimsList(), what));
  }

  private Shape shape(List<Long> dims, String what) {
    OnnxTypes.checkRank(dims.size(), source, what);
    long[] extents = new long[dims.size()];
    for (int axis = 0; axis < extents.length; axis++) {
      extents[axis] = dims.get(axis);
      if (extents[axis] < 0) {
        throw Problems.invalid(source, what + " has dimension " + extents[axis]);
      }
    }
    return Shape.of(extents);
  }

  /** The number of elements, of which no type has more than 16 bytes. */
  private long elementCount(TensorType type, String what) {
    try {
      long count = type.shape().elementCount();
      Math.multiplyExact(count, 16L);
      return count;
    } catch (ArithmeticException e) {
      throw Problems.invalid(source, what + " is larger than 2^63 bytes: " + type);
    }
  }

  /** The fields of the element types, whose elements may be wider than the element type. */
  private TensorData typed(TensorProto proto, TensorType type, long byteSize, String what) {
    long held;
    long wanted = type.shape().elementCount();
    switch (type.elementType()) {
      case FLOAT32 -> held = proto.getFloatDataCount();
      case COMPLEX64 -> {
        held = proto.getFloatDataCount();
        wanted *= 2;
      }
      case FLOAT64 -> held = proto.getDoubleDataCount();
      case COMPLEX128 -> {
        held = proto.getDoubleDataCount();
        wanted *= 2;
      }
      case INT64 -> held = proto.getInt64DataCount();
      case UINT64, UINT32 -> held = proto.getUint64DataCount();
      case UINT4, INT4, FLOAT4E2M1, UINT2, INT2 -> {
        held = proto.getInt32DataCount();
        wanted = byteSize;
      }
      default -> held = proto.getInt32DataCount();
    }
    if (held != wanted || byteSize > Integer.MAX_VALUE) {
      throw Problems.invalid(
          source, what + " has " + held + " values; a " + type + " has " + wanted);
    }
    ByteBuffer bytes = ByteBuffer.allocate((int) byteSize).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < held; i++) {
      switch (type.elementType()) {
        case FLOAT32, COMPLEX64 -> bytes.putFloat(proto.getFloatData(i));
        case FLOAT64, COMPLEX128 -> bytes.putDouble(proto.getDoubleData(i));
        case INT64 -> bytes.putLong(proto.getInt64Data(i));
        case UINT64 -> bytes.putLong(proto.getUint64Data(i));
        case UINT32 -> bytes.putInt((int) proto.getUint64Data(i));
        case INT32 -> bytes.putInt(proto.getInt32Data(i));
        case INT16, UINT16, FLOAT16, BFLOAT16 -> bytes.putShort((short) proto.getInt32Data(i));
        case INT8,
            UINT8,
            BOOL,
            FLOAT8E4M3FN,
            FLOAT8E4M3FNUZ,
            FLOAT8E5M2,
            FLOAT8E5M2FNUZ,
            FLOAT8E8M0,
            UINT4,
            INT4,
            FLOAT4E2M1,
            UINT2,
            INT2 ->
            bytes.put((byte) proto.getInt32Data(i));
        case STRING -> throw new AssertionError("strings are read elsewhere");
      }
    }
    return TensorData.ofBytes(bytes.array());
  }

  /** Bytes of a message, which are not copied. */
  private record ByteStringData(ByteString bytes) implements TensorData {

    @Override
    public long byteSize() {
      return bytes.size();
    }

    @Override
    public void read(long offset, ByteBuffer target) {
      int start = Math.toIntExact(offset);
      bytes.substring(start, start + target.remaining()).copyTo(target);
    }
  }
}
