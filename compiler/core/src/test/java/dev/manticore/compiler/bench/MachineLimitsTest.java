package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

final class MachineLimitsTest {

  @Test
  void everyMachineDoesMillionsOfEach() {
    MachineLimits limits = MachineLimits.measure(2, Duration.ofMillis(300), Duration.ofMillis(200));

    assertThat(limits.exponentialsPerSecond()).isBetween(1e6, 1e13);
    assertThat(limits.readBytesPerSecond()).isBetween(1e8, 1e13);
    assertThat(limits.copyBytesPerSecond()).isBetween(1e8, 1e13);
    assertThat(limits.nearBytesPerSecond()).isBetween(1e8, 1e14);
    assertThat(limits.bandwidth())
        .isEqualTo(Math.max(limits.readBytesPerSecond(), limits.copyBytesPerSecond()));
    assertThat(limits.cacheBytes()).isPositive();
    // Far more than fits, unless the heap is small.
    assertThat(limits.arrayBytes())
        .isGreaterThan(Math.min(2 * limits.cacheBytes(), Runtime.getRuntime().maxMemory() / 4));
  }

  @Test
  void sizesAreReadAsTheKernelWritesThem() {
    assertThat(MachineLimits.size("32768K")).isEqualTo(32 << 20);
    assertThat(MachineLimits.size("32M")).isEqualTo(32 << 20);
    assertThat(MachineLimits.size("512")).isEqualTo(512);
    assertThat(MachineLimits.size("")).isZero();
    assertThat(MachineLimits.size("K")).isZero();
  }

  @Test
  void bytesFromMemoryAndInTheCacheAddUp() {
    MachineLimits limits = new MachineLimits(1, 1e9, 2e9, 1e10, 1000, 1);

    assertThat(limits.milliseconds(2_000_000, 0)).isEqualTo(1);
    assertThat(limits.milliseconds(2_000_000, 10_000_000)).isEqualTo(2);
    assertThat(limits.isNear(500)).isTrue();
    assertThat(limits.isNear(501)).isFalse();
  }

  @Test
  void everyThreadWorksAndAFailureOfOneIsToldOn() {
    try (SharedThreads threads = new SharedThreads(3, Duration.ZERO, Duration.ZERO)) {
      AtomicInteger sum = new AtomicInteger();
      threads.run(5, index -> sum.addAndGet(1 << index));
      assertThat(sum).hasValue(31);
      assertThat(threads.bestSeconds(index -> sum.incrementAndGet())).isNotNegative();
      assertThat(sum).hasValue(31 + 3);
      assertThatThrownBy(
              () ->
                  threads.run(
                      2,
                      index -> {
                        throw new IllegalArgumentException("wrong");
                      }))
          .hasRootCauseMessage("wrong");
    }
  }
}
