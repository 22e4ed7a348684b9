package dev.manticore.ir;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The floating-point formats of 8 and 4 bits that ONNX takes from the Open Compute Project and from
 * "8-bit Numerical Formats for Deep Neural Networks": few enough numbers for a table.
 */
final class SmallFloats {

  private static final Map<ElementType, SmallFloats> FORMATS = new EnumMap<>(ElementType.class);

  static {
    FORMATS.put(ElementType.FLOAT8E4M3FN, new SmallFloats(8, 4, 3, 7, Special.LAST_IS_NAN));
    FORMATS.put(ElementType.FLOAT8E4M3FNUZ, new SmallFloats(8, 4, 3, 8, Special.MINUS_ZERO_IS_NAN));
    FORMATS.put(ElementType.FLOAT8E5M2, new SmallFloats(8, 5, 2, 15, Special.IEEE));
    FORMATS.put(
        ElementType.FLOAT8E5M2FNUZ, new SmallFloats(8, 5, 2, 16, Special.MINUS_ZERO_IS_NAN));
    FORMATS.put(ElementType.FLOAT8E8M0, new SmallFloats(8, 8, 0, 127, Special.NO_SIGN));
    FORMATS.put(ElementType.FLOAT4E2M1, new SmallFloats(4, 2, 1, 1, Special.NONE));
  }

  private enum Special {
    /** Infinities and several NaNs, as in the larger formats. */
    IEEE,
    /** No infinities; all ones, of either sign, is the NaN. */
    LAST_IS_NAN,
    /** No infinities, no negative zero; its bits are the NaN. */
    MINUS_ZERO_IS_NAN,
    /** An exponent and nothing else; all ones is the NaN. */
    NO_SIGN,
    /** Numbers only. */
    NONE
  }

  private final double[] values;

  /** Codes of the finite numbers without sign, in ascending order. */
  private final List<Integer> magnitudes = new ArrayList<>();

  private final int signBit;
  private final int nan;
  private final boolean minusZero;

  private SmallFloats(int bits, int exponentBits, int mantissaBits, int bias, Special special) {
    values = new double[1 << bits];
    boolean signed = special != Special.NO_SIGN;
    signBit = signed ? 1 << bits - 1 : 0;
    int codes = signed ? signBit : values.length;
    for (int code = 0; code < codes; code++) {
      int exponent = code >> mantissaBits;
      int mantissa = code & (1 << mantissaBits) - 1;
      double value =
          exponent == 0 && signed
              ? Math.scalb((double) mantissa, 1 - bias - mantissaBits)
              : Math.scalb(
                  (double) (mantissa + (1 << mantissaBits)), exponent - bias - mantissaBits);
      boolean last = code == codes - 1;
      if (special == Special.IEEE && exponent == (1 << exponentBits) - 1) {
        value = mantissa == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
      } else if (last && (special == Special.LAST_IS_NAN || special == Special.NO_SIGN)) {
        value = Double.NaN;
      }
      values[code] = value;
      if (signed) {
        values[code | signBit] = -value;
      }
      if (Double.isFinite(value)) {
        magnitudes.add(code);
      }
    }
    minusZero = signed && special != Special.MINUS_ZERO_IS_NAN;
    if (special == Special.MINUS_ZERO_IS_NAN) {
      values[signBit] = Double.NaN;
    }
    nan =
        switch (special) {
          case IEEE, LAST_IS_NAN, NO_SIGN -> codes - 1;
          case MINUS_ZERO_IS_NAN -> signBit;
          case NONE -> codes - 1;
        };
    magnitudes.sort(Comparator.comparingDouble(code -> values[code]));
  }

  static SmallFloats of(ElementType type) {
    return FORMATS.get(type);
  }

  double decode(int code) {
    return values[code];
  }

  /**
   * The nearest number, the even one of two; the largest where none is large enough; where there is
   * no NaN, the largest too.
   */
  int encode(double value) {
    if (Double.isNaN(value)) {
      return nan;
    }
    double magnitude = Math.abs(value);
    int nearest = magnitudes.get(0);
    for (int code : magnitudes) {
      double closer = Math.abs(values[nearest] - magnitude) - Math.abs(values[code] - magnitude);
      if (closer > 0 || closer == 0 && code % 2 == 0) {
        nearest = code;
      }
    }
    if (Double.isInfinite(value)) {
      nearest = magnitudes.get(magnitudes.size() - 1);
      if (Double.isInfinite(values[nearest + 1 & values.length - 1])) {
        nearest++;
      }
    }
    boolean negative = Double.doubleToRawLongBits(value) < 0;
    return negative && (minusZero || nearest != 0) ? nearest | signBit : nearest;
  }
}
