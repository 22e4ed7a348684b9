package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.CudaForm;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.training.ParameterGroup;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Devices;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Nothing in the graphs of training grows with the square of the length. */
final class LongSequenceTest {

  /** The second is too long for tables of its square to be folded. */
  private static final ImmutableList<Integer> LENGTHS = ImmutableList.of(512, 2100);

  /**
   * @param attentions how many it has
   */
  private record Case(String name, int length, Graph model, int attentions) {

    @Override
    public String toString() {
      return name + " of " + length + " tokens";
    }
  }

  static Stream<Case> cases() {
    return LENGTHS.stream()
        .flatMap(
            length ->
                Stream.of(
                    benchmark(StepRequest.Model.GPT2, length),
                    benchmark(StepRequest.Model.GPT_NEO, length),
                    benchmark(StepRequest.Model.HYBRID, length),
                    new Case(
                        "gpt-neox",
                        length,
                        Models.fresh("m", TinyModels.gptNeoX(2, 16, true), 3),
                        2)));
  }

  private static Case benchmark(StepRequest.Model kind, int length) {
    StepRequest request = new StepRequest(kind, 32, 2, 1, length, 16, 1, Duration.ofMinutes(1), 1);
    return new Case(kind.name(), length, StepBenchmark.model(request), 2);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void nothingHasAnElementForEachPairOfTokens(Case of) {
    ImmutableList<ParameterGroup> groups = StepBenchmark.groups(of.model);
    StepGraphs graphs = StepGraphs.of(of.model, 1, of.length);
    Map<String, Graph> made =
        Map.of(
            "step", graphs.step(groups, 1).graph(),
            "accumulate", graphs.accumulate(groups).graph(),
            "evaluation", graphs.evaluation(),
            "logits", graphs.logits());

    made.forEach(
        (name, graph) -> {
          assertThat(graph.nodes())
              .as(name)
              .filteredOn(node -> node.op().name().equals("CausalAttention"))
              .hasSize(of.attentions);
          assertSmall(name, graph, of.length);
          assertSmall(
              name + ", lowered",
              Lowering.forDevice(graph, ImmutableSet.copyOf(Devices.cpuKernels())),
              of.length);
          assertSmall(
              name + ", lowered for a GPU",
              Lowering.forDevice(graph, new CudaForm(CudaForm.KERNELS)),
              of.length);
        });
  }

  /** Global and local attention in turns, of which there are two each in a step of two layers. */
  @Test
  void withoutKernelsAttentionsOfOneKindShareAMask() {
    Case of = benchmark(StepRequest.Model.GPT_NEO, 600);
    Graph step =
        StepGraphs.of(of.model, 1, of.length).step(StepBenchmark.groups(of.model), 1).graph();

    for (Graph lowered :
        ImmutableList.of(
            Lowering.forDevice(step, ImmutableSet.of()),
            Lowering.forDevice(step, new CudaForm()),
            Lowering.inPrecision(step, ImmutableSet.of(), Precision.BFLOAT16))) {
      assertThat(lowered.nodes())
          .filteredOn(
              node ->
                  node.presentOutputs().stream()
                      .anyMatch(value -> value.shape().equals(Shape.of(of.length, of.length))))
          .extracting(node -> node.op().name())
          .containsExactly("Constant", "Constant");
    }
  }

  private static void assertSmall(String name, Graph graph, long length) {
    assertThat(graph.nodes())
        .as(name)
        .flatExtracting(Node::presentOutputs)
        .extracting(Value::type)
        .allSatisfy(type -> assertThat(type.shape().elementCount()).isLessThan(length * length));
  }
}
