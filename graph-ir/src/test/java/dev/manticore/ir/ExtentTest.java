package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExtentTest {

  private static final Extent BATCH = Extent.of(Dim.of("batch")).orElseThrow();
  private static final Extent LENGTH = Extent.of(Dim.of("length")).orElseThrow();

  @Test
  void calculatesLikePolynomials() {
    Extent sum = BATCH.plus(LENGTH);

    assertThat(sum.times(sum))
        .isEqualTo(
            BATCH.times(BATCH).plus(LENGTH.times(LENGTH)).plus(two().times(BATCH).times(LENGTH)));
    assertThat(sum.minus(sum)).isEqualTo(Extent.of(0));
    assertThat(LENGTH.plus(Extent.of(1)).minus(LENGTH).constant()).hasValue(1);
  }

  @Test
  void dividesWhatComesOutEven() {
    Extent product = BATCH.times(LENGTH).times(Extent.of(32));

    assertThat(product.dividedBy(LENGTH.times(Extent.of(8)))).contains(BATCH.times(Extent.of(4)));
    assertThat(product.dividedBy(Extent.of(5))).isEmpty();
    assertThat(BATCH.dividedBy(LENGTH)).isEmpty();
    assertThat(BATCH.plus(LENGTH).dividedBy(LENGTH)).isEmpty();
  }

  @Test
  void isADimensionWhoseNameIsReadBack() {
    Extent extent = two().times(LENGTH).times(BATCH).plus(LENGTH).plus(Extent.of(3));

    assertThat(extent.toDim()).isEqualTo(Dim.of("2*batch*length + length + 3"));
    assertThat(Extent.of(extent.toDim())).contains(extent);
  }

  @Test
  void knowsNoDimensionOfWhatMayBeNegative() {
    assertThat(LENGTH.minus(Extent.of(1)).toDim()).isEqualTo(Dim.UNKNOWN);
    assertThat(Extent.of(-1).toDim()).isEqualTo(Dim.UNKNOWN);
    assertThat(Extent.of(Dim.UNKNOWN)).isEmpty();
  }

  @Test
  void takesOtherNamesAsTheyAre() {
    Extent strange = Extent.of(Dim.of("past length (tokens)")).orElseThrow();

    assertThat(strange.toDim()).isEqualTo(Dim.of("past length (tokens)"));
    assertThat(strange.plus(Extent.of(1)).toDim()).isEqualTo(Dim.UNKNOWN);
  }

  @Test
  void takesNamesOfNumbersBeyondLongAsTheyAre() {
    Dim huge = Dim.of("999999999999999999*999999999999999999*n");

    assertThat(Extent.of(huge).orElseThrow().toDim()).isEqualTo(huge);
  }

  private static Extent two() {
    return Extent.of(2);
  }
}
