package dev.manticore.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernel against the definition in double precision, in both forms. */
class AttentionWithStateTest {

  private static final Parallel THREADS =
      (count, task) -> IntStream.range(0, count).parallel().forEach(task);

  private static AttentionWithState of(
      int batch, int queries, int total, int capacity, int heads, int width, boolean... each) {
    return new AttentionWithState(
        batch,
        queries,
        total,
        capacity,
        heads,
        width,
        0.3f,
        new AttentionWithState.Biases(each[0], each[1]));
  }

  static Stream<AttentionWithState> sizes() {
    return Stream.of(
        of(1, 1, 1, 1, 1, 1, false, false),
        of(2, 1, 37, 40, 3, 7, true, false),
        of(1, 1, 70, 70, 2, 64, true, true),
        // More than one part of keys.
        of(1, 1, 1100, 1200, 2, 80, false, true),
        of(2, 5, 5, 9, 3, 7, true, true),
        of(1, 33, 70, 128, 2, 16, false, false),
        of(3, 4, 21, 21, 4, 48, true, false),
        of(2, 17, 300, 301, 20, 20, false, true));
  }

  @ParameterizedTest
  @MethodSource("sizes")
  void agreesWithTheDefinitionAndKeepsTheCache(AttentionWithState size) {
    Random random = new Random(5);
    int run = size.batch() * size.queries() * size.heads() * size.width();
    int cached = size.batch() * size.heads() * size.width() * size.capacity();
    int biases =
        (size.biases().bySequence() ? size.batch() : 1)
            * (size.biases().byHead() ? size.heads() : 1);
    float[] q = draw(random, run);
    float[] k = draw(random, run);
    float[] v = draw(random, run);
    float[] bias = draw(random, biases * size.queries() * size.total());
    for (int i = 0; i < bias.length; i++) {
      int key = i % size.total();
      int query = i / size.total() % size.queries();
      // Causal, and a third of what was before is excluded, as by a window.
      boolean later = key > size.total() - size.queries() + query;
      boolean before = key < (size.total() - size.queries()) / 3;
      bias[i] = later || before ? -Float.MAX_VALUE : bias[i];
    }
    float[] keysBefore = draw(random, cached);
    float[] valuesBefore = draw(random, cached);
    float[] keysAfter = keysBefore.clone();
    float[] valuesAfter = valuesBefore.clone();
    append(size, k, v, keysAfter, valuesAfter);
    double[] expected = attend(size, q, bias, keysAfter, valuesAfter);
    List<float[]> results = new ArrayList<>();
    List<Blocks> forms = forms();
    for (int i = 0; i < 2 * forms.size(); i++) {
      // Each form in order on one thread, and on several in any.
      Blocks blocks = forms.get(i / 2);
      Parallel parallel = i % 2 == 0 ? Parallel.none() : THREADS;
      float[] keys = keysBefore.clone();
      float[] values = valuesBefore.clone();
      float[] y = new float[run];
      size.compute(
          blocks,
          parallel,
          Floats.of(q),
          Floats.of(k),
          Floats.of(v),
          Floats.of(bias),
          Floats.of(keys),
          Floats.of(values),
          Floats.of(y));

      assertThat(keys).isEqualTo(keysAfter);
      assertThat(values).isEqualTo(valuesAfter);
      for (int j = 0; j < run; j++) {
        assertThat((double) y[j]).isCloseTo(expected[j], within(1e-5));
      }
      results.add(y);
    }
    assertThat(results).allMatch(y -> Arrays.equals(y, results.get(0)));
  }

  private static List<Blocks> forms() {
    List<Blocks> forms = new ArrayList<>(List.of(new PlainBlocks()));
    Forms.vector().ifPresent(forms::add);
    return forms;
  }

  private static float[] draw(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static void append(
      AttentionWithState size, float[] k, float[] v, float[] keys, float[] values) {
    for (int b = 0; b < size.batch(); b++) {
      for (int t = 0; t < size.queries(); t++) {
        for (int h = 0; h < size.heads(); h++) {
          for (int i = 0; i < size.width(); i++) {
            int from = ((b * size.queries() + t) * size.heads() + h) * size.width() + i;
            int slot = size.total() - size.queries() + t;
            int head = b * size.heads() + h;
            keys[(head * size.width() + i) * size.capacity() + slot] = k[from];
            values[(head * size.capacity() + slot) * size.width() + i] = v[from];
          }
        }
      }
    }
  }

  private static double[] attend(
      AttentionWithState size, float[] q, float[] bias, float[] keys, float[] values) {
    double[] y = new double[q.length];
    for (int row = 0; row < size.batch() * size.queries() * size.heads(); row++) {
      int h = row % size.heads();
      int t = row / size.heads() % size.queries();
      int b = row / size.heads() / size.queries();
      int head = b * size.heads() + h;
      int matrix = size.biases().bySequence() ? b : 0;
      matrix = size.biases().byHead() ? matrix * size.heads() + h : matrix;
      double[] p = new double[size.total()];
      double most = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < size.total(); j++) {
        double product = 0;
        for (int i = 0; i < size.width(); i++) {
          product +=
              (double) q[row * size.width() + i]
                  * keys[(head * size.width() + i) * size.capacity() + j];
        }
        p[j] = size.scale() * product + bias[(matrix * size.queries() + t) * size.total() + j];
        most = Math.max(most, p[j]);
      }
      double sum = 0;
      for (int j = 0; j < size.total(); j++) {
        p[j] = Math.exp(p[j] - most);
        sum += p[j];
      }
      for (int j = 0; j < size.total(); j++) {
        for (int i = 0; i < size.width(); i++) {
          y[row * size.width() + i] +=
              p[j] / sum * values[(head * size.capacity() + j) * size.width() + i];
        }
      }
    }
    return y;
  }
}
