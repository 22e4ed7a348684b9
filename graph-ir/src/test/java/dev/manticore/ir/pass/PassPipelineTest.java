package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.text.HirParser;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class PassPipelineTest {

  private static final Graph STATIC = graph("2");
  private static final Graph SYMBOLIC = graph("n");

  private record Step(
      String name,
      ImmutableSet<GraphProperty> requires,
      ImmutableSet<GraphProperty> ensures,
      ImmutableSet<GraphProperty> preserves,
      UnaryOperator<Graph> action)
      implements Pass {
    @Override
    public Graph run(Graph graph) {
      return action.apply(graph);
    }
  }

  @Test
  void returnsTheSameGraphWhenNothingChanges() {
    assertThat(PassPipeline.of(step("one", graph -> graph)).run(STATIC)).isSameAs(STATIC);
  }

  @Test
  void aFailureNamesThePassAndThoseBeforeIt() {
    Pass failing =
        step(
            "third",
            graph -> {
              throw new ManticoreException("MNT-TEST", "it is too late");
            });

    assertThatThrownBy(() -> PassPipeline.of(step("first"), step("second"), failing).run(STATIC))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-TEST"))
        .hasMessage("pass 'third' failed after first, second: it is too late");
  }

  @Test
  void aProgrammingErrorStaysOne() {
    Pass failing =
        step(
            "wrong",
            graph -> {
              throw new IndexOutOfBoundsException("7");
            });

    assertThatThrownBy(() -> PassPipeline.of(failing).run(STATIC))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("pass 'wrong' failed: ");
  }

  @Test
  void refusesAGraphWithoutWhatAPassRequires() {
    Pass needs =
        new Step(
            "needs",
            ImmutableSet.of(GraphProperty.STATIC_SHAPES),
            ImmutableSet.of(),
            ImmutableSet.of(),
            graph -> graph);

    assertThat(PassPipeline.of(needs).run(STATIC)).isSameAs(STATIC);
    assertThatThrownBy(() -> PassPipeline.of(needs).run(SYMBOLIC))
        .hasMessageContaining("pass 'needs' failed: it needs [STATIC_SHAPES] of graph 'g'");
  }

  @Test
  void holdsAPassToWhatItPreservesAndEnsures() {
    ImmutableSet<GraphProperty> property = ImmutableSet.of(GraphProperty.STATIC_SHAPES);
    Pass keeper =
        new Step("keeper", ImmutableSet.of(), ImmutableSet.of(), property, graph -> graph("n"));
    Pass maker =
        new Step("maker", ImmutableSet.of(), property, ImmutableSet.of(), graph -> graph("n"));

    assertThatThrownBy(() -> PassPipeline.of(keeper).run(STATIC))
        .hasMessageContaining("it should have left [STATIC_SHAPES] to graph");
    assertThat(PassPipeline.of(keeper).run(SYMBOLIC).inputs()).hasSize(1);
    assertThatThrownBy(() -> PassPipeline.of(maker).run(SYMBOLIC))
        .hasMessageContaining("it should have left [STATIC_SHAPES] to graph");
  }

  private static Pass step(String name) {
    return step(name, graph -> graph);
  }

  private static Pass step(String name, UnaryOperator<Graph> action) {
    return new Step(name, ImmutableSet.of(), ImmutableSet.of(), ImmutableSet.of(), action);
  }

  private static Graph graph(String dim) {
    return HirParser.parse(
        "hir 1 graph \"g\" { input %x: f32[D] %y: f32[D] = Neg(%x) output %y }".replace("D", dim));
  }
}
