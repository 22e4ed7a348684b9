package dev.manticore.compiler.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ByteSizeTest {

  @ParameterizedTest
  @CsvSource({
    "1000, 1000",
    "12 B, 12",
    "700 MB, 700000000",
    "4 GB, 4000000000",
    "4gb, 4000000000",
    "3KiB, 3072",
    "2GiB, 2147483648"
  })
  void unitsAreOfThousandsOrOf1024(String text, long bytes) {
    assertThat(ByteSize.parse(text)).hasValue(bytes);
    assertThat(ByteSize.parse(ByteSize.exactText(bytes))).hasValue(bytes);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "0", "0 MB", "4 TB", "1.5 GB", "-1", "GB"})
  void otherTextsMeanNone(String text) {
    assertThat(ByteSize.parse(text)).isEmpty();
  }

  @Test
  void aTextMeansNoLess() {
    assertThat(ByteSize.text(545_100_001)).isEqualTo("546 MB");
    assertThat(ByteSize.text(9_999_001)).isEqualTo("10000 kB");
    assertThat(ByteSize.text(999)).isEqualTo("999 B");
  }
}
