package dev.manticore.onnx;

import com.google.protobuf.ByteString;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.proto.TensorProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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
    long byteSize;
    try {
      byteSize = type.byteSize();
    } catch (ArithmeticException e) {
      throw Problems.invalid(source, what + " is larger than 2^63 bytes: " + type);
    }
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

  private TensorType type(TensorProto proto, String what) {
    ElementType elementType;
    try {
      elementType = ElementType.ofOnnxNumber(proto.getDataType());
    } catch (IrException e) {
      throw Problems.unsupported(source, what + ": " + e.getMessage());
    }
    if (elementType == ElementType.STRING) {
      throw Problems.unsupported(source, what + " holds strings; only numbers are supported");
    }
    long[] extents = new long[proto.getDimsCount()];
    for (int axis = 0; axis < extents.length; axis++) {
      extents[axis] = proto.getDims(axis);
      if (extents[axis] < 0) {
        throw Problems.invalid(source, what + " has dimension " + extents[axis]);
      }
    }
    return new TensorType(elementType, Shape.of(extents));
  }

  /** The fields of the element types, whose elements may be wider than the element type. */
  private TensorData typed(TensorProto proto, TensorType type, long byteSize, String what) {
    int perElement =
        type.elementType() == ElementType.COMPLEX64 || type.elementType() == ElementType.COMPLEX128
            ? 2
            : 1;
    int held =
        switch (type.elementType()) {
          case FLOAT32, COMPLEX64 -> proto.getFloatDataCount();
          case FLOAT64, COMPLEX128 -> proto.getDoubleDataCount();
          case INT64 -> proto.getInt64DataCount();
          case UINT64, UINT32 -> proto.getUint64DataCount();
          case INT32, INT16, INT8, UINT16, UINT8, BOOL, FLOAT16, BFLOAT16 ->
              proto.getInt32DataCount();
          case STRING -> 0;
        };
    if (held != type.shape().elementCount() * perElement || byteSize > Integer.MAX_VALUE) {
      throw Problems.invalid(
          source,
          what + " has " + held + " values; a " + type + " has " + type.shape().elementCount());
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
        case INT8, UINT8, BOOL -> bytes.put((byte) proto.getInt32Data(i));
        case STRING -> throw new AssertionError("tensors of strings are refused before");
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
