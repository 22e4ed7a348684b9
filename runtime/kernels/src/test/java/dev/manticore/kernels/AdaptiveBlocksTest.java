package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.Test;

class AdaptiveBlocksTest {

  @Test
  void theBitsStayTheSameWhileTheFormChanges() {
    assumeThat(Forms.vector()).isPresent();
    Blocks blocks = new AdaptiveBlocks(new PlainBlocks(), Forms.vector().orElseThrow());
    float[] x = new float[32 * Blocks.LANES];
    for (int i = 0; i < x.length; i++) {
      x[i] = (i - 200) * 0.037f;
    }
    float[] expected = new float[x.length];
    new PlainBlocks().siluGradient(x.length, x, x, expected);

    long start = System.nanoTime();
    while (System.nanoTime() - start < 300_000_000) {
      float[] y = new float[x.length];
      blocks.siluGradient(x.length, x, x, y);
      assertThat(y).isEqualTo(expected);
    }
  }
}
