package dev.manticore.ir.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.IrException;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LiteralsTest {

  @Test
  void numbersHaveTheFewestDigits() {
    assertThat(Literals.of(0.1f)).isEqualTo("0.1");
    assertThat(Literals.of(1f)).isEqualTo("1.0");
    assertThat(Literals.of(-0f)).isEqualTo("-0.0");
    assertThat(Literals.of(1e-5f)).isEqualTo("0.00001");
    assertThat(Literals.of(1.5e-7f)).isEqualTo("1.5e-7");
    assertThat(Literals.of(3.4028235e38f)).isEqualTo("3.4028235e38");
    assertThat(Literals.of(Float.MIN_VALUE)).isEqualTo("1.0e-45");
    assertThat(Literals.of(2e23)).isEqualTo("2.0e23");
    assertThat(Literals.of(0.1)).isEqualTo("0.1");
    assertThat(Literals.of(123456789f)).isEqualTo("123456790.0");
    assertThat(Literals.of(Double.NEGATIVE_INFINITY)).isEqualTo("-inf");
  }

  @Test
  void everyBitPatternComesBack() {
    Random random = new Random(1);
    for (int i = 0; i < 20_000; i++) {
      int bits = random.nextInt();
      float single = Literals.parseFloat(Literals.of(Float.intBitsToFloat(bits)));
      assertThat(Float.floatToRawIntBits(single)).isEqualTo(bits);
      long wide = random.nextLong();
      double value = Literals.parseDouble(Literals.of(Double.longBitsToDouble(wide)));
      assertThat(Double.doubleToRawLongBits(value)).isEqualTo(wide);
    }
  }

  @Test
  void refusesWhatIsNoNumber() {
    for (String text :
        new String[] {"", "-", "1.", ".5", "0x10", "1f", "NaN", "Infinity", "1e999"}) {
      assertThatThrownBy(() -> Literals.parseFloat(text)).as(text).isInstanceOf(IrException.class);
    }
    assertThatThrownBy(() -> Literals.parseLong("9223372036854775808"))
        .isInstanceOf(IrException.class);
  }

  @Test
  void stringsEscapeWhatCannotBeSeen() {
    assertThat(Literals.quoted("a\"b\\\n\t\r\u202e\ud800é😀"))
        .isEqualTo("\"a\\\"b\\\\\\n\\t\\u{d}\\u{202e}\\u{d800}é😀\"");
  }
}
