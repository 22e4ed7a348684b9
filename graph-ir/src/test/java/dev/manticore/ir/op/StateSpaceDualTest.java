package dev.manticore.ir.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.pass.InlineBodies;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The recurrence and the chunked form, against the sum over all pairs of tokens. */
class StateSpaceDualTest {

  private static final OpId DUAL = OpId.manticore("StateSpaceDual");
  private static final List<String> NAMES = List.of("x", "delta", "A", "B", "C");
  private static final Offset<Double> TOLERANCE = Offset.offset(1e-12);

  /** Extents of a use; the chunks are of at most so many tokens. */
  private record Sizes(
      int batch, int length, int heads, int width, int groups, int states, int chunk) {

    Attributes attributes() {
      return Attributes.of("heads", heads).with("groups", groups).with("chunk_size", chunk);
    }

    /** x, delta, A, B, C; the decays reach from none to one that forgets all at once. */
    NdArray[] operands(Random random) {
      NdArray[] operands = {
        draw(random, batch, length, heads * width),
        draw(random, batch, length, heads),
        draw(random, heads),
        draw(random, batch, length, groups * states),
        draw(random, batch, length, groups * states)
      };
      for (int i = 0; i < operands[1].size(); i++) {
        operands[1].data()[i] = Math.exp(3 * operands[1].data()[i]);
      }
      for (int i = 0; i < operands[2].size(); i++) {
        operands[2].data()[i] = -Math.exp(2 * operands[2].data()[i]);
      }
      return operands;
    }

    /** y_t = the sum over j up to t of C_t.B_j exp(A (delta_{j+1} + .. + delta_t)) delta_j x_j. */
    double[] expected(NdArray... operands) {
      double[] x = operands[0].data();
      double[] delta = operands[1].data();
      double[] y = new double[x.length];
      for (int s = 0; s < batch; s++) {
        for (int h = 0; h < heads; h++) {
          for (int t = 0; t < length; t++) {
            double time = 0;
            for (int j = t; j >= 0; j--) {
              int row = s * length + j;
              double step = delta[row * heads + h];
              double weight =
                  Math.exp(operands[2].data()[h] * time) * step * product(operands, s, t, j, h);
              for (int p = 0; p < width; p++) {
                y[((s * length + t) * heads + h) * width + p] +=
                    weight * x[(row * heads + h) * width + p];
              }
              time += step;
            }
          }
        }
      }
      return y;
    }

    private double product(NdArray[] operands, int s, int t, int j, int head) {
      int group = head * groups / heads;
      double sum = 0;
      for (int n = 0; n < states; n++) {
        sum +=
            operands[4].data()[((s * length + t) * groups + group) * states + n]
                * operands[3].data()[((s * length + j) * groups + group) * states + n];
      }
      return sum;
    }
  }

  private static NdArray draw(Random random, int... shape) {
    double[] data = new double[NdArray.count(shape)];
    for (int i = 0; i < data.length; i++) {
      data[i] = random.nextGaussian();
    }
    return NdArray.of(ElementType.FLOAT32, shape, data);
  }

  @ParameterizedTest
  @CsvSource({
    "2,7,4,3,2,5,4",
    "1,1,2,2,1,3,8",
    "1,8,2,2,1,3,8",
    "2,16,3,2,3,4,8",
    "1,9,4,2,4,1,1",
    "1,33,2,3,1,2,8",
    "2,5,6,1,2,3,64",
    "1,100,1,2,1,2,9",
  })
  void bothFormsAreTheSumOverAllPairs(
      int batch, int length, int heads, int width, int groups, int states, int chunk) {
    Sizes sizes = new Sizes(batch, length, heads, width, groups, states, chunk);
    NdArray[] operands = sizes.operands(new Random(length));
    double[] expected = sizes.expected(operands);

    NdArray recurrence = OperatorHarness.runAll(DUAL, sizes.attributes(), 1, operands).get(0);
    NdArray chunked = run(InlineBodies.all().run(symbolic(sizes)), operands);

    assertThat(recurrence.data()).containsExactly(expected, scaled(expected));
    assertThat(chunked.data()).containsExactly(expected, scaled(expected));
  }

  private static Offset<Double> scaled(double[] values) {
    double largest = 1;
    for (double value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return Offset.offset(largest * TOLERANCE.value);
  }

  /** A graph of the operator alone, of no known batch and length. */
  private static Graph symbolic(Sizes sizes) {
    GraphEditor editor = new GraphEditor("dual");
    Value[] inputs = new Value[5];
    int[] extents = {
      sizes.heads * sizes.width,
      sizes.heads,
      sizes.heads,
      sizes.groups * sizes.states,
      sizes.groups * sizes.states
    };
    for (int i = 0; i < 5; i++) {
      Dim last = Dim.of(extents[i]);
      Shape shape = i == 2 ? Shape.of(last) : Shape.of(Dim.of("batch"), Dim.of("length"), last);
      inputs[i] = editor.input(NAMES.get(i), new TensorType(ElementType.FLOAT32, shape));
    }
    editor.output(editor.add(DUAL, sizes.attributes(), inputs));
    return editor.freeze();
  }

  private static NdArray run(Graph graph, NdArray... operands) {
    Map<String, NdArray> values = new LinkedHashMap<>();
    for (int i = 0; i < operands.length; i++) {
      values.put(NAMES.get(i), operands[i]);
    }
    return new Interpreter().run(graph, values).values().iterator().next();
  }

  @Test
  void noExponentOfTheChunkedFormIsPositive() {
    // Each step decays by e^-400: sums over a chunk have no exponential in single precision, and
    // their negatives none in double.
    Sizes sizes = new Sizes(1, 8, 1, 1, 1, 1, 4);
    NdArray[] operands = sizes.operands(new Random(1));
    java.util.Arrays.fill(operands[1].data(), 400);
    java.util.Arrays.fill(operands[2].data(), -1);

    NdArray y = run(InlineBodies.all().run(symbolic(sizes)), operands);

    assertThat(y.data()).containsExactly(sizes.expected(operands), scaled(y.data()));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "3 | 2 | 1 | 6 | 3 heads are not shared out to 2 groups",
        "2 | 1 | 0 | 6 | attribute 'chunk_size' is 0",
        "4 | 1 | 8 | 6 | the last axis of input 0, f32[1,5,6], should be a multiple of 4",
        "3 | 3 | 8 | 6 | the last axis of input 1, f32[1,5,2], should be 3",
      })
  void refusesWhatDoesNotFit(int heads, int groups, int chunk, int width, String message) {
    Attributes attributes =
        Attributes.of("heads", heads).with("groups", groups).with("chunk_size", chunk);
    GraphEditor editor = new GraphEditor("dual");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 1, 5, width));
    Value delta = editor.input("delta", TensorType.of(ElementType.FLOAT32, 1, 5, 2));
    Value a = editor.input("A", TensorType.of(ElementType.FLOAT32, 2));

    assertThatThrownBy(
            () ->
                editor.infer(
                    DUAL,
                    "dual",
                    attributes,
                    List.of(x, delta, a, x, x).stream().map(Optional::of).toList(),
                    1))
        .isInstanceOf(IrException.class)
        .hasMessageContaining(message);
  }
}
