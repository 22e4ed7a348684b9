package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The kernels of the selective scan beside the {@code Scan} of ONNX Runtime that they stand for, on
 * whatever JDK this runs on: {@code mvn -pl compiler/core -am test -Dtest=ScanSpeedTest
 * -DexcludedGroups= -Dsurefire.failIfNoSpecifiedTests=false -Djvm=JAVA}.
 */
@Tag("slow")
final class ScanSpeedTest {

  private static final int BATCH = 8;
  private static final int LENGTH = 128;
  private static final int CHANNELS = 512;
  private static final int STATES = 16;
  private static final int RUNS = 60;

  private final Device device = CpuDevice.instance();

  private static Graph graph(String operator, List<Value> inputs, int outputs) {
    GraphEditor editor = new GraphEditor(operator);
    List<Optional<Value>> operands = new ArrayList<>();
    inputs.forEach(input -> operands.add(Optional.of(editor.input(input.name(), input.type()))));
    editor
        .add(OpId.manticore(operator), operator, Attributes.NONE, operands, outputs)
        .forEach(editor::output);
    return editor.freeze();
  }

  private static Value value(String name, long... extents) {
    return new Value(name, TensorType.of(ElementType.FLOAT32, extents));
  }

  /** The least time of a run, in milliseconds. */
  private double time(Graph graph, ImmutableSet<String> kernels, Map<String, Tensor> inputs) {
    Graph lowered = Lowering.forDevice(graph, kernels);
    double least = Double.POSITIVE_INFINITY;
    try (ModelSession session =
        ModelSession.open(
            device,
            OnnxExporter.toBytes(lowered),
            SessionConfig.defaults().withIntraOpThreads(2))) {
      for (int run = 0; run < RUNS; run++) {
        long start = System.nanoTime();
        session.run(inputs);
        least = Math.min(least, (System.nanoTime() - start) / 1e6);
      }
    }
    return least;
  }

  @ParameterizedTest
  @ValueSource(strings = {"SelectiveScan", "SelectiveScanGrad"})
  void theKernelIsNotSlowerThanScan(String operator) {
    List<Value> inputs =
        new ArrayList<>(
            List.of(
                value("x", BATCH, LENGTH, CHANNELS),
                value("delta", BATCH, LENGTH, CHANNELS),
                value("a", CHANNELS, STATES),
                value("b", BATCH, LENGTH, STATES),
                value("c", BATCH, LENGTH, STATES)));
    if (operator.endsWith("Grad")) {
      inputs.add(value("dy", BATCH, LENGTH, CHANNELS));
    }
    Random random = new Random(1);
    Map<String, Tensor> drawn = new LinkedHashMap<>();
    for (Value input : inputs) {
      double[] values =
          random
              .doubles(input.shape().elementCount(), 0.01, 1)
              .map(each -> input.name().equals("a") ? -each : each)
              .toArray();
      drawn.put(input.name(), Tensor.ofDoubles(ElementType.FLOAT32, input.shape(), values));
    }
    Graph graph = graph(operator, inputs, operator.endsWith("Grad") ? 5 : 1);
    ImmutableSet<String> all =
        device.kernels().stream().map(JavaKernel::name).collect(ImmutableSet.toImmutableSet());

    double kernel = time(graph, all, drawn);
    double scan = time(graph, ImmutableSet.of(), drawn);

    System.out.printf(
        "%s on Java %s: kernel %.1f ms, Scan %.1f ms%n",
        operator, Runtime.version().feature(), kernel, scan);
    assertThat(kernel).isLessThanOrEqualTo(scan);
  }
}
