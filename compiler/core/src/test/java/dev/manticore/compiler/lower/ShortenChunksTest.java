package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ShortenChunksTest {

  private static final int LENGTH = 150;

  /** The gradient by A, in which terms as large as the result's own cancel each other. */
  private static final int DECAYS = 3;

  /** The operator and its gradient; steps from near none to such as forget all at once. */
  private static Graph graph(long chunk) {
    GraphEditor editor = new GraphEditor("dual");
    Ops ops = new Ops(editor);
    Value x = input(editor, "x", 2, LENGTH, 12);
    Value delta = input(editor, "delta", 2, LENGTH, 4);
    Value a = input(editor, "A", 4);
    Value b = input(editor, "B", 2, LENGTH, 10);
    Value c = input(editor, "C", 2, LENGTH, 10);
    Value dy = input(editor, "dy", 2, LENGTH, 12);
    Attributes attributes = Attributes.of("heads", 4).with("groups", 2).with("chunk_size", chunk);
    editor.output(ops.own("StateSpaceDual", attributes, 1, x, delta, a, b, c).get(0));
    ops.own("StateSpaceDualGrad", attributes, 5, x, delta, a, b, c, dy).forEach(editor::output);
    return editor.freeze();
  }

  private static Value input(GraphEditor editor, String name, long... extents) {
    return editor.input(name, TensorType.of(ElementType.FLOAT32, extents));
  }

  private static Map<String, Tensor> values(Graph graph) {
    Random random = new Random(3);
    Map<String, Tensor> values = new LinkedHashMap<>();
    for (Value input : graph.inputs()) {
      double[] drawn = new double[(int) input.shape().elementCount()];
      for (int i = 0; i < drawn.length; i++) {
        drawn[i] =
            switch (input.name()) {
              case "delta" -> Math.exp(2 * random.nextGaussian() - 3);
              case "A" -> -Math.exp(2 * random.nextGaussian());
              default -> random.nextGaussian();
            };
      }
      values.put(input.name(), Tensor.ofDoubles(input.elementType(), input.shape(), drawn));
    }
    return values;
  }

  @Test
  void onlyLongChunksChange() {
    Graph shorter = new ShortenChunks().run(graph(256));

    assertThat(shorter.nodes())
        .hasSize(2)
        .allMatch(node -> node.attributes().intValue("chunk_size", 0) == ShortenChunks.LONGEST);
    Graph short64 = graph(ShortenChunks.LONGEST);
    assertThat(new ShortenChunks().run(short64)).isSameAs(short64);
  }

  @ParameterizedTest
  @ValueSource(longs = {7, 64, 100, 256})
  void whatIsComputedStays(long chunk) {
    Graph graph = graph(chunk);
    Map<String, Tensor> values = values(graph);
    Map<String, NdArray> exact = new LinkedHashMap<>();
    values.forEach((name, tensor) -> exact.put(name, NdArray.of(tensor)));
    List<NdArray> expected = List.copyOf(new Interpreter().run(graph, exact).values());

    for (Graph lowered :
        List.of(Lowering.forDevice(graph, ImmutableSet.of()), Lowering.portable(graph))) {
      try (ModelSession session =
          ModelSession.open(
              CpuDevice.instance(), OnnxExporter.toBytes(lowered), SessionConfig.defaults())) {
        Map<String, Tensor> results = session.run(values);
        for (int i = 0; i < expected.size(); i++) {
          String name = graph.outputs().get(i).name();
          assertThat(difference(results.get(name).toDoubles(), expected.get(i).data()))
              .as(name)
              .isLessThan(i == DECAYS ? 1e-4 : 1e-6);
        }
      }
    }
  }

  /** The largest difference, for a largest expected value of 1. */
  private static double difference(double[] found, double[] expected) {
    double difference = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      difference = Math.max(difference, Math.abs(found[i] - expected[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    return difference / largest;
  }
}
