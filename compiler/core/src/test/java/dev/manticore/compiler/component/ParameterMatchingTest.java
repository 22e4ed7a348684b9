package dev.manticore.compiler.component;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ParameterMatchingTest {

  @ParameterizedTest
  @ValueSource(strings = {"gpt-neo"})
  void findsTheParametersOfACheckpointInItsExport(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    assumeFixture(fixture);
    Graph checkpoint = ModelFiles.read(fixture.orElseThrow());
    Graph export = ModelFiles.read(fixture.orElseThrow().resolve("model.onnx"));

    Graph adopted = ParameterMatching.adopt(export, checkpoint);

    assertThat(names(adopted)).containsExactlyInAnyOrderElementsOf(names(checkpoint));
    adopted
        .parameters()
        .forEach(
            (value, tensor) ->
                assertThat(
                        TensorContents.equal(
                            tensor,
                            checkpoint
                                .parameters()
                                .get(checkpoint.parameter(value.name()).orElseThrow())))
                    .isTrue());
    Tensor ids = TinyModels.ids(2, 9, 3);
    assertThat(Runs.difference(Runs.asItIs(adopted, ids), Runs.asItIs(export, ids), 97))
        .isLessThan(1e-5);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo"})
  void joinsATiedTableThatTheExportStoresTwice(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    assumeFixture(fixture);
    Path export = fixture.orElseThrow().resolve("model.onnx");

    Component component = ModelFiles.component(name, export);

    assertThat(
            component.graph().parameters().keySet().stream()
                .filter(component::isVocabularyTable)
                .toList())
        .hasSize(1);
    assertThat(component.graph().parameters())
        .hasSize(ModelFiles.read(export).parameters().size() - 1);
  }

  @Test
  void takesEqualParametersInTheirOrder() {
    Graph checkpoint = sum("a", "b");
    Graph adopted = ParameterMatching.adopt(sum("x", "y"), checkpoint);

    assertThat(adopted.nodes().get(0).reads()).extracting(Value::name).contains("a");
    assertThat(adopted.nodes().get(1).reads()).extracting(Value::name).contains("b");
  }

  @Test
  void swapsNamesWhereTheExportUsesThemOtherwise() {
    Graph adopted =
        ParameterMatching.adopt(
            pair("a", new float[] {1, 2}, "b", new float[] {3, 4}),
            pair("b", new float[] {1, 2}, "a", new float[] {3, 4}));

    assertThat(adopted.nodes().get(0).reads()).extracting(Value::name).contains("b");
    assertThat(adopted.nodes().get(1).reads()).extracting(Value::name).contains("a");
  }

  @Test
  void refusesToGuess() {
    assertThatThrownBy(() -> ParameterMatching.adopt(sum("x"), sum("a", "b")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("[a, b]")
        .hasMessageContaining("[x]");
  }

  @Test
  void leavesWhatMatchesNothing() {
    Graph graph = sum("x");
    assertThat(
            ParameterMatching.adopt(graph, pair("a", new float[] {1, 2}, "b", new float[] {3, 4})))
        .isSameAs(graph);
  }

  /** Adds one parameter of the same numbers after another to an input. */
  private static Graph sum(String... names) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value x = editor.input("in", Tensor.ofFloats(Shape.of(2), 0, 0).type());
    for (String name : names) {
      x = ops.add(x, editor.parameter(name, Tensor.ofFloats(Shape.of(2), 5, 5)));
    }
    editor.output(x);
    return editor.freeze();
  }

  private static Graph pair(String first, float[] one, String second, float[] other) {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value x = editor.input("in", Tensor.ofFloats(Shape.of(2), 0, 0).type());
    x = ops.add(x, editor.parameter(first, Tensor.ofFloats(Shape.of(2), one)));
    x = ops.add(x, editor.parameter(second, Tensor.ofFloats(Shape.of(2), other)));
    editor.output(x);
    return editor.freeze();
  }

  private static List<String> names(Graph graph) {
    return graph.parameters().keySet().stream().map(Value::name).toList();
  }

  private static void assumeFixture(Optional<Path> fixture) {
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
  }
}
