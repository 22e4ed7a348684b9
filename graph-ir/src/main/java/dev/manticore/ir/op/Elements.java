package dev.manticore.ir.op;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.NumberFormats;

/** How elements of the reference arrays, all of them {@code double}, follow their element type. */
final class Elements {

  private Elements() {}

  /**
   * A result of arithmetic as the type holds it: integers are truncated toward zero and wrap
   * around, floating values stay in double precision.
   */
  static double fit(ElementType type, double value) {
    return switch (type) {
      case FLOAT32, FLOAT64, FLOAT16, BFLOAT16 -> value;
      case BOOL -> value == 0 ? 0 : 1;
      case INT64 -> (long) value;
      case UINT64 -> value < 0x1p63 ? (long) value : Math.floor(value);
      case INT32 -> (int) (long) value;
      case UINT32 -> (long) value & 0xffffffffL;
      case INT16 -> (short) (long) value;
      case UINT16 -> (long) value & 0xffff;
      case INT8 -> (byte) (long) value;
      case UINT8 -> (long) value & 0xff;
      case UINT4 -> (long) value & 0xf;
      case INT4 -> (long) value << 60 >> 60;
      case UINT2 -> (long) value & 3;
      case INT2 -> (long) value << 62 >> 62;
      case STRING,
          COMPLEX64,
          COMPLEX128,
          FLOAT8E4M3FN,
          FLOAT8E4M3FNUZ,
          FLOAT8E5M2,
          FLOAT8E5M2FNUZ,
          FLOAT4E2M1,
          FLOAT8E8M0 ->
          throw new IrException("elements of type " + type.text() + " cannot be computed with");
    };
  }

  /**
   * A value converted from one type to another. Only the formats of 16 bits and less round: {@code
   * float} stands for real numbers here, and a graph that goes through it is computed in double
   * precision.
   */
  static double convert(ElementType from, ElementType to, double value) {
    if (to == from) {
      return value;
    }
    return switch (to) {
      case FLOAT16 -> NumberFormats.halfToFloat(NumberFormats.floatToHalf((float) value));
      case BFLOAT16 ->
          Float.intBitsToFloat(NumberFormats.floatToBfloat((float) value) << Short.SIZE);
      case FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT4E2M1, FLOAT8E8M0 ->
          NumberFormats.roundToSmall(to, value);
      default -> fit(to, value);
    };
  }

  static NdArray convert(NdArray array, ElementType to) {
    if (to == array.elementType()) {
      return array;
    }
    double[] values = new double[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = convert(array.elementType(), to, array.data()[i]);
    }
    return NdArray.of(to, array.shape(), values);
  }
}
