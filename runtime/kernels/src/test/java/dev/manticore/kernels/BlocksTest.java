package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The vector form against the plain one: the same bits, before and after compilation. */
class BlocksTest {

  private static final int COUNT = Blocks.LANES * Blocks.LANES;

  record Case(String name, BiConsumer<Blocks, List<float[]>> call) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Case> cases() {
    float[] settings = {1e-2f, 0.9f, 0.99f, 1e-6f, 0.1f, 0.271f, 0.0297f, 0.7f};
    return Stream.of(
        new Case(
            "adamW",
            (blocks, a) -> {
              for (int i = 0; i < COUNT; i++) {
                a.get(2)[i] *= a.get(2)[i];
              }
              blocks.adamW(COUNT, a.get(0), a.get(1), a.get(2), a.get(3), settings);
            }),
        new Case("geluGradient", (b, a) -> b.geluGradient(COUNT, a.get(0), a.get(1), a.get(2))),
        new Case("siluGradient", (b, a) -> b.siluGradient(COUNT, a.get(0), a.get(1), a.get(2))),
        new Case("silu", (b, a) -> b.silu(COUNT, a.get(0), a.get(1))),
        new Case("softplus", (b, a) -> b.softplus(COUNT, a.get(0), a.get(1))),
        new Case("scaledExp", (b, a) -> b.scaledExp(COUNT, a.get(0), 0.3f, a.get(1))),
        new Case("largest", (b, a) -> b.largest(COUNT, a.get(0), a.get(1))),
        new Case("expSums", (b, a) -> b.expSums(COUNT, a.get(0), 0.3f, a.get(1), a.get(2))),
        new Case("sumSquares", (b, a) -> b.sumSquares(COUNT / 2, COUNT / 2, a.get(0), a.get(1))),
        new Case(
            "normSums",
            (b, a) ->
                b.normSums(
                    COUNT, 0, a.get(0), a.get(1), a.get(2), 0.3f, 1.7f, a.get(3), a.get(4),
                    a.get(5))),
        new Case(
            "multiply",
            (b, a) -> b.multiply(4, 5, 16, a.get(0), 1, 6, 1, a.get(1), 0, 4, a.get(2), 0, 16)),
        new Case(
            "multiply, turned",
            (b, a) -> b.multiply(3, 4, 16, a.get(0), 1, 1, 3, a.get(1), 0, 16, a.get(2), 0, 16)),
        new Case(
            "multiply, many rows",
            (b, a) -> b.multiply(14, 3, 16, a.get(0), 0, 4, 1, a.get(1), 2, 16, a.get(2), 0, 16)),
        new Case(
            "multiply, one row of many columns",
            (b, a) -> b.multiply(1, 3, 80, a.get(0), 2, 0, 5, a.get(1), 1, 81, a.get(2), 3, 0)),
        new Case("softmax", (b, a) -> b.softmax(16, a.get(0), 0.3f, a.get(1), 0)),
        new Case("softmaxGradient", (b, a) -> b.softmaxGradient(16, a.get(0), a.get(1), 0.3f)),
        new Case(
            "normGradient",
            (b, a) ->
                b.normGradient(
                    COUNT, 0, a.get(0), a.get(1), a.get(2), 0.3f, 1.7f, 0.2f, 0.4f, a.get(3))));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void bothFormsGiveTheSameBits(Case tested) {
    assumeThat(Forms.vector()).isPresent();
    Blocks vector = Forms.vector().orElseThrow();
    List<float[]> plain = arrays();
    tested.call().accept(new PlainBlocks(), plain);
    for (int run = 0; run < 300; run++) {
      List<float[]> actual = arrays();
      tested.call().accept(vector, actual);
      for (int i = 0; i < plain.size(); i++) {
        assertThat(actual.get(i)).isEqualTo(plain.get(i));
      }
    }
  }

  private static List<float[]> arrays() {
    Random random = new Random(5);
    return Stream.generate(
            () -> {
              float[] values = new float[COUNT];
              for (int i = 0; i < COUNT; i++) {
                values[i] = (float) (3 * random.nextGaussian());
              }
              return values;
            })
        .limit(6)
        .toList();
  }
}
