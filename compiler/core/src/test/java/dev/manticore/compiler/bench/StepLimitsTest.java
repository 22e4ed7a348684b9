package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.bench.StepLimits.Bound;
import dev.manticore.compiler.bench.StepLimits.Kind;
import dev.manticore.compiler.inspect.FlopCounter;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.runtime.CpuDevice;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class StepLimitsTest {

  /** A billion exponentials a second, 1 and 2 GB/s of memory, 10 of a cache of 64 KiB. */
  private static final MachineLimits MACHINE = new MachineLimits(1e9, 1e9, 2e9, 1e10, 1 << 16, 0);

  private static final Duration SHORT = Duration.ofMillis(2);

  private final GraphEditor editor = new GraphEditor("step");

  private Value input(String name, long... extents) {
    return editor.input(name, TensorType.of(ElementType.FLOAT32, extents));
  }

  private Value onnx(String name, Value... operands) {
    return editor.add(OpId.onnx(name), operands);
  }

  private StepLimits limits(StepLimits.Timing timing) {
    return StepLimits.of(editor.freeze(), MACHINE, timing);
  }

  private static Kind kind(StepLimits limits, String operator) {
    return limits.kinds().stream()
        .filter(kind -> kind.operator().equals(operator))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void productsOfOneShapeAreTimedOnceAndCountEach() {
    Value x = input("x", 4, 8);
    Value w = input("w", 8, 8);
    Value first = onnx("MatMul", x, w);
    Value second = onnx("MatMul", first, w);
    Value narrow = onnx("MatMul", second, input("v", 8, 2));
    editor.output(narrow);
    List<Node> timed = new ArrayList<>();

    StepLimits limits =
        limits(
            node -> {
              timed.add(node);
              return node.output().shape().equals(Shape.of(4, 2)) ? 1 : 3;
            });

    long wide = 2 * 4 * 8 * 8;
    long small = 2 * 4 * 8 * 2;
    assertThat(timed).hasSize(2);
    assertThat(limits.productShapes()).isEqualTo(2);
    assertThat(limits.productOperations()).isEqualTo(2 * wide + small);
    assertThat(limits.productMilliseconds()).isEqualTo(3 + 3 + 1);
    assertThat(limits.productRate()).isCloseTo((2 * wide + small) / 7e-3, within(1e-6));
    assertThat(limits.fastestProduct()).isEqualTo(1e3 * wide / 3);
    assertThat(kind(limits, "MatMul").bound()).isEqualTo(Bound.OPERATIONS);
    assertThat(limits.floorMilliseconds()).isEqualTo(7);
  }

  @Test
  void aLossThatHoldsNoLogitsIsThreeProductsOfEachHead() {
    Value labels = editor.input("labels", TensorType.of(ElementType.INT64, 4, 5));
    Attributes attributes = Attributes.of("transB", 1).with("rows", 3);
    editor
        .add(
            OpId.kernel("LinearCrossEntropySum"),
            "loss",
            attributes,
            Stream.of(
                    input("x", 4, 5, 8),
                    input("v", 100, 8),
                    input("y", 4, 5, 2),
                    input("w", 100, 2),
                    labels)
                .map(Optional::of)
                .toList(),
            5)
        .forEach(editor::output);
    // One whose rate is that of all products.
    editor.output(onnx("MatMul", input("a", 4, 8), input("b", 8, 8)));

    StepLimits limits = limits(node -> 1);
    Kind loss = kind(limits, "LinearCrossEntropySum");

    assertThat(loss.operations()).isEqualTo(2L * 3 * 20 * 100 * (8 + 2));
    assertThat(loss.exponentials()).isEqualTo(20 * 100);
    assertThat(limits.productOperations()).isEqualTo(2 * 4 * 8 * 8);
    assertThat(loss.operationMilliseconds())
        .isCloseTo((double) loss.operations() / limits.productOperations(), within(1e-9));
  }

  @Test
  void theFloorOfAKindIsWhatItComputesOrWhatItMoves() {
    Value x = input("x", 100, 10);
    editor.output(onnx("Exp", onnx("Add", x, x)));

    StepLimits limits = limits(node -> 1);

    // Of the result; the input is read once though it is both operands.
    assertThat(kind(limits, "Add").bytes()).isEqualTo(2 * 4000);
    assertThat(kind(limits, "Add").bound()).isEqualTo(Bound.BANDWIDTH);
    // All of it fits half of the cache, which moves 10 GB/s.
    assertThat(kind(limits, "Add").floorMilliseconds()).isCloseTo(8000 / 1e7, within(1e-9));
    assertThat(kind(limits, "Exp").exponentials()).isEqualTo(1000);
    assertThat(kind(limits, "Exp").bound()).isEqualTo(Bound.EXPONENTIALS);
    assertThat(kind(limits, "Exp").floorMilliseconds()).isCloseTo(1000 / 1e6, within(1e-9));
    assertThat(limits.floorMilliseconds()).isCloseTo(8000 / 1e7 + 1000 / 1e6, within(1e-9));
    assertThat(limits.leastBytes()).isEqualTo(4000 + 4000 + 4000 + 4000);
  }

  @Test
  void stateThatDoesNotFitTheCacheComesFromMemory() {
    Value parameter = input("parameter", 4000);
    Value moment = input("moment", 4000);
    input("other", 4000);
    Value small = onnx("ReduceSum", moment);
    editor.output(onnx("Mul", parameter, small));

    StepLimits limits = limits(node -> 1);

    // 48,000 bytes of state are more than half of 64 KiB; the scalar is not state.
    assertThat(kind(limits, "Mul").byteMilliseconds())
        .isCloseTo(32_000 / 2e6 + 4 / 1e7, within(1e-9));
    assertThat(kind(limits, "ReduceSum").byteMilliseconds())
        .isCloseTo(16_000 / 2e6 + 4 / 1e7, within(1e-9));
  }

  @Test
  void aNodeThatDoesNotFitTheCacheComesFromMemory() {
    Value x = input("x", 10);
    Value wide = editor.constant(Tensor.ofFloats(Shape.of(1000, 1), new float[1000]));
    Value first = onnx("Add", x, wide);
    editor.output(onnx("Relu", first));

    StepLimits limits = limits(node -> 1);

    assertThat(kind(limits, "Relu").byteMilliseconds()).isCloseTo(80_000 / 2e6, within(1e-9));
  }

  @Test
  void viewsMoveNothingAndLookingUpReadsWhatItWrites() {
    Value table = input("table", 1000, 4);
    Value ids = editor.input("ids", TensorType.of(ElementType.INT64, 3));
    Value rows = onnx("Gather", table, ids);
    Value flat =
        onnx("Reshape", rows, editor.constant(Tensor.ofLongs(Shape.of(1), new long[] {12})));
    editor.output(onnx("Neg", flat));

    StepLimits limits = limits(node -> 1);

    assertThat(kind(limits, "Gather").bytes()).isEqualTo(2 * 3 * 4 * 4);
    assertThat(kind(limits, "Reshape").bytes()).isZero();
    // Of the table all: what is updated is read in full. Rows are read through the view once.
    assertThat(limits.leastBytes()).isEqualTo(16_000 + 3 * 8 + 48 + 48 + 48);
  }

  @Test
  void attentionCountsThePairsThatItsMaskLetsThrough() {
    KernelRequest request = new KernelRequest(64, 3, 4, 8, 5, 1);
    for (KernelCase one : KernelCase.all(request)) {
      NodeWork work = NodeWork.of(one.graph(), one.node(), MACHINE, value -> false);
      long pairs = 3 * (1 + 2 + 3 + 4);
      switch (one.name()) {
        case "Attention", "CausalAttention" -> {
          assertThat(work.operations()).isEqualTo(2 * 2 * pairs * 64);
          assertThat(work.exponentials()).isEqualTo(2 * pairs);
        }
        case "AttentionGrad", "CausalAttentionGrad" -> {
          assertThat(work.operations()).isEqualTo(2 * 5 * pairs * 64);
          assertThat(work.exponentials()).isEqualTo(2 * pairs);
        }
        case "SelectiveScanWithState" -> {
          assertThat(work.exponentials()).isEqualTo(3 * 128 * 5);
          assertThat(work.operations()).isEqualTo(6 * 3 * 128 * 5);
        }
        case "SelectiveScan", "SelectiveScanGrad" -> {
          long states = 3 * 4 * 128 * 5;
          assertThat(work.exponentials()).isEqualTo(states);
          assertThat(work.operations()).isEqualTo((one.name().endsWith("Grad") ? 18 : 6) * states);
        }
        case "GatedScanWithState" -> {
          assertThat(work.operations()).isEqualTo(2 * 3 * 128 * 4 + 6 * 3 * 128 * 5);
          assertThat(work.exponentials()).isEqualTo(3 * 128 * (5 + 2));
        }
        case "SiluConvWithState" -> {
          assertThat(work.operations()).isZero();
          assertThat(work.exponentials()).isEqualTo(3 * 128);
        }
        case "AdamW" -> assertThat(work.bytes()).isEqualTo(4 * (7 * 256 * 64 + 8));
        default -> assertThat(work.operations()).isZero();
      }
    }
  }

  @Test
  void theOperationsOfAScanTakeTimeBesideItsExponentials() {
    KernelRequest request = new KernelRequest(64, 3, 4, 8, 5, 1);
    long states = 3 * 4 * 128 * 5;

    Kind scan = KernelBenchmark.limits(request, List.of("SelectiveScanGrad"), MACHINE, 1e10).get(0);

    assertThat(scan.bound()).isEqualTo(Bound.OPERATIONS);
    assertThat(scan.floorMilliseconds())
        .isCloseTo(1e3 * states / 1e9 + 1e3 * 18 * states / 1e10, within(1e-9));
  }

  @Test
  void aStepOfAModelHasProductsScansAndStateOfKnownShape() {
    StepRequest request =
        new StepRequest(StepRequest.Model.HYBRID, 32, 2, 2, 8, 16, 1, Duration.ofMinutes(1), 1);
    CpuDevice device = CpuDevice.instance();
    Graph step = StepBenchmark.trainingGraph(device, request);
    NodeTimer timer = new NodeTimer(device, 1, SHORT, SHORT);

    StepLimits limits =
        StepLimits.of(step, MACHINE, node -> timer.milliseconds(NodeTimer.alone(step, node)));

    assertThat(limits.unknown()).isZero();
    assertThat(limits.productShapes()).isGreaterThan(10);
    assertThat(limits.productRate()).isPositive().isLessThanOrEqualTo(limits.fastestProduct());
    // Two layers, two sequences of 8, 64 channels of 16 states.
    assertThat(kind(limits, "SelectiveScan").exponentials()).isEqualTo(2 * 2 * 8 * 64 * 16);
    assertThat(kind(limits, "SelectiveScanGrad").exponentials()).isEqualTo(2 * 2 * 8 * 64 * 16);
    long parameters =
        StepBenchmark.model(request).parameters().keySet().stream()
            .mapToLong(value -> value.shape().elementCount())
            .sum();
    // Parameters and two moments read and written, and gradients read.
    assertThat(kind(limits, "AdamW").bytes()).isGreaterThanOrEqualTo(4 * 7 * parameters);
    // A product forward costs two backward, but for what needs no gradient.
    long forward = forwardProducts(request);
    assertThat(limits.productOperations()).isBetween(2 * forward, 3 * forward);
  }

  private static long forwardProducts(StepRequest request) {
    Graph forward =
        Lowering.forDevice(
            StepGraphs.of(StepBenchmark.model(request), request.batch(), request.length()).logits(),
            CpuDevice.instance());
    return forward.nodes().stream().mapToLong(node -> FlopCounter.ofProduct(node).orElse(0)).sum();
  }

  @Test
  void aNodeAloneKeepsWhatIsConstant() {
    Value x = input("x", 2, 3);
    Value weight = editor.parameter("w", Tensor.ofFloats(Shape.of(3, 2), 1, 2, 3, 4, 5, 6));
    Value scale = editor.constant(Tensor.ofFloats(Shape.of(2), 1, 2));
    Value product = onnx("MatMul", x, weight);
    editor.output(onnx("Mul", product, scale));
    Graph graph = editor.freeze();

    Graph alone = NodeTimer.alone(graph, graph.producer(product).orElseThrow());
    Graph scaled = NodeTimer.alone(graph, graph.producer(graph.outputs().get(0)).orElseThrow());

    assertThat(alone.inputs()).containsExactly(x);
    assertThat(alone.parameters()).containsOnlyKeys(weight);
    assertThat(alone.outputs()).containsExactly(product);
    assertThat(scaled.inputs()).containsExactly(product);
    assertThat(scaled.nodes()).hasSize(2);
    NodeTimer timer = new NodeTimer(CpuDevice.instance(), 1, SHORT, SHORT);
    assertThat(timer.milliseconds(alone)).isPositive();
    assertThat(timer.milliseconds(scaled)).isPositive();
  }
}
