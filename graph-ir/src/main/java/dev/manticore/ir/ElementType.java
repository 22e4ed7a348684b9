package dev.manticore.ir;

/**
 * Element types of tensors, with ONNX's numbers ({@code TensorProto.DataType}) and the names of the
 * textual form.
 */
public enum ElementType {
  FLOAT32(1, 4, "f32"),
  UINT8(2, 1, "u8"),
  INT8(3, 1, "i8"),
  UINT16(4, 2, "u16"),
  INT16(5, 2, "i16"),
  INT32(6, 4, "i32"),
  INT64(7, 8, "i64"),
  STRING(8, 0, "str"),
  BOOL(9, 1, "bool"),
  FLOAT16(10, 2, "f16"),
  FLOAT64(11, 8, "f64"),
  UINT32(12, 4, "u32"),
  UINT64(13, 8, "u64"),
  COMPLEX64(14, 8, "c64"),
  COMPLEX128(15, 16, "c128"),
  BFLOAT16(16, 2, "bf16");

  private final int onnxNumber;
  private final int byteSize;
  private final String text;

  ElementType(int onnxNumber, int byteSize, String text) {
    this.onnxNumber = onnxNumber;
    this.byteSize = byteSize;
    this.text = text;
  }

  public int onnxNumber() {
    return onnxNumber;
  }

  /** Bytes of one element; 0 for {@link #STRING}, whose elements have no fixed size. */
  public int byteSize() {
    return byteSize;
  }

  /** The name in the textual form, {@code f32} for example. */
  public String text() {
    return text;
  }

  public boolean isFloating() {
    return this == FLOAT32 || this == FLOAT64 || this == FLOAT16 || this == BFLOAT16;
  }

  public boolean isInteger() {
    return switch (this) {
      case UINT8, INT8, UINT16, INT16, INT32, INT64, UINT32, UINT64 -> true;
      case FLOAT32, STRING, BOOL, FLOAT16, FLOAT64, COMPLEX64, COMPLEX128, BFLOAT16 -> false;
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
