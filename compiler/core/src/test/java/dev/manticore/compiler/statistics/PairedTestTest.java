package dev.manticore.compiler.statistics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PairedTestTest {

  private static final ImmutableList<Double> ZEROS = ImmutableList.of(0.0, 0.0, 0.0);

  @Test
  void studentsSleepDataIsAsPublished() {
    PairedTest test = PairedTest.of(SleepData.FIRST.values(), SleepData.SECOND.values());

    // R: t = -4.0621, df = 9, p-value = 0.002833, interval -2.4598858 to -0.7001142.
    assertThat(test.size()).isEqualTo(10);
    assertThat(test.differences().mean()).isCloseTo(-1.58, within(1e-12));
    assertThat(test.tTest().orElseThrow()).isCloseTo(0.002833, within(5e-7));
    assertThat(test.interval().orElseThrow().low()).isCloseTo(-2.4598858, within(5e-8));
    assertThat(test.interval().orElseThrow().high()).isCloseTo(-0.7001142, within(5e-8));
    // All nine differences that are not 0 have one sign; the tenth is 0 with either.
    assertThat(test.signFlip().orElseThrow()).isEqualTo(4 / 1024.0);
  }

  @Test
  void pOfTwoPairsIsThatOfCauchysDistribution() {
    // Differences 1 and 2: the mean is 3 times its standard error.
    PairedTest test = PairedTest.of(ImmutableList.of(2.0, 4.0), ImmutableList.of(1.0, 2.0));

    assertThat(test.tTest().orElseThrow()).isCloseTo(1 - 2 / Math.PI * Math.atan(3), within(1e-14));
    assertThat(test.signFlip().orElseThrow()).isEqualTo(0.5);
  }

  @Test
  void pOfThreePairsIsTheClosedForm() {
    // Of two degrees of freedom: p = 1 - t / sqrt(2 + t²); 1, 2 and 3 have t = 2 sqrt(3).
    PairedTest test = PairedTest.of(ImmutableList.of(1.0, 2.0, 3.0), ZEROS);
    double t = 2 * Math.sqrt(3);

    assertThat(test.tTest().orElseThrow()).isCloseTo(1 - t / Math.sqrt(2 + t * t), within(1e-14));
    assertThat(test.signFlip().orElseThrow()).isEqualTo(0.25);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5, 8, 13})
  void signFlipIsThatOfBruteForce(int size) {
    // Whole numbers, whose sums tie often and are exact.
    Random random = new Random(size);
    List<Integer> differences = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      differences.add(random.nextInt(11) - 4);
    }
    int observed = Math.abs(differences.stream().mapToInt(Integer::intValue).sum());
    List<Integer> sums = List.of(0);
    for (int difference : differences) {
      List<Integer> longer = new ArrayList<>();
      for (int sum : sums) {
        longer.add(sum + difference);
        longer.add(sum - difference);
      }
      sums = longer;
    }
    double expected =
        sums.stream().filter(sum -> Math.abs(sum) >= observed).count() / (double) sums.size();

    // Divided by 10, so that sums that tie differ in their last bit.
    PairedTest test =
        PairedTest.of(
            differences.stream().map(difference -> difference / 10.0).toList(),
            differences.stream().map(difference -> 0.0).toList());

    assertThat(test.signFlip().orElseThrow()).isEqualTo(expected);
  }

  @Test
  void signFlipOfMorePairsThanCanBeTriedIsLeftOut() {
    List<Double> values = new ArrayList<>();
    for (int i = 0; i <= PairedTest.MOST_FLIPPED; i++) {
      values.add(1.0 + i);
    }
    List<Double> zeros = values.stream().map(value -> 0.0).toList();

    assertThat(PairedTest.of(values, zeros).signFlip()).isEmpty();
    assertThat(PairedTest.of(values, zeros).tTest()).isPresent();
    int most = PairedTest.MOST_FLIPPED;
    assertThat(PairedTest.of(values.subList(0, most), zeros.subList(0, most)).signFlip())
        .hasValue(2.0 / (1 << most));
  }

  @Test
  void onePairIsNoTest() {
    PairedTest test = PairedTest.of(ImmutableList.of(2.0), ImmutableList.of(1.0));

    assertThat(test.differences().mean()).isEqualTo(1);
    assertThat(test.interval()).isEmpty();
    assertThat(test.tTest()).isEmpty();
    assertThat(test.signFlip()).isEmpty();
  }

  @Test
  void noDifferenceAtAllHasAnIntervalOfNoWidthAndNoTTest() {
    PairedTest test = PairedTest.of(ZEROS, ZEROS);

    assertThat(test.interval()).contains(new Interval(0, 0));
    assertThat(test.tTest()).isEmpty();
    assertThat(test.signFlip()).hasValue(1);
  }

  @Test
  void differencesThatAreEqualUpToRoundingHaveNoTTest() {
    PairedTest test =
        PairedTest.of(ImmutableList.of(0.3, 0.8, 0.9), ImmutableList.of(0.1, 0.6, 0.7));

    assertThat(test.differences().standardDeviation()).isPositive();
    assertThat(test.tTest()).isEmpty();
    assertThat(test.interval().orElseThrow().halfWidth()).isZero();
    assertThat(test.signFlip()).hasValue(0.25);
  }

  @Test
  void aValueThatIsNotFiniteIsNoTest() {
    PairedTest test =
        PairedTest.of(ImmutableList.of(1.0, Double.POSITIVE_INFINITY), ImmutableList.of(1.0, 2.0));

    assertThat(test.interval()).isEmpty();
    assertThat(test.tTest()).isEmpty();
    assertThat(test.signFlip()).isEmpty();
  }

  @Test
  void pairsMustBeWhole() {
    assertThatThrownBy(() -> PairedTest.of(ZEROS, ImmutableList.of(1.0)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("3 values for 1");
  }
}
