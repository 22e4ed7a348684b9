package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SelectiveScanTest {

  private static final Parallel THREADS =
      (count, task) -> IntStream.range(0, count).parallel().forEach(task);

  private static final Blocks PLAIN = new PlainBlocks();

  /** Inputs, and the formula in double precision. */
  private static final class Case {
    private final SelectiveScan scan;
    private final float[] x;
    private final float[] delta;
    private final float[] a;
    private final float[] b;
    private final float[] c;
    private final float[] dy;

    Case(int batch, int length, int channels, int states) {
      scan = new SelectiveScan(batch, length, channels, states);
      Random random = new Random(7);
      x = normal(random, batch * length * channels);
      delta = normal(random, batch * length * channels);
      for (int i = 0; i < delta.length; i++) {
        delta[i] = (float) Math.log1p(Math.exp(delta[i] - 1));
      }
      a = normal(random, channels * states);
      for (int i = 0; i < a.length; i++) {
        a[i] = -(float) Math.exp(a[i]);
      }
      b = normal(random, batch * length * states);
      c = normal(random, batch * length * states);
      dy = normal(random, batch * length * channels);
    }

    private static float[] normal(Random random, int count) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = (float) random.nextGaussian();
      }
      return values;
    }

    float[] forward(Blocks blocks, Parallel parallel) {
      float[] y = new float[x.length];
      scan.forward(
          blocks,
          parallel,
          Floats.of(x),
          Floats.of(delta),
          Floats.of(a),
          Floats.of(b),
          Floats.of(c),
          Floats.of(y));
      return y;
    }

    float[][] gradient(Blocks blocks, Parallel parallel) {
      float[][] result = {
        new float[x.length],
        new float[x.length],
        new float[a.length],
        new float[b.length],
        new float[b.length]
      };
      scan.gradient(
          blocks,
          parallel,
          Floats.of(x),
          Floats.of(delta),
          Floats.of(a),
          Floats.of(b),
          Floats.of(c),
          Floats.of(dy),
          Floats.of(result[0]),
          Floats.of(result[1]),
          Floats.of(result[2]),
          Floats.of(result[3]),
          Floats.of(result[4]));
      return result;
    }

    double[][] inputs() {
      return new double[][] {doubles(x), doubles(delta), doubles(a), doubles(b), doubles(c)};
    }

    private static double[] doubles(float[] values) {
      return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    double[] exact(double[][] in) {
      double[] y = new double[x.length];
      for (int s = 0; s < scan.batch(); s++) {
        for (int d = 0; d < scan.channels(); d++) {
          for (int n = 0; n < scan.states(); n++) {
            double h = 0;
            for (int t = 0; t < scan.length(); t++) {
              int row = (s * scan.length() + t) * scan.channels() + d;
              int mix = (s * scan.length() + t) * scan.states() + n;
              double delta = in[1][row];
              h =
                  Math.exp(delta * in[2][d * scan.states() + n]) * h
                      + delta * in[0][row] * in[3][mix];
              y[row] += h * in[4][mix];
            }
          }
        }
      }
      return y;
    }

    /** The sum of y times dy, whose gradients the kernel computes. */
    double loss(double[][] in) {
      double[] y = exact(in);
      double loss = 0;
      for (int i = 0; i < y.length; i++) {
        loss += y[i] * dy[i];
      }
      return loss;
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1,1,1", "2,1,5,3", "1,17,20,3", "2,33,130,16", "1,40,16,1", "3,16,257,4"})
  void theResultIsThatOfTheFormula(int batch, int length, int channels, int states) {
    Case given = new Case(batch, length, channels, states);

    float[] y = given.forward(Forms.chosen(), THREADS);

    assertClose(y, given.exact(given.inputs()), 2e-6);
  }

  @ParameterizedTest
  @CsvSource({"1,1,1,1", "2,1,5,3", "1,17,20,3", "2,33,130,16", "1,40,16,1", "3,16,257,4"})
  void gradientsAreThoseOfFiniteDifferences(int batch, int length, int channels, int states) {
    Case given = new Case(batch, length, channels, states);

    float[][] gradients = given.gradient(Forms.chosen(), THREADS);

    Random random = new Random(11);
    for (int input = 0; input < gradients.length; input++) {
      // Along random directions, in double precision: the error is that of the kernel.
      for (int trial = 0; trial < 3; trial++) {
        double[][] plus = given.inputs();
        double[][] minus = given.inputs();
        double expected = 0;
        double size = 0;
        for (int i = 0; i < plus[input].length; i++) {
          double direction = random.nextGaussian();
          plus[input][i] += 1e-5 * direction;
          minus[input][i] -= 1e-5 * direction;
          expected += gradients[input][i] * direction;
          size += Math.abs(gradients[input][i] * direction);
        }
        double difference = (given.loss(plus) - given.loss(minus)) / 2e-5;
        assertThat(Math.abs(difference - expected))
            .as("input %s, trial %s", input, trial)
            .isLessThanOrEqualTo(2e-6 * size);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1,1,1,1", "2,33,130,16", "3,16,257,4", "1,50,31,5", "1,1100,20,5"})
  void bothFormsAndAnyThreadsGiveTheSameBits(int batch, int length, int channels, int states) {
    assumeThat(Forms.vector()).isPresent();
    Blocks vector = Forms.vector().orElseThrow();
    Case given = new Case(batch, length, channels, states);
    float[] y = given.forward(PLAIN, Parallel.none());
    float[][] gradients = given.gradient(PLAIN, Parallel.none());

    for (int run = 0; run < 20; run++) {
      assertThat(given.forward(vector, THREADS)).isEqualTo(y);
      assertThat(given.gradient(vector, THREADS)).isEqualTo(gradients);
    }
  }

  @ParameterizedTest
  @CsvSource({"0,4,4,4", "1,0,4,4"})
  void nothingToDoIsDone(int batch, int length, int channels, int states) {
    Case given = new Case(batch, length, channels, states);

    assertThatCode(() -> given.forward(PLAIN, THREADS)).doesNotThrowAnyException();
    assertThat(given.gradient(PLAIN, THREADS)[2]).containsOnly(0);
  }

  private static void assertClose(float[] actual, double[] expected, double tolerance) {
    double largest = 0;
    double error = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      error = Math.max(error, Math.abs(expected[i] - actual[i]));
    }
    assertThat(error).isLessThanOrEqualTo(tolerance * largest);
  }
}
