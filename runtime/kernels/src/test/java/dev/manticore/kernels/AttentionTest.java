package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernel against the definition in double precision, on sizes that fill no tile. */
class AttentionTest {

  /** The masks of the models that there are, and of rows that exclude everything. */
  enum Kind {
    NONE,
    CAUSAL,
    WINDOW,
    INFINITE,
    ROW_EXCLUDED
  }

  static Stream<Arguments> cases() {
    List<Attention> sizes =
        List.of(
            new Attention(1, 1, 1, 1, 1, 1),
            new Attention(2, 5, 5, 3, 7, 0.3f),
            new Attention(1, 33, 33, 2, 16, 0.25f),
            new Attention(3, 50, 70, 4, 32, 1),
            new Attention(2, 128, 128, 8, 32, 1),
            new Attention(1, 40, 40, 5, 48, 0.2f));
    return sizes.stream()
        .flatMap(size -> Stream.of(Kind.values()).map(kind -> Arguments.of(size, kind)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheDefinition(Attention size, Kind kind) {
    Operands in = new Operands(size, kind);
    Reference expected = new Reference(size, in);
    for (Blocks blocks : forms()) {
      float[][] actual = results(blocks, size, in, Mask.of(of(in.mask)));

      assertThat(difference(actual[0], expected.y)).isLessThan(1e-5);
      assertThat(difference(actual[1], expected.dq)).isLessThan(2e-5);
      assertThat(difference(actual[2], expected.dk)).isLessThan(2e-5);
      assertThat(difference(actual[3], expected.dv)).isLessThan(2e-5);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void givesTheSameBitsInBothForms(Attention size, Kind kind) {
    Operands in = new Operands(size, kind);
    List<float[][]> results = new ArrayList<>();
    for (Blocks blocks : forms()) {
      results.add(results(blocks, size, in, Mask.of(of(in.mask))));
    }
    assertThat(results).allSatisfy(other -> assertThat(other).isDeepEqualTo(results.get(0)));
  }

  static Stream<Arguments> windows() {
    return Stream.of(1, 2, 7, 16, 33, 257, 300)
        .flatMap(
            length ->
                Stream.of(1, 2, 5, 16, 17, 33, 256, length, Integer.MAX_VALUE)
                    .distinct()
                    .map(window -> Arguments.of(length, window)));
  }

  @ParameterizedTest
  @MethodSource("windows")
  void aCausalMaskGivesTheBitsOfItsTable(int length, int window) {
    Attention size = new Attention(1, length, length, 2, 5, 0.4f);
    Operands in = new Operands(size, Kind.NONE);
    for (int i = 0; i < length; i++) {
      for (int j = 0; j < length; j++) {
        in.mask[i * length + j] = j > i || i - j >= window ? -Float.MAX_VALUE : 0;
      }
    }
    for (Blocks blocks : forms()) {
      assertThat(results(blocks, size, in, Mask.causal(window)))
          .isDeepEqualTo(results(blocks, size, in, Mask.of(of(in.mask))));
    }
  }

  /** y, dq, dk, dv. */
  private static float[][] results(Blocks blocks, Attention size, Operands in, Mask mask) {
    float[][] results = new float[4][];
    Arrays.setAll(results, i -> new float[i < 2 ? in.q.length : in.k.length]);
    size.forward(blocks, backwards(), of(in.q), of(in.k), of(in.v), mask, of(results[0]));
    size.gradient(
        blocks,
        backwards(),
        of(in.q),
        of(in.k),
        of(in.v),
        mask,
        of(in.dy),
        of(results[1]),
        of(results[2]),
        of(results[3]));
    return results;
  }

  private static List<Blocks> forms() {
    List<Blocks> forms = new ArrayList<>(List.of(new PlainBlocks()));
    Forms.vector().ifPresent(forms::add);
    return forms;
  }

  /** The tasks in the other order: what they leave in their arrays must not matter. */
  private static Parallel backwards() {
    return (count, task) -> {
      List<Integer> order = new ArrayList<>(IntStream.range(0, count).boxed().toList());
      Collections.reverse(order);
      order.forEach(task::accept);
    };
  }

  private static Floats of(float[] values) {
    return Floats.of(values);
  }

  private static double difference(float[] actual, double[] expected) {
    double largest = 0;
    double scale = 1;
    for (double value : expected) {
      scale = Math.max(scale, Math.abs(value));
    }
    for (int i = 0; i < actual.length; i++) {
      double difference = Math.abs(actual[i] - expected[i]);
      largest = difference <= largest ? largest : difference;
    }
    return largest / scale;
  }

  private static final class Operands {
    final float[] q;
    final float[] k;
    final float[] v;
    final float[] dy;
    final float[] mask;

    Operands(Attention size, Kind kind) {
      Random random = new Random(11);
      int columns = size.heads() * size.width();
      q = random(random, size.batch() * size.queries() * columns);
      k = random(random, size.batch() * size.keys() * columns);
      v = random(random, size.batch() * size.keys() * columns);
      dy = random(random, q.length);
      mask = new float[size.queries() * size.keys()];
      for (int i = 0; i < size.queries(); i++) {
        for (int j = 0; j < size.keys(); j++) {
          boolean later = j > i;
          mask[i * size.keys() + j] =
              switch (kind) {
                case NONE -> 0.1f * (i - j) / size.keys();
                case CAUSAL -> later ? -Float.MAX_VALUE : 0;
                case WINDOW -> later || j <= i - 20 ? -Float.MAX_VALUE : 0;
                case INFINITE -> later ? Float.NEGATIVE_INFINITY : 0;
                case ROW_EXCLUDED -> later || i == size.queries() / 2 ? -Float.MAX_VALUE : 0;
              };
        }
      }
    }

    private static float[] random(Random random, int count) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = (float) random.nextGaussian();
      }
      return values;
    }
  }

  /** The definition, a loop each. */
  private static final class Reference {
    final double[] y;
    final double[] dq;
    final double[] dk;
    final double[] dv;

    Reference(Attention size, Operands in) {
      y = new double[in.q.length];
      dq = new double[in.q.length];
      dk = new double[in.k.length];
      dv = new double[in.v.length];
      int columns = size.heads() * size.width();
      for (int sequence = 0; sequence < size.batch(); sequence++) {
        for (int head = 0; head < size.heads(); head++) {
          for (int i = 0; i < size.queries(); i++) {
            int row = (sequence * size.queries() + i) * columns + head * size.width();
            int keys = sequence * size.keys() * columns + head * size.width();
            row(size, in, i, row, keys, columns);
          }
        }
      }
    }

    private void row(Attention size, Operands in, int query, int at, int keysAt, int stride) {
      double[] p = new double[size.keys()];
      double[] dp = new double[size.keys()];
      double most = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < p.length; j++) {
        double dot = 0;
        for (int c = 0; c < size.width(); c++) {
          dot += (double) in.q[at + c] * in.k[keysAt + j * stride + c];
          dp[j] += (double) in.dy[at + c] * in.v[keysAt + j * stride + c];
        }
        // Rounded as in single precision: a huge mask swallows the product.
        p[j] = (float) (size.scale() * dot + in.mask[query * size.keys() + j]);
        most = Math.max(most, p[j]);
      }
      double sum = 0;
      for (int j = 0; j < p.length; j++) {
        p[j] = Math.exp(p[j] - most);
        sum += p[j];
      }
      double along = 0;
      for (int j = 0; j < p.length; j++) {
        p[j] /= sum;
        along += p[j] * dp[j];
      }
      for (int j = 0; j < p.length; j++) {
        double ds = size.scale() * p[j] * (dp[j] - along);
        for (int c = 0; c < size.width(); c++) {
          int key = keysAt + j * stride + c;
          y[at + c] += p[j] * in.v[key];
          dq[at + c] += ds * in.k[key];
          dk[key] += ds * in.q[at + c];
          dv[key] += p[j] * in.dy[at + c];
        }
      }
    }
  }
}
