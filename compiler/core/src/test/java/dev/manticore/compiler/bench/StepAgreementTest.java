package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import dev.manticore.compiler.CudaForm;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.lower.EmulateBrainFloat;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.training.ParameterGroup;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.state.AliasingVerifier;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** One whole training step by the kernels, by standard operators alone, and in double precision. */
final class StepAgreementTest {

  private static final int BATCH = 4;
  private static final int LENGTH = 5;
  private static final int VOCABULARY = 11;
  private static final float CLIP = 0.1f;

  private final Device device = CpuDevice.instance();
  private final ImmutableSet<String> kernels =
      device.kernels().stream().map(JavaKernel::name).collect(ImmutableSet.toImmutableSet());

  static Stream<Graph> models() {
    return Stream.concat(
        Stream.of(StepRequest.Model.values()).map(StepAgreementTest::model),
        Stream.of(
                TinyModels.gpt2(2, 32),
                TinyModels.gptNeoX(2, 32, true),
                TinyModels.gptNeoX(2, 32, false))
            .map(config -> Models.fresh("m", config.with("vocab_size", VOCABULARY), 3)));
  }

  @ParameterizedTest
  @MethodSource("models")
  void aStepIsTheSameHoweverItIsComputed(Graph model) {
    StepGraphs.Step step =
        StepGraphs.of(model, BATCH, LENGTH).step(StepBenchmark.groups(model), CLIP);
    Map<String, Tensor> before = before(step.graph(), model);

    Map<String, double[]> exact = interpret(step, before);

    assertAgree(runInPlace(step, Lowering.forDevice(step.graph(), kernels), before), exact);
    assertAgree(
        runInPlace(step, Lowering.forDevice(step.graph(), ImmutableSet.of()), before), exact);
    assertAgree(runInPlace(step, Lowering.portable(step.graph()), before), exact);
    Graph parallel = Lowering.forDevice(step.graph(), new CudaForm());
    assertThat(parallel.nodes()).noneMatch(node -> node.op().isOnnx("Scan"));
    assertThat(
            parallel.nodes().stream()
                .filter(node -> !node.op().isOnnx("Constant"))
                .map(node -> node.op().toString()))
        .isSubsetOf(CudaForm.operators());
    assertThat(parallel.opsets()).containsEntry(OpId.ONNX, 18);
    assertAgree(runInPlace(step, parallel, before), exact);
    CudaForm withKernels = new CudaForm(Sets.intersection(CudaForm.KERNELS, kernels));
    assertAgree(runInPlace(step, Lowering.forDevice(step.graph(), withKernels), before), exact);
  }

  @ParameterizedTest
  @MethodSource("models")
  void aStepThatDoesNotHoldItsLogitsIsTheSame(Graph model) {
    List<ParameterGroup> groups = StepBenchmark.groups(model);
    StepGraphs graphs = StepGraphs.of(model, BATCH, LENGTH);
    StepGraphs.Step whole = graphs.step(groups, CLIP);
    StepGraphs.Step step = graphs.holding(0).step(groups, CLIP);
    assertThat(step.graph().nodes().stream().map(node -> node.op().name()))
        .containsAnyOf("LinearCrossEntropy", "LinearCrossEntropySum")
        .doesNotContain("CrossEntropy");
    Map<String, Tensor> before = before(step.graph(), model);

    Map<String, double[]> exact = interpret(whole, before);

    Graph lowered = Lowering.forDevice(step.graph(), kernels);
    // The gradients that it gives are those of the loss, which nothing is left to multiply with.
    assertThat(lowered.nodes())
        .hasSizeLessThan(Lowering.forDevice(whole.graph(), kernels).nodes().size());
    assertAgree(runInPlace(step, lowered, before), exact);
    assertAgree(
        runInPlace(step, Lowering.forDevice(step.graph(), ImmutableSet.of()), before), exact);
    assertAgree(runInPlace(step, Lowering.portable(step.graph()), before), exact);
    assertAgree(runInPlace(step, Lowering.forDevice(step.graph(), new CudaForm()), before), exact);
  }

  /**
   * bfloat16 has 8 bits of mantissa: each operand of a product is rounded by up to a share of 2^-9.
   * Over these models gradients come out apart by a few times that, the loss by less.
   */
  @ParameterizedTest
  @MethodSource("models")
  void productsInBrainFloatAreNearTheExactOnes(Graph model) {
    List<ParameterGroup> groups = StepBenchmark.groups(model);
    StepGraphs.Step step = StepGraphs.of(model, BATCH, LENGTH).accumulate(groups);
    Map<String, Tensor> before = before(step.graph(), model);
    before.replaceAll((name, tensor) -> name.startsWith("g.") ? zeros(tensor.shape()) : tensor);
    Map<String, double[]> exact = interpret(step, before);

    Graph emulated =
        new EmulateBrainFloat()
            .run(Lowering.inPrecision(step.graph(), ImmutableSet.of(), Precision.BFLOAT16));
    Map<String, double[]> computed =
        runInPlace(step, Lowering.forDevice(emulated, kernels), before);

    assertThat(distance(computed.get("loss"), exact.get("loss"))).isBetween(1e-7, 1e-3);
    assertThat(distance(all(computed), all(exact))).isBetween(1e-4, 1e-2);
  }

  /** All gradients, one after another. */
  private static double[] all(Map<String, double[]> results) {
    return results.entrySet().stream()
        .filter(entry -> entry.getKey().startsWith("g."))
        .sorted(Map.Entry.comparingByKey())
        .flatMapToDouble(entry -> Arrays.stream(entry.getValue()))
        .toArray();
  }

  @ParameterizedTest
  @MethodSource("models")
  void onAGpuBrainFloatIsInProductsAlone(Graph model) {
    StepGraphs.Step step =
        StepGraphs.of(model, BATCH, LENGTH).step(StepBenchmark.groups(model), CLIP);

    Graph lowered = Lowering.forDevice(step.graph(), new CudaForm(), Precision.BFLOAT16);

    assertBrainFloatIsInProductsAlone(lowered);
    AliasingVerifier.verify(lowered, step.bindings());
  }

  private static void assertBrainFloatIsInProductsAlone(Graph lowered) {
    Set<String> operators = new TreeSet<>();
    for (Node node : lowered.nodes()) {
      if (node.presentOutputs().stream()
          .anyMatch(value -> value.elementType() == ElementType.BFLOAT16)) {
        operators.add(node.op().name());
      }
    }
    assertThat(operators)
        .contains("Cast")
        .containsAnyOf("MatMul", "FusedMatMul")
        .isSubsetOf(
            "Cast",
            "FusedMatMul",
            "Gemm",
            "MatMul",
            "Reshape",
            "Slice",
            "Split",
            "Squeeze",
            "Transpose",
            "Unsqueeze");
    lowered
        .outputs()
        .forEach(output -> assertThat(output.elementType()).isEqualTo(ElementType.FLOAT32));
  }

  @Test
  void onAGpuOurOperatorsRunAsItsKernelsWhereItHasThem() {
    Graph model = model(StepRequest.Model.HYBRID);
    StepGraphs.Step step =
        StepGraphs.of(model, BATCH, LENGTH).step(StepBenchmark.groups(model), CLIP);
    // Its attention is causal in all layers.
    Set<String> used = Sets.difference(CudaForm.KERNELS, Set.of("Attention", "AttentionGrad"));
    Set<String> ofProducts = Set.of("CausalAttention", "CausalAttentionGrad");

    for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
      Graph lowered = Lowering.forDevice(step.graph(), new CudaForm(CudaForm.KERNELS), precision);

      AliasingVerifier.verify(lowered, step.bindings());
      Map<Boolean, List<Node>> nodes =
          lowered.nodes().stream()
              .filter(node -> !node.op().isOnnx("Constant"))
              .collect(Collectors.partitioningBy(node -> node.op().domain().equals(OpId.KERNEL)));
      assertThat(nodes.get(true).stream().map(node -> node.op().name()).distinct())
          .containsExactlyInAnyOrderElementsOf(
              precision == Precision.FLOAT32 ? used : Sets.difference(used, ofProducts));
      assertThat(nodes.get(true).stream().flatMap(node -> node.presentInputs().stream()))
          .noneMatch(value -> value.elementType() == ElementType.BFLOAT16);
      assertThat(nodes.get(false).stream().map(node -> node.op().toString()))
          .isSubsetOf(CudaForm.operators());
    }
  }

  @Test
  void accumulatedHalvesAreOneStep() {
    Graph model = model(StepRequest.Model.HYBRID);
    List<ParameterGroup> groups = StepBenchmark.groups(model);
    StepGraphs.Step whole = StepGraphs.of(model, BATCH, LENGTH).step(groups, CLIP);
    Map<String, Tensor> before = before(whole.graph(), model);
    // Of the last sequence nothing is asked but the first token after the first.
    long[] labels = before.get("labels").toLongs();
    Arrays.fill(labels, (BATCH - 1) * LENGTH + 1, labels.length, -100);
    before.put("labels", Tensor.ofLongs(Shape.of(BATCH, LENGTH), labels));
    Map<String, TensorType> types = new LinkedHashMap<>();
    model.parameters().keySet().forEach(value -> types.put(value.name(), value.type()));

    StepGraphs.Step half = StepGraphs.of(model, BATCH / 2, LENGTH).accumulate(groups);
    StepGraphs.Step apply = StepGraphs.apply(types, groups, CLIP);
    Map<String, Tensor> state = new LinkedHashMap<>(before);
    types.forEach((name, type) -> state.put("g." + name, zeros(type.shape())));
    for (int part = 0; part < 2; part++) {
      for (String input : List.of("input_ids", "labels")) {
        state.put(input, half(before.get(input), part));
      }
      float share = counted(state.get("labels")) / (float) counted(before.get("labels"));
      state.put("share", Tensor.ofFloats(Shape.scalar(), share));
      Map<String, double[]> sums =
          runInPlace(half, Lowering.forDevice(half.graph(), kernels), state);
      types.forEach(
          (name, type) ->
              state.put(
                  "g." + name,
                  Tensor.ofDoubles(ElementType.FLOAT32, type.shape(), sums.get("g." + name))));
    }
    Map<String, double[]> applied =
        runInPlace(apply, Lowering.forDevice(apply.graph(), kernels), state);

    Map<String, double[]> expected =
        runInPlace(whole, Lowering.forDevice(whole.graph(), kernels), before);
    expected.remove("loss");
    assertAgree(applied, expected);
  }

  private static Graph model(StepRequest.Model kind) {
    return StepBenchmark.model(
        new StepRequest(kind, 32, 2, BATCH, LENGTH, VOCABULARY, 1, Duration.ofMinutes(1), 1));
  }

  /** Values for all inputs of a step; moments as in the middle of a run. */
  private static Map<String, Tensor> before(Graph step, Graph model) {
    Random random = new Random(7);
    Map<String, Tensor> before = new LinkedHashMap<>();
    for (Value input : step.inputs()) {
      String name = input.name();
      double[] values = new double[(int) input.shape().elementCount()];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (name) {
              case "input_ids" -> random.nextInt(VOCABULARY);
              case "labels" -> i % LENGTH == LENGTH - 1 ? -100 : random.nextInt(VOCABULARY);
              default ->
                  name.startsWith("m.")
                      ? 0.01 * random.nextGaussian()
                      : 0.01 * (1 + random.nextDouble());
            };
      }
      before.put(name, Tensor.ofDoubles(input.elementType(), input.shape(), values));
      if (name.startsWith("settings.")) {
        before.put(
            name, Tensor.ofFloats(input.shape(), 0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.5f, 0.1f));
      }
    }
    model
        .parameters()
        .forEach(
            (value, tensor) -> {
              double[] values = tensor.toDoubles();
              for (int i = 0; i < values.length; i++) {
                values[i] += 0.05 * random.nextGaussian();
              }
              before.put(
                  value.name(), Tensor.ofDoubles(ElementType.FLOAT32, value.shape(), values));
            });
    return before;
  }

  private static Tensor zeros(Shape shape) {
    return Tensor.ofDoubles(ElementType.FLOAT32, shape, new double[(int) shape.elementCount()]);
  }

  private static long counted(Tensor labels) {
    return Arrays.stream(labels.toLongs()).filter(label -> label >= 0).count();
  }

  private static Tensor half(Tensor tensor, int part) {
    long[] all = tensor.toLongs();
    long[] some = new long[all.length / 2];
    System.arraycopy(all, part * some.length, some, 0, some.length);
    return Tensor.ofLongs(Shape.of(BATCH / 2, LENGTH), some);
  }

  private static Map<String, double[]> interpret(StepGraphs.Step step, Map<String, Tensor> before) {
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    step.graph()
        .inputs()
        .forEach(input -> inputs.put(input.name(), NdArray.of(before.get(input.name()))));
    Map<String, double[]> after = new LinkedHashMap<>();
    new Interpreter()
        .run(step.graph(), inputs)
        .forEach((name, value) -> after.put(place(step, name), value.data()));
    return after;
  }

  /** Runs a step in place; the state afterwards, and the other outputs. */
  private Map<String, double[]> runInPlace(
      StepGraphs.Step step, Graph lowered, Map<String, Tensor> before) {
    AliasingVerifier.verify(lowered, step.bindings());
    Map<String, TensorType> types = new LinkedHashMap<>();
    lowered.inputs().forEach(input -> types.put(input.name(), input.type()));
    lowered
        .outputs()
        .forEach(output -> types.putIfAbsent(place(step, output.name()), output.type()));
    Map<String, double[]> after = new LinkedHashMap<>();
    try (DeviceState state = DeviceState.allocate(device, types);
        ModelSession session =
            ModelSession.open(
                device,
                OnnxExporter.toBytes(lowered),
                SessionConfig.defaults().withIntraOpThreads(2));
        Binding binding = session.bind()) {
      for (Value input : lowered.inputs()) {
        state.get(input.name()).write(before.get(input.name()).data());
        binding.bindInput(input.name(), state.get(input.name()));
      }
      for (Value output : lowered.outputs()) {
        binding.bindOutput(output.name(), state.get(place(step, output.name())));
      }
      binding.run();
      for (Value output : lowered.outputs()) {
        String name = place(step, output.name());
        float[] values = state.get(name).toFloats();
        double[] widened = new double[values.length];
        for (int i = 0; i < values.length; i++) {
          widened[i] = values[i];
        }
        after.put(name, widened);
      }
    }
    return after;
  }

  /** The input that an output overwrites, else its own name. */
  private static String place(StepGraphs.Step step, String output) {
    return step.bindings().stream()
        .filter(binding -> binding.output().equals(output))
        .map(binding -> binding.input())
        .findFirst()
        .orElse(output);
  }

  private static void assertAgree(Map<String, double[]> computed, Map<String, double[]> exact) {
    assertThat(computed.keySet()).containsExactlyInAnyOrderElementsOf(exact.keySet());
    exact.forEach(
        (name, expected) ->
            assertThat(distance(computed.get(name), expected)).as(name).isLessThan(2e-5));
  }

  /** The norm of the difference over the norm of the expected. */
  private static double distance(double[] computed, double[] expected) {
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += (computed[i] - expected[i]) * (computed[i] - expected[i]);
      norm += expected[i] * expected[i];
    }
    return Math.sqrt(difference / norm);
  }
}
