package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.inspect.FlopCounter;
import dev.manticore.compiler.training.ParameterGroup;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import java.time.Duration;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

/** What is not trained costs no backward: not its own gradients, nor those that lead to it only. */
final class FrozenPartsTest {

  private static final int LAYERS = 3;

  private static Graph model(StepRequest.Model kind) {
    return StepBenchmark.model(
        new StepRequest(kind, 32, LAYERS, 2, 8, 16, 1, Duration.ofMinutes(1), 1));
  }

  private static Graph step(Graph model, Predicate<String> trained) {
    ImmutableList<ParameterGroup> groups =
        StepBenchmark.groups(model).stream()
            .map(
                group ->
                    new ParameterGroup(
                        group.name(),
                        ImmutableList.copyOf(group.parameters().stream().filter(trained).toList()),
                        ImmutableList.of()))
            .filter(group -> !group.parameters().isEmpty())
            .collect(ImmutableList.toImmutableList());
    return StepGraphs.of(model, 2, 8).step(groups, 1).graph();
  }

  private static long count(Graph graph, String operator) {
    return graph.nodes().stream().filter(node -> node.op().name().equals(operator)).count();
  }

  private static double products(Graph graph) {
    return graph.nodes().stream().mapToDouble(node -> FlopCounter.ofProduct(node).orElse(0)).sum();
  }

  private static List<String> updated(Graph graph) {
    return graph.nodes().stream()
        .filter(node -> node.op().name().equals("AdamW"))
        .map(node -> node.input(0))
        .map(Value::name)
        .sorted()
        .toList();
  }

  @Test
  void theBackwardEndsAtTheFirstLayerThatIsTrained() {
    Graph model = model(StepRequest.Model.GPT_NEO);

    Graph all = step(model, name -> true);
    Graph last = step(model, name -> name.contains("h." + (LAYERS - 1) + ".mlp"));

    assertThat(count(all, "GeluTanhGrad")).isEqualTo(LAYERS);
    assertThat(count(last, "GeluTanhGrad")).isEqualTo(1);
    assertThat(count(last, "AttentionGrad")).isZero();
    assertThat(count(last, "EmbeddingGrad")).isZero();
    assertThat(updated(last)).hasSize(4).allMatch(name -> name.contains("h.2.mlp"));
  }

  @Test
  void mixtureWeightsAloneNeedNoGradientOfAWeight() {
    Graph model = model(StepRequest.Model.HYBRID);

    Graph all = step(model, name -> true);
    Graph mixture = step(model, Hybrid::isAlpha);
    Graph forward = StepGraphs.of(model, 2, 8).logits();

    assertThat(updated(mixture)).isNotEmpty().allMatch(Hybrid::isAlpha);
    assertThat(count(mixture, "EmbeddingGrad")).isZero();
    // A forward, and the way back through what lies behind the first mixture, of about the same
    // size; the gradients of the weights, as large again, are gone.
    double more = products(all) - products(forward);
    assertThat(products(mixture) - products(forward)).isBetween(0.2 * more, 0.55 * more);
  }

  private static boolean isProjector(String parameter) {
    return parameter.matches("blocks\\.\\d+\\.(in|out)\\.\\d+\\.(weight|bias)");
  }

  @Test
  void projectorsAloneNeedNoGradientOfAComponentsWeight() {
    Graph model = model(StepRequest.Model.HYBRID);

    Graph all = step(model, name -> true);
    Graph projectors = step(model, FrozenPartsTest::isProjector);
    Graph forward = StepGraphs.of(model, 2, 8).logits();

    assertThat(updated(projectors)).hasSize(8).allMatch(FrozenPartsTest::isProjector);
    assertThat(count(projectors, "EmbeddingGrad")).isZero();
    // A forward, the way back through all layers, of about the same size, and the gradients of the
    // projectors; those of the components' weights, as large as a forward, are gone.
    double more = products(all) - products(forward);
    assertThat(products(projectors) - products(forward)).isBetween(0.4 * more, 0.65 * more);
  }
}
