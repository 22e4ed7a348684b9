package dev.manticore.ir.text;

import com.google.common.base.Splitter;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.NumberFormats;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.util.regex.Pattern;

/**
 * Numbers, names and strings of the textual form. Numbers are written by this class and not by
 * {@code Float.toString}, whose digits depend on the version of the JDK.
 */
final class Literals {

  private static final Pattern DECIMAL =
      Pattern.compile("-?[0-9]{1,400}(\\.[0-9]{1,400})?([eE][-+]?[0-9]{1,6})?");
  private static final Pattern NAN = Pattern.compile("nan:0x[0-9a-f]{1,16}");
  private static final Pattern WORD = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
  private static final Pattern VALUE_NAME = Pattern.compile("[A-Za-z0-9_./-]+");

  private static final int FLOAT_NAN = 0x7fc00000;
  private static final long DOUBLE_NAN = 0x7ff8000000000000L;

  private Literals() {}

  static boolean isWord(String text) {
    return WORD.matcher(text).matches();
  }

  static boolean isDotted(String text) {
    return Splitter.on('.').splitToStream(text).allMatch(Literals::isWord);
  }

  /** A word as it is, anything else quoted. */
  static String word(String text) {
    return isWord(text) ? text : quoted(text);
  }

  static String valueName(String name) {
    return "%" + (VALUE_NAME.matcher(name).matches() ? name : quoted(name));
  }

  static String quoted(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            point -> {
              switch (point) {
                case '"' -> quoted.append("\\\"");
                case '\\' -> quoted.append("\\\\");
                case '\n' -> quoted.append("\\n");
                case '\t' -> quoted.append("\\t");
                default -> {
                  if (isVisible(point)) {
                    quoted.appendCodePoint(point);
                  } else {
                    quoted.append("\\u{").append(Integer.toHexString(point)).append('}');
                  }
                }
              }
            });
    return quoted.append('"').toString();
  }

  /** A fixed list, not the JDK's, which grows with Unicode: controls, marks that hide or turn. */
  private static boolean isVisible(int point) {
    return point >= 0x20
        && !(point >= 0x7f && point <= 0x9f)
        && !(point >= 0x200b && point <= 0x200f)
        && !(point >= 0x2028 && point <= 0x202e)
        && !(point >= 0x2060 && point <= 0x206f)
        && !(point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE)
        && point != 0xfeff;
  }

  /** The fewest digits that give the same {@code float} again; always with a point or a word. */
  static String of(float value) {
    if (Float.isNaN(value)) {
      int bits = Float.floatToRawIntBits(value);
      return bits == FLOAT_NAN ? "nan" : "nan:0x" + Integer.toHexString(bits);
    }
    if (Float.isInfinite(value) || value == 0) {
      return special(value);
    }
    for (int digits = 1; ; digits++) {
      BigDecimal rounded = rounded(value, digits);
      if (rounded.floatValue() == value) {
        return decimal(rounded);
      }
    }
  }

  /** The fewest digits that give the same {@code double} again. */
  static String of(double value) {
    if (Double.isNaN(value)) {
      long bits = Double.doubleToRawLongBits(value);
      return bits == DOUBLE_NAN ? "nan" : "nan:0x" + Long.toHexString(bits);
    }
    if (Double.isInfinite(value) || value == 0) {
      return special(value);
    }
    for (int digits = 1; ; digits++) {
      BigDecimal rounded = rounded(value, digits);
      if (rounded.doubleValue() == value) {
        return decimal(rounded);
      }
    }
  }

  private static BigDecimal rounded(double value, int digits) {
    return new BigDecimal(value).round(new MathContext(digits, RoundingMode.HALF_EVEN));
  }

  private static String special(double value) {
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    return value < 0 ? "-inf" : "inf";
  }

  private static String decimal(BigDecimal value) {
    BigDecimal plain = value.stripTrailingZeros();
    int exponent = plain.precision() - plain.scale() - 1;
    if (exponent >= -5 && exponent < 10) {
      return plain.setScale(Math.max(1, plain.scale()), RoundingMode.UNNECESSARY).toPlainString();
    }
    String digits = plain.unscaledValue().abs().toString();
    return (plain.signum() < 0 ? "-" : "")
        + digits.charAt(0)
        + "."
        + (digits.length() == 1 ? "0" : digits.substring(1))
        + "e"
        + exponent;
  }

  /** Whether a literal can only be a floating-point number. */
  static boolean isFloating(String text) {
    return text.indexOf('.') >= 0
        || text.indexOf('n') >= 0
        || ((text.indexOf('e') >= 0 || text.indexOf('E') >= 0) && !text.startsWith("0x"));
  }

  /**
   * @throws IrException if the text is no such number
   */
  static float parseFloat(String text) {
    if (NAN.matcher(text).matches()) {
      return Float.intBitsToFloat(nanBits(text, 4).intValue());
    }
    Double special = special(text);
    if (!special.equals(0.0)) {
      return special.floatValue();
    }
    float value = Float.parseFloat(checkDecimal(text));
    return checkFinite(value, Float.isInfinite(value), text);
  }

  static double parseDouble(String text) {
    if (NAN.matcher(text).matches()) {
      return Double.longBitsToDouble(nanBits(text, 8));
    }
    Double special = special(text);
    if (!special.equals(0.0)) {
      return special;
    }
    double value = Double.parseDouble(checkDecimal(text));
    return checkFinite(value, Double.isInfinite(value), text);
  }

  private static <T> T checkFinite(T value, boolean infinite, String text) {
    if (infinite) {
      throw new IrException("'" + text + "' is out of range");
    }
    return value;
  }

  /** The number that a word stands for; 0 if it is none. */
  private static Double special(String text) {
    return switch (text) {
      case "nan" -> Double.NaN;
      case "inf" -> Double.POSITIVE_INFINITY;
      case "-inf" -> Double.NEGATIVE_INFINITY;
      default -> 0.0;
    };
  }

  private static String checkDecimal(String text) {
    if (!DECIMAL.matcher(text).matches()) {
      throw new IrException("'" + text + "' is not a number");
    }
    return text;
  }

  private static Long nanBits(String text, int bytes) {
    String digits = text.substring("nan:0x".length());
    if (digits.length() > 2 * bytes) {
      throw new IrException("'" + text + "' has too many digits");
    }
    return Long.parseUnsignedLong(digits, 16);
  }

  static long parseLong(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new IrException("'" + text + "' is not an integer of 64 bits", e);
    }
  }

  /** Literals that one element of a tensor takes: two for a complex number. */
  static int parts(ElementType type) {
    return type == ElementType.COMPLEX64 || type == ElementType.COMPLEX128 ? 2 : 1;
  }

  /** The literal at {@code index} of a little-endian buffer, exact to the bit. */
  static String element(ByteBuffer bytes, ElementType type, int index) {
    return switch (type) {
      case FLOAT32, COMPLEX64 -> of(bytes.getFloat(4 * index));
      case FLOAT64, COMPLEX128 -> of(bytes.getDouble(8 * index));
      case FLOAT16, BFLOAT16 -> {
        float value = (float) NumberFormats.get(bytes, type, index);
        yield Float.isNaN(value)
            ? "nan:0x" + Integer.toHexString(Short.toUnsignedInt(bytes.getShort(2 * index)))
            : of(value);
      }
      case UINT64 -> Long.toUnsignedString(bytes.getLong(8 * index));
      case INT64 -> Long.toString(bytes.getLong(8 * index));
      case FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT8E8M0, FLOAT4E2M1 -> {
        float value = (float) NumberFormats.get(bytes, type, index);
        yield Float.isNaN(value)
            ? "nan:0x" + Integer.toHexString(Byte.toUnsignedInt(bytes.get(index)))
            : of(value);
      }
      case INT32, UINT32, INT16, UINT16, INT8, UINT8, UINT4, INT4, UINT2, INT2 ->
          Long.toString((long) NumberFormats.get(bytes, type, index));
      case BOOL ->
          switch (bytes.get(index)) {
            case 0 -> "false";
            case 1 -> "true";
            default -> Integer.toString(Byte.toUnsignedInt(bytes.get(index)));
          };
      case STRING -> throw new AssertionError("strings are not elements of a fixed size");
    };
  }

  /**
   * Sets the element at {@code index} of a little-endian buffer from its literal.
   *
   * @throws IrException if it is not one of this type
   */
  static void putElement(ByteBuffer bytes, ElementType type, int index, String text) {
    switch (type) {
      case FLOAT32, COMPLEX64 -> bytes.putFloat(4 * index, parseFloat(text));
      case FLOAT64, COMPLEX128 -> bytes.putDouble(8 * index, parseDouble(text));
      case FLOAT16, BFLOAT16 -> {
        if (NAN.matcher(text).matches()) {
          bytes.putShort(2 * index, nanBits(text, 2).shortValue());
        } else {
          NumberFormats.put(bytes, type, index, parseDouble(text));
        }
      }
      case UINT64 -> bytes.putLong(8 * index, parseUnsigned(text));
      case INT64 -> bytes.putLong(8 * index, parseLong(text));
      case INT32 ->
          bytes.putInt(4 * index, (int) bounded(text, Integer.MIN_VALUE, Integer.MAX_VALUE));
      case UINT32 -> bytes.putInt(4 * index, (int) bounded(text, 0, 0xffffffffL));
      case INT16 ->
          bytes.putShort(2 * index, (short) bounded(text, Short.MIN_VALUE, Short.MAX_VALUE));
      case UINT16 -> bytes.putShort(2 * index, (short) bounded(text, 0, 0xffff));
      case INT8 -> bytes.put(index, (byte) bounded(text, Byte.MIN_VALUE, Byte.MAX_VALUE));
      case UINT8 -> bytes.put(index, (byte) bounded(text, 0, 0xff));
      case BOOL ->
          bytes.put(
              index,
              switch (text) {
                case "false" -> (byte) 0;
                case "true" -> (byte) 1;
                default -> (byte) bounded(text, 0, 0xff);
              });
      case FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT8E8M0, FLOAT4E2M1 -> {
        if (NAN.matcher(text).matches() && type != ElementType.FLOAT4E2M1) {
          bytes.put(index, nanBits(text, 1).byteValue());
        } else {
          NumberFormats.put(bytes, type, index, parseDouble(text));
        }
      }
      case UINT4 -> NumberFormats.put(bytes, type, index, bounded(text, 0, 15));
      case INT4 -> NumberFormats.put(bytes, type, index, bounded(text, -8, 7));
      case UINT2 -> NumberFormats.put(bytes, type, index, bounded(text, 0, 3));
      case INT2 -> NumberFormats.put(bytes, type, index, bounded(text, -2, 1));
      case STRING -> throw new AssertionError("strings are not elements of a fixed size");
    }
  }

  private static long parseUnsigned(String text) {
    try {
      return Long.parseUnsignedLong(text);
    } catch (NumberFormatException e) {
      throw new IrException("'" + text + "' is not an unsigned integer of 64 bits", e);
    }
  }

  private static long bounded(String text, long least, long greatest) {
    long value = parseLong(text);
    if (value < least || value > greatest) {
      throw new IrException("'" + text + "' is not between " + least + " and " + greatest);
    }
    return value;
  }
}
