package dev.manticore.cuda;

import dev.manticore.ir.Attribute;
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
  record Case(String kernel, Attributes attributes, int outputs, List<Tensor> inputs) {

    Case(String kernel, int outputs, List<Tensor> inputs) {
      this(kernel, Attributes.NONE, outputs, inputs);
    }

    /** The operator that the kernel computes, as a graph. */
    Graph graph() {
      GraphEditor editor = new GraphEditor(kernel);
      List<Value> operands = new ArrayList<>();
      for (int i = 0; i < inputs.size(); i++) {
        operands.add(editor.input("in" + i, inputs.get(i).type()));
      }
      Ops ops = new Ops(editor);
      List<Value> results = ops.own(kernel, attributes, outputs, operands.toArray(Value[]::new));
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
      return kernel + attributes + inputs.stream().map(input -> input.shape().toString()).toList();
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
    rows().forEach(cases::add);
    attentions().forEach(cases::add);
    return cases.stream();
  }

  private static Stream<Case> rows() {
    List<Case> cases = new ArrayList<>();
    for (int[] extents : new int[][] {{1, 1, 1}, {2, 17, 130}, {3, 5, 127}, {1, 40, 300}}) {
      int batch = extents[0];
      int length = extents[1];
      int width = extents[2];
      Tensor x = draw(1, v -> 1 + 2 * v, batch, length, width);
      Tensor scale = draw(2, v -> v, width);
      Tensor mean = draw(3, v -> v, batch, length, 1);
      Tensor inverse = draw(4, v -> Math.exp(v), batch, length, 1);
      Tensor dy = draw(5, v -> v, batch, length, width);
      cases.add(new Case("LayerNormGrad", 3, List.of(x, scale, mean, inverse, dy)));
      cases.add(
          new Case(
              "RmsNormGrad",
              Attributes.of("epsilon", Attribute.of(0.1f)),
              2,
              List.of(x, scale, dy)));
      Tensor dloss = Tensor.ofFloats(Shape.scalar(), 0.7f);
      Tensor logProbabilities = draw(6, v -> -Math.abs(v), batch, length, width);
      Tensor labels = integers(7, width, -100, batch, length);
      cases.add(new Case("CrossEntropyGrad", 1, List.of(dloss, logProbabilities, labels)));
    }
    // Rows in one digit of the sort, exactly one, and in several; uses in one of its chunks and in
    // more than its threads have.
    for (int[] extents :
        new int[][] {
          {1, 1, 1, 1}, {2, 33, 15, 3}, {1, 40, 16, 130}, {3, 70, 5000, 2}, {1, 5000, 300, 1}
        }) {
      long rows = extents[2];
      Tensor ids = integers(8, extents[2], -1, extents[0], extents[1]);
      Tensor dy = draw(9, v -> v, extents[0], extents[1], extents[3]);
      cases.add(new Case("EmbeddingGrad", Attributes.of("rows", rows), 1, List.of(ids, dy)));
    }
    return cases.stream();
  }

  private static Stream<Case> attentions() {
    List<Case> cases = new ArrayList<>();
    // Heads of each size of tile; lengths of less than one, of whole ones and of more.
    int[][] extents = {
      {1, 1, 1, 1, 1},
      {2, 64, 2, 8, 64},
      {1, 70, 3, 5, 7},
      {2, 130, 1, 64, 40},
      {1, 33, 2, 100, 1000},
      {1, 20, 1, 163, 3},
      {1, 19, 1, 352, 9}
    };
    for (int[] of : extents) {
      int batch = of[0];
      int length = of[1];
      int width = of[2] * of[3];
      Attributes scaled =
          Attributes.of("heads", of[2]).with("scale", Attribute.of((float) (1 / Math.sqrt(of[3]))));
      Attributes windowed = scaled.with("window", of[4]);
      Tensor q = draw(1, v -> 2 * v, batch, length, width);
      Tensor k = draw(2, v -> 2 * v, batch, length, width);
      Tensor v = draw(3, value -> value, batch, length, width);
      Tensor dy = draw(4, value -> value, batch, length, width);
      cases.add(new Case("CausalAttention", windowed, 1, List.of(q, k, v)));
      cases.add(new Case("CausalAttentionGrad", windowed, 3, List.of(q, k, v, dy)));
      int keys = length / 2 + 3;
      Tensor otherKeys = draw(5, value -> value, batch, keys, width);
      Tensor otherValues = draw(6, value -> value, batch, keys, width);
      Tensor mask = mask(length, keys);
      cases.add(new Case("Attention", scaled, 1, List.of(q, otherKeys, otherValues, mask)));
      cases.add(new Case("AttentionGrad", scaled, 3, List.of(q, otherKeys, otherValues, mask, dy)));
    }
    return cases.stream();
  }

  /** Some keys are hidden from each query, all of them from every fifth, which sees all alike. */
  private static Tensor mask(int queries, int keys) {
    float[] values = draw(7, v -> v, queries, keys).toFloats();
    for (int i = 0; i < values.length; i++) {
      int query = i / keys;
      if (query % 5 == 4 || (query + i % keys) % 3 == 0) {
        values[i] = -Float.MAX_VALUE;
      }
    }
    return Tensor.ofFloats(Shape.of(queries, keys), values);
  }

  /**
   * Numbers from 0 to less than an end, half of them the same one, and in every seventh place
   * another.
   */
  private static Tensor integers(int seed, int end, long other, long... extents) {
    Random random = new Random(seed);
    long[] values = new long[(int) Arrays.stream(extents).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = i % 7 == 6 ? other : i % 2 == 0 ? end - 1 : random.nextInt(end);
    }
    return Tensor.ofLongs(Shape.of(extents), values);
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
