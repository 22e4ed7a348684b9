package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NumberFormatsTest {

  @Test
  void everyHalfHasTheValueOfItsFieldsAndComesBack() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      float value = NumberFormats.halfToFloat((short) bits);
      Double expected = halfByDefinition(bits);
      assertThat((double) value).as("half %x", bits).isEqualTo(expected);
      if (!expected.isNaN()) {
        assertThat(NumberFormats.floatToHalf(value) & 0xffff).as("half %x", bits).isEqualTo(bits);
      }
    }
  }

  @Test
  void halfwayBetweenTwoHalvesGoesToTheEvenOneAndAnythingBesideItToTheNearer() {
    for (int bits = 0; bits < 0x7c00; bits++) {
      double low = halfByDefinition(bits);
      double high = bits == 0x7bff ? 65536 : halfByDefinition(bits + 1);
      double middle = (low + high) / 2;
      int even = bits % 2 == 0 ? bits : bits + 1;
      assertThat(roundToHalf(middle)).as("middle of %x", bits).isEqualTo(even);
      assertThat(roundToHalf(Math.nextUp(middle))).as("above %x", bits).isEqualTo(bits + 1);
      assertThat(roundToHalf(Math.nextDown(middle))).as("below %x", bits).isEqualTo(bits);
      assertThat(roundToHalf(-middle)).as("middle of -%x", bits).isEqualTo(even | 0x8000);
    }
  }

  @Test
  void halvesOverflowToInfinityAndKeepNaN() {
    assertThat(roundToHalf(65520)).isEqualTo(0x7c00);
    assertThat(roundToHalf(1e300)).isEqualTo(0x7c00);
    assertThat(roundToHalf(Double.NEGATIVE_INFINITY)).isEqualTo(0xfc00);
    assertThat(roundToHalf(Double.NaN) & 0x7fff).isGreaterThan(0x7c00);
    assertThat(roundToHalf(-1e-300)).isEqualTo(0x8000);
  }

  @Test
  void everyBfloatComesBack() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      double value = get(ElementType.BFLOAT16, bits);
      if (!Double.isNaN(value)) {
        assertThat(round(ElementType.BFLOAT16, value)).as("bfloat %x", bits).isEqualTo(bits);
      }
    }
  }

  @Test
  void halfwayBetweenTwoBfloatsGoesToTheEvenOne() {
    for (int bits = 0; bits < 0x7f80; bits++) {
      double low = get(ElementType.BFLOAT16, bits);
      double high = bits == 0x7f7f ? 0x1p128 : get(ElementType.BFLOAT16, bits + 1);
      double middle = low / 2 + high / 2;
      int even = bits % 2 == 0 ? bits : bits + 1;
      assertThat(round(ElementType.BFLOAT16, middle)).as("middle of %x", bits).isEqualTo(even);
      assertThat(round(ElementType.BFLOAT16, Math.nextUp(middle))).isEqualTo(bits + 1);
      assertThat(round(ElementType.BFLOAT16, Math.nextDown(middle))).isEqualTo(bits);
    }
  }

  @Test
  void bfloatKeepsNaNWhoseUpperBitsAreThoseOfInfinity() {
    short bits = NumberFormats.floatToBfloat(Float.intBitsToFloat(0x7f800001));

    assertThat(bits & 0x7f).isNotZero();
  }

  @ParameterizedTest
  @EnumSource(
      names = {
        "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ",
        "FLOAT8E5M2",
        "FLOAT8E5M2FNUZ",
        "FLOAT8E8M0",
        "FLOAT4E2M1",
        "UINT4",
        "INT4",
        "UINT2",
        "INT2"
      })
  void everyNumberOfASmallFormatComesBackAndWhatIsBetweenGoesToTheNearest(ElementType type) {
    int codes = 1 << type.bitSize();
    for (int bits = 0; bits < codes; bits++) {
      double value = get(type, bits);
      if (!Double.isNaN(value)) {
        assertThat(round(type, value)).as("%s %x", type, bits).isEqualTo(bits);
      }
      double next = get(type, (bits + 1) % codes);
      if (!type.isInteger() && value >= 0 && next > value && Double.isFinite(next)) {
        double middle = (value + next) / 2;
        assertThat(round(type, middle)).isEqualTo(bits % 2 == 0 ? bits : bits + 1);
        assertThat(round(type, Math.nextUp(middle))).isEqualTo(bits + 1);
        assertThat(round(type, Math.nextDown(middle))).isEqualTo(bits);
      }
    }
  }

  @Test
  void smallFormatsHaveTheValuesThatTheirDefinitionsName() {
    assertThat(get(ElementType.FLOAT8E4M3FN, 0x7e)).isEqualTo(448);
    assertThat(get(ElementType.FLOAT8E4M3FN, 0x7f)).isNaN();
    assertThat(get(ElementType.FLOAT8E4M3FN, 0x01)).isEqualTo(0x1p-9);
    assertThat(get(ElementType.FLOAT8E4M3FNUZ, 0x7f)).isEqualTo(240);
    assertThat(get(ElementType.FLOAT8E4M3FNUZ, 0x80)).isNaN();
    assertThat(get(ElementType.FLOAT8E5M2, 0x7b)).isEqualTo(57344);
    assertThat(get(ElementType.FLOAT8E5M2, 0xfc)).isEqualTo(Double.NEGATIVE_INFINITY);
    assertThat(get(ElementType.FLOAT8E5M2FNUZ, 0x7f)).isEqualTo(57344);
    assertThat(get(ElementType.FLOAT8E8M0, 0)).isEqualTo(0x1p-127);
    assertThat(get(ElementType.FLOAT8E8M0, 0xfe)).isEqualTo(0x1p127);
    assertThat(get(ElementType.FLOAT4E2M1, 0xf)).isEqualTo(-6);
    assertThat(get(ElementType.FLOAT4E2M1, 1)).isEqualTo(0.5);
    assertThat(round(ElementType.FLOAT8E5M2, 1e9)).isEqualTo(0x7b);
    assertThat(round(ElementType.FLOAT8E5M2, Double.NEGATIVE_INFINITY)).isEqualTo(0xfc);
    assertThat(round(ElementType.FLOAT8E4M3FN, Double.POSITIVE_INFINITY)).isEqualTo(0x7e);
  }

  @Test
  void elementsOfLessThanAByteFillItFromItsLowestBits() {
    Tensor tensor = Tensor.ofDoubles(ElementType.INT4, Shape.of(3), -8, 7, -1);

    assertThat(tensor.data().toByteArray()).containsExactly(0x78, 0x0f);
    assertThat(tensor.toLongs()).containsExactly(-8, 7, -1);
    assertThat(Tensor.ofDoubles(ElementType.UINT2, Shape.of(5), 3, 2, 1, 0, 3).toLongs())
        .containsExactly(3, 2, 1, 0, 3);
  }

  @Test
  void unsignedIntegersOf64BitsRoundLikeExactArithmetic() {
    Random random = new Random(7);
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < 10_000; i++) {
      long value = random.nextLong();
      bytes.putLong(0, value);
      double expected = new BigDecimal(Long.toUnsignedString(value)).doubleValue();
      assertThat(NumberFormats.get(bytes, ElementType.UINT64, 0)).isEqualTo(expected);
      if (expected < 0x1p64) {
        NumberFormats.put(bytes, ElementType.UINT64, 0, expected);
        assertThat(NumberFormats.get(bytes, ElementType.UINT64, 0)).isEqualTo(expected);
      }
    }
    // Halfway between two doubles plus one: the last bit decides.
    bytes.putLong(0, 0x8000000000000401L);
    assertThat(NumberFormats.get(bytes, ElementType.UINT64, 0)).isEqualTo(0x1p63 + 2048);
  }

  @Test
  void smallIntegersAreSignedOrNotAsTheirTypeSays() {
    assertThat(get(ElementType.INT8, 0xff)).isEqualTo(-1);
    assertThat(get(ElementType.UINT8, 0xff)).isEqualTo(255);
    assertThat(get(ElementType.INT16, 0xffff)).isEqualTo(-1);
    assertThat(get(ElementType.UINT16, 0xffff)).isEqualTo(65535);
    assertThat(get(ElementType.BOOL, 2)).isEqualTo(1);
  }

  @Test
  void knowsWhichIntegersDoublePrecisionHolds() {
    assertThat(NumberFormats.isExactInDouble(Tensor.vector(1L << 52, Long.MAX_VALUE))).isTrue();
    assertThat(NumberFormats.isExactInDouble(Tensor.vector((1L << 53) + 1))).isFalse();
    assertThat(NumberFormats.isExactInDouble(Tensor.scalar(1e30f))).isTrue();
  }

  private static double halfByDefinition(int bits) {
    int exponent = (bits >> 10) & 0x1f;
    int fraction = bits & 0x3ff;
    double magnitude =
        switch (exponent) {
          case 0 -> fraction * Math.pow(2, -24);
          case 31 -> fraction == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
          default -> (1 + fraction / 1024.0) * Math.pow(2, exponent - 15);
        };
    return (bits & 0x8000) == 0 ? magnitude : -magnitude;
  }

  private static int roundToHalf(double value) {
    return round(ElementType.FLOAT16, value);
  }

  private static int round(ElementType type, double value) {
    ByteBuffer bytes = ByteBuffer.allocate(2).order(ByteOrder.LITTLE_ENDIAN);
    NumberFormats.put(bytes, type, 0, value);
    return Short.toUnsignedInt(bytes.getShort(0));
  }

  private static double get(ElementType type, int bits) {
    ByteBuffer bytes = ByteBuffer.allocate(2).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putShort(0, (short) bits);
    return NumberFormats.get(bytes, type, 0);
  }
}
