package dev.manticore.ir;

/**
 * Element types of tensors, with ONNX's numbers ({@code TensorProto.DataType}) and the names of the
 * textual form.
 */
public enum ElementType {
  FLOAT32(1, 32, "f32"),
  UINT8(2, 8, "u8"),
  INT8(3, 8, "i8"),
  UINT16(4, 16, "u16"),
  INT16(5, 16, "i16"),
  INT32(6, 32, "i32"),
  INT64(7, 64, "i64"),
  /** Bytes of any number, by convention UTF-8; see {@link Tensor#ofStrings}. */
  STRING(8, 0, "str"),
  BOOL(9, 8, "bool"),
  FLOAT16(10, 16, "f16"),
  FLOAT64(11, 64, "f64"),
  UINT32(12, 32, "u32"),
  UINT64(13, 64, "u64"),
  COMPLEX64(14, 64, "c64"),
  COMPLEX128(15, 128, "c128"),
  BFLOAT16(16, 16, "bf16"),
  FLOAT8E4M3FN(17, 8, "f8e4m3fn"),
  FLOAT8E4M3FNUZ(18, 8, "f8e4m3fnuz"),
  FLOAT8E5M2(19, 8, "f8e5m2"),
  FLOAT8E5M2FNUZ(20, 8, "f8e5m2fnuz"),
  UINT4(21, 4, "u4"),
  INT4(22, 4, "i4"),
  FLOAT4E2M1(23, 4, "f4e2m1"),
  FLOAT8E8M0(24, 8, "f8e8m0"),
  UINT2(25, 2, "u2"),
  INT2(26, 2, "i2");

  private final int onnxNumber;
  private final int bitSize;
  private final String text;

  ElementType(int onnxNumber, int bitSize, String text) {
    this.onnxNumber = onnxNumber;
    this.bitSize = bitSize;
    this.text = text;
  }

  public int onnxNumber() {
    return onnxNumber;
  }

  /** Bits of one element; 0 for {@link #STRING}, whose elements have no fixed size. */
  public int bitSize() {
    return bitSize;
  }

  /**
   * Bytes of one element; 0 for {@link #STRING}, whose elements have no fixed size, and for types
   * of less than 8 bits, several of which lie in one byte.
   */
  public int byteSize() {
    return bitSize / Byte.SIZE;
  }

  /** The name in the textual form, {@code f32} for example. */
  public String text() {
    return text;
  }

  /** Whether networks compute in it: the formats of 8 bits and less are for storage. */
  public boolean isFloating() {
    return this == FLOAT32 || this == FLOAT64 || this == FLOAT16 || this == BFLOAT16;
  }

  public boolean isInteger() {
    return switch (this) {
      case UINT8, INT8, UINT16, INT16, INT32, INT64, UINT32, UINT64, UINT4, INT4, UINT2, INT2 ->
          true;
      case FLOAT32,
          STRING,
          BOOL,
          FLOAT16,
          FLOAT64,
          COMPLEX64,
          COMPLEX128,
          BFLOAT16,
          FLOAT8E4M3FN,
          FLOAT8E4M3FNUZ,
          FLOAT8E5M2,
          FLOAT8E5M2FNUZ,
          FLOAT4E2M1,
          FLOAT8E8M0 ->
          false;
    };
  }

  /**
   * @throws IrException if ONNX has no such number, or it is one that the IR does not hold
   */
  public static ElementType ofOnnxNumber(int number) {
    for (ElementType type : values()) {
      if (type.onnxNumber == number) {
        return type;
      }
    }
    throw new IrException("element type number " + number + " of ONNX is not supported");
  }

  /**
   * @throws IrException if no element type has this name
   */
  public static ElementType ofText(String text) {
    for (ElementType type : values()) {
      if (type.text.equals(text)) {
        return type;
      }
    }
    throw new IrException("no element type is called '" + text + "'");
  }
}
