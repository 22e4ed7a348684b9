package dev.manticore.cuda;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;

/** Kernels with operands of awkward sizes. */
final class KernelCases {

  private KernelCases() {}

  /**
   * @param outputs how many
   */
  record Case(String kernel, int outputs, List<Tensor> inputs) {

    /** The operator that the kernel computes, as a graph. */
    Graph graph() {
      GraphEditor editor = new GraphEditor(kernel);
      List<Value> operands = new ArrayList<>();
      for (int i = 0; i < inputs.size(); i++) {
        operands.add(editor.input("in" + i, inputs.get(i).type()));
      }
      Ops ops = new Ops(editor);
      List<Value> results =
          ops.own(kernel, Attributes.NONE, outputs, operands.toArray(Value[]::new));
      for (int i = 0; i < results.size(); i++) {
        editor.output(ops.named("out" + i, results.get(i)));
      }
      return editor.freeze();
    }

    /** What comes out by the operator's definition, in double precision. */
    List<double[]> expected() {
      Map<String, NdArray> given = new LinkedHashMap<>();
      for (int i = 0; i < inputs.size(); i++) {
        given.put("in" + i, NdArray.of(inputs.get(i)));
      }
      Map<String, NdArray> results = new Interpreter().run(graph(), given);
      List<double[]> expected = new ArrayList<>();
      for (int i = 0; i < outputs; i++) {
        expected.add(results.get("out" + i).data());
      }
      return expected;
    }

    @Override
    public String toString() {
      return kernel + inputs.stream().map(input -> input.shape().toString()).toList();
    }
  }

  static Stream<Case> all() {
    List<Case> cases = new ArrayList<>();
    int[][] scans = {
      {1, 1, 1, 1},
      {2, 16, 3, 4},
      {1, 17, 129, 3},
      {3, 63, 5, 16},
      {2, 65, 130, 2},
      {1, 130, 7, 33},
      {1, 4, 2, 92}
    };
    for (int[] scan : scans) {
      cases.add(new Case("SelectiveScan", 1, scan(scan)));
      List<Tensor> withState = new ArrayList<>(scan(scan));
      withState.add(draw(6, v -> 3 * v, scan[0], scan[2], scan[3]));
      cases.add(new Case("SelectiveScanWithState", 2, withState));
      List<Tensor> gradient = new ArrayList<>(scan(scan));
      gradient.add(draw(7, v -> v, scan[0], scan[1], scan[2]));
      cases.add(new Case("SelectiveScanGrad", 5, gradient));
    }
    for (int[] convolution :
        new int[][] {{1, 1, 1, 4}, {2, 33, 130, 4}, {3, 2, 5, 3}, {1, 70, 2, 1}}) {
      Tensor x = draw(1, v -> v, convolution[0], convolution[1], convolution[2]);
      Tensor weight = draw(2, v -> v, convolution[2], 1, convolution[3]);
      Tensor dy = draw(3, v -> v, convolution[0], convolution[1], convolution[2]);
      Tensor bias = draw(4, v -> v, convolution[2]);
      cases.add(new Case("CausalConv", 1, List.of(x, weight, bias)));
      cases.add(new Case("CausalConvGrad", 3, List.of(x, weight, dy)));
    }
    Tensor settings =
        Tensor.ofFloats(Shape.of(8), 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.1f, 0.7f);
    for (int count : new int[] {1, 128, 1000}) {
      cases.add(
          new Case(
              "AdamW",
              3,
              List.of(
                  draw(1, v -> v, count),
                  draw(2, v -> 0.01 * v, count),
                  draw(3, v -> 0.01 * v * v, count),
                  draw(4, v -> v, count),
                  settings)));
      List<Tensor> both = List.of(draw(1, v -> 4 * v, count), draw(2, v -> v, count));
      cases.add(new Case("Silu", 1, both.subList(0, 1)));
      cases.add(new Case("SiluGrad", 1, both));
      cases.add(new Case("GeluTanhGrad", 1, both));
    }
    return cases.stream();
  }

  private static List<Tensor> scan(int[] extents) {
    int batch = extents[0];
    int length = extents[1];
    int channels = extents[2];
    int states = extents[3];
    float[] rates = new float[channels * states];
    for (int i = 0; i < rates.length; i++) {
      // From none to so much that nothing of a step is left after the next.
      rates[i] = i % 11 == 0 ? -100 : -(i % 7) / 2f;
    }
    return List.of(
        draw(1, v -> v, batch, length, channels),
        draw(2, v -> Math.log1p(Math.exp(v)), batch, length, channels),
        Tensor.ofFloats(Shape.of(channels, states), rates),
        draw(4, v -> v, batch, length, states),
        draw(5, v -> v, batch, length, states));
  }

  private static Tensor draw(int seed, DoubleUnaryOperator map, long... extents) {
    Random random = new Random(seed);
    float[] values = new float[(int) Arrays.stream(extents).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) map.applyAsDouble(random.nextGaussian());
    }
    return Tensor.ofFloats(Shape.of(extents), values);
  }
}
