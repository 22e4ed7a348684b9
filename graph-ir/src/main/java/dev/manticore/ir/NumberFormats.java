package dev.manticore.ir;

import java.nio.ByteBuffer;

/**
 * Conversion between the element types' bytes and {@code double}; rounding is to nearest, ties to
 * even.
 */
public final class NumberFormats {

  private static final long EXACT_INTEGERS = 1L << 53;

  private NumberFormats() {}

  /** The element at {@code index} of a little-endian buffer. */
  public static double get(ByteBuffer bytes, ElementType type, int index) {
    return switch (type) {
      case FLOAT32 -> bytes.getFloat(4 * index);
      case FLOAT64 -> bytes.getDouble(8 * index);
      case FLOAT16 -> halfToFloat(bytes.getShort(2 * index));
      case BFLOAT16 -> Float.intBitsToFloat(bytes.getShort(2 * index) << 16);
      case INT64 -> bytes.getLong(8 * index);
      case UINT64 -> unsignedToDouble(bytes.getLong(8 * index));
      case INT32 -> bytes.getInt(4 * index);
      case UINT32 -> Integer.toUnsignedLong(bytes.getInt(4 * index));
      case INT16 -> bytes.getShort(2 * index);
      case UINT16 -> Short.toUnsignedInt(bytes.getShort(2 * index));
      case INT8 -> bytes.get(index);
      case UINT8 -> Byte.toUnsignedInt(bytes.get(index));
      case BOOL -> bytes.get(index) == 0 ? 0 : 1;
      case FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT8E8M0 ->
          SmallFloats.of(type).decode(Byte.toUnsignedInt(bytes.get(index)));
      case FLOAT4E2M1 -> SmallFloats.of(type).decode(bits(bytes, type, index));
      case UINT4, UINT2 -> bits(bytes, type, index);
      case INT4 -> bits(bytes, type, index) << 28 >> 28;
      case INT2 -> bits(bytes, type, index) << 30 >> 30;
      case STRING, COMPLEX64, COMPLEX128 ->
          throw new IrException(type.text() + " elements are not numbers");
    };
  }

  /** Sets the element at {@code index} of a little-endian buffer. */
  public static void put(ByteBuffer bytes, ElementType type, int index, double value) {
    switch (type) {
      case FLOAT32 -> bytes.putFloat(4 * index, (float) value);
      case FLOAT64 -> bytes.putDouble(8 * index, value);
      case FLOAT16 -> bytes.putShort(2 * index, floatToHalf(toOdd(value)));
      case BFLOAT16 -> bytes.putShort(2 * index, floatToBfloat(toOdd(value)));
      case INT64 -> bytes.putLong(8 * index, (long) value);
      case UINT64 -> bytes.putLong(8 * index, doubleToUnsigned(value));
      case INT32, UINT32 -> bytes.putInt(4 * index, (int) (long) value);
      case INT16, UINT16 -> bytes.putShort(2 * index, (short) (long) value);
      case INT8, UINT8 -> bytes.put(index, (byte) (long) value);
      case BOOL -> bytes.put(index, (byte) (value == 0 ? 0 : 1));
      case FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT8E8M0 ->
          bytes.put(index, (byte) SmallFloats.of(type).encode(value));
      case FLOAT4E2M1 -> putBits(bytes, type, index, SmallFloats.of(type).encode(value));
      case UINT4, INT4, UINT2, INT2 -> putBits(bytes, type, index, (int) (long) value);
      case STRING, COMPLEX64, COMPLEX128 ->
          throw new IrException(type.text() + " elements are not numbers");
    }
  }

  /** The nearest number of a floating-point format of 8 bits or less, by {@link #put}'s rules. */
  public static double roundToSmall(ElementType type, double value) {
    SmallFloats format = SmallFloats.of(type);
    return format.decode(format.encode(value));
  }

  /** Whether a type is a floating-point format of 8 bits or less. */
  public static boolean isSmallFloat(ElementType type) {
    return SmallFloats.of(type) != null;
  }

  /** The bits of an element of less than 8; the first element of a byte lies in its lowest bits. */
  public static int bits(ByteBuffer bytes, ElementType type, int index) {
    int width = type.bitSize();
    int each = Byte.SIZE / width;
    return bytes.get(index / each) >> index % each * width & (1 << width) - 1;
  }

  private static void putBits(ByteBuffer bytes, ElementType type, int index, int value) {
    int width = type.bitSize();
    int each = Byte.SIZE / width;
    int shift = index % each * width;
    int mask = (1 << width) - 1;
    int others = bytes.get(index / each) & ~(mask << shift);
    bytes.put(index / each, (byte) (others | (value & mask) << shift));
  }

  /** IEEE 754 binary16 to {@code float}, exactly. */
  public static float halfToFloat(short half) {
    int sign = (half & 0x8000) << 16;
    int exponent = (half >> 10) & 0x1f;
    int mantissa = half & 0x3ff;
    if (exponent == 0) {
      float magnitude = mantissa * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    if (exponent == 31) {
      return Float.intBitsToFloat(sign | 0x7f800000 | (mantissa << 13));
    }
    return Float.intBitsToFloat(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }

  /** {@code float} to IEEE 754 binary16, to nearest even; too large becomes infinite. */
  public static short floatToHalf(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = (bits >>> 16) & 0x8000;
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      // What of the payload fits is kept, so that a widened NaN comes back as it was.
      int payload = (bits >> 13) & 0x3ff;
      return (short) (sign | 0x7c00 | (payload == 0 ? 0x200 : payload));
    }
    if (magnitude >= 0x477ff000) {
      return (short) (sign | 0x7c00);
    }
    if (magnitude < 0x38800000) {
      // Subnormal: the value in units of 2^-24, rounded to nearest even by the addition of 2^23.
      float scaled = Float.intBitsToFloat(magnitude) * 0x1p24f;
      return (short) (sign | (int) Math.rint(scaled));
    }
    int rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    return (short) (sign | ((rounded - 0x38000000) >> 13));
  }

  /** {@code float} to bfloat16, to nearest even. */
  public static short floatToBfloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    if ((bits & 0x7fffffff) > 0x7f800000) {
      int payload = (bits >> 16) & 0x7f;
      return (short) ((bits >>> 16) | (payload == 0 ? 0x40 : 0));
    }
    return (short) ((bits + 0x7fff + ((bits >> 16) & 1)) >>> 16);
  }

  /**
   * Whether double precision holds the integers of a tensor: smaller than 2^53, or one of the
   * bounds of {@code int64}, which stand for no end. Tensors of other element types always are.
   */
  public static boolean isExactInDouble(Tensor tensor) {
    if (tensor.elementType() != ElementType.INT64 && tensor.elementType() != ElementType.UINT64) {
      return true;
    }
    for (long value : tensor.toLongs()) {
      boolean small = value > -EXACT_INTEGERS && value < EXACT_INTEGERS;
      if (!small && value != Long.MIN_VALUE && value != Long.MAX_VALUE) {
        return false;
      }
    }
    return true;
  }

  /**
   * To {@code float}, and where that is not exact to its neighbour with an odd last bit, so that
   * rounding once more, to fewer bits, gives what rounding once would have.
   */
  private static float toOdd(double value) {
    float rounded = (float) value;
    if (rounded == value || Float.isNaN(rounded) || Float.isInfinite(rounded)) {
      return rounded;
    }
    int bits = Float.floatToRawIntBits(rounded);
    int truncated = Math.abs((double) rounded) > Math.abs(value) ? bits - 1 : bits;
    return Float.intBitsToFloat(truncated | 1);
  }

  private static long doubleToUnsigned(double value) {
    if (value < 0x1p63) {
      return (long) value;
    }
    return value >= 0x1p64 ? -1 : (long) (value - 0x1p63) + Long.MIN_VALUE;
  }

  /**
   * Halves a number too large to be signed, keeping for the rounding that something was cut off.
   */
  private static double unsignedToDouble(long value) {
    return value >= 0 ? value : ((value >>> 1) | (value & 1)) * 2.0;
  }
}
