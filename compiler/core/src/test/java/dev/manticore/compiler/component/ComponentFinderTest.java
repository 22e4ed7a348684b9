package dev.manticore.compiler.component;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.huggingface.ModelConfig;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ComponentFinderTest {

  static Stream<Arguments> models() {
    return Stream.of(
        Arguments.of("gpt-neo", TinyModels.gptNeo(4, 32), 4, 32, true),
        Arguments.of("gpt-neo of 2", TinyModels.gptNeo(2, 16), 2, 16, true),
        Arguments.of("gpt2", TinyModels.gpt2(3, 16), 3, 16, true),
        Arguments.of("gpt-neox", TinyModels.gptNeoX(3, 16, true), 3, 16, false),
        Arguments.of("serial gpt-neox", TinyModels.gptNeoX(2, 24, false), 2, 24, false),
        Arguments.of("mamba", TinyModels.mamba(3, 24), 3, 24, false),
        Arguments.of("state-spaces", TinyModels.stateSpaces(2, 20), 2, 20, false),
        Arguments.of("mamba2", TinyModels.mamba2(3, 16), 3, 16, false),
        Arguments.of("state-spaces of mamba2", TinyModels.stateSpaces2(2, 20), 2, 20, false));
  }

  @ParameterizedTest
  @MethodSource("models")
  void findsLayersOfAllFamilies(
      String name, ModelConfig config, int layers, int width, boolean positions) {
    Component component = ComponentFinder.find(name, TinyModels.build("m", config, 1));

    assertThat(component.layers()).hasSize(layers);
    assertThat(component.width()).isEqualTo(width);
    assertThat(component.vocabulary()).isBetween(29, 32);
    assertThat(component.entry() != component.embedding()).isEqualTo(positions);
    assertThat(component.layers()).doesNotContain(component.normed());
    assertThat(component.hiddenStates()).hasSize(layers + 1);
  }

  @ParameterizedTest
  @MethodSource("models")
  void findsTheSameUnderOtherNames(
      String name, ModelConfig config, int layers, int width, boolean positions) {
    Graph graph = TinyModels.build("m", config, 1);
    Map<Value, Value> renamed = new HashMap<>();
    Component found = ComponentFinder.find(name, renamed(graph, renamed));

    Component original = ComponentFinder.find(name, graph);
    assertThat(found.embedding()).isSameAs(renamed.get(original.embedding()));
    assertThat(found.entry()).isSameAs(renamed.get(original.entry()));
    assertThat(found.layers())
        .containsExactlyElementsOf(original.layers().stream().map(renamed::get).toList());
    assertThat(found.normed()).isSameAs(renamed.get(original.normed()));
  }

  @ParameterizedTest
  @MethodSource("models")
  void findsTheSameInTheExportedFile(
      String name, ModelConfig config, int layers, int width, boolean positions) {
    Graph graph = TinyModels.build("m", config, 1);
    Graph opaque = renamed(graph, new HashMap<>());
    List<Graph> imported =
        List.of(
            OnnxImporter.read(OnnxExporter.toBytes(OnnxFunctions.define(opaque))),
            OnnxImporter.read(OnnxExporter.toBytes(Lowering.portable(opaque))));

    for (Graph read : imported) {
      Component found = ComponentFinder.find(name, read);
      assertThat(found.layers()).hasSize(layers);
      assertThat(found.width()).isEqualTo(width);
      assertThat(found.entry() != found.embedding()).isEqualTo(positions);

      Tensor ids = TinyModels.ids(1, 7, 2);
      Component other = ComponentFinder.find("other", graph);
      Hybrid hybrid = oneHotOfFirst(found, other, layers);
      assertThat(Runs.difference(Runs.onDevice(hybrid.graph(), ids), Runs.onDevice(graph, ids), 29))
          .isLessThan(1e-5);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void knowsTablesOfTheVocabularyFromOtherParametersOfTheirExtent(
      String name, ModelConfig config, int layers, int width, boolean positions) {
    Component component = ComponentFinder.find(name, TinyModels.build("m", config, 1));

    List<String> tables =
        component.graph().parameters().keySet().stream()
            .filter(component::isVocabularyTable)
            .map(Value::name)
            .toList();

    assertThat(tables).hasSize(name.startsWith("mamba") || name.endsWith("gpt-neox") ? 2 : 1);
    assertThat(tables)
        .allMatch(
            table ->
                table.matches(".*(wte|embedding|embeddings|lm_head|embed_in|embed_out).weight"));
  }

  @Test
  void refusesAGraphWithoutTokenIds() {
    GraphEditor editor = new GraphEditor("g");
    editor.output(editor.input("x", TensorType.of(ElementType.FLOAT32, 2, 3, 4)));

    assertThatThrownBy(() -> ComponentFinder.find("g", editor.freeze()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'g'")
        .hasMessageContaining("no integer input");
  }

  @Test
  void refusesAGraphWhoseLogitsIgnoreTheIds() {
    GraphEditor editor = new GraphEditor("g");
    Value ids = editor.input("ids", TensorType.of(ElementType.INT64, 1, 4));
    Ops ops = new Ops(editor);
    Value table = editor.parameter("t", Tensor.ofFloats(Shape.of(5), 1, 2, 3, 4, 5));
    editor.output(ops.expand(table, ops.concat(0, ops.shapeOf(ids), ops.ints(5))));

    assertThatThrownBy(() -> ComponentFinder.find("g", editor.freeze()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("do not depend on the token ids");
  }

  @Test
  void refusesAModelOfOneLayerSayingWhy() {
    Graph graph = TinyModels.build("m", TinyModels.mamba(1, 8), 1);

    assertThatThrownBy(() -> ComponentFinder.find("single", graph))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'single'")
        .hasMessageContaining("at least two layers");
  }

  @Test
  void refusesANetworkThatIsNoStack() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value ids =
        editor.input(
            "ids", new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    Value table = editor.parameter("t", Tensor.ofFloats(Shape.of(3, 2), 1, 2, 3, 4, 5, 6));
    Value head = editor.parameter("h", Tensor.ofFloats(Shape.of(2, 3), 1, 2, 3, 4, 5, 6));
    Value x = ops.gather(table, ids, 0);
    editor.output(ops.matMul(ops.sigmoid(ops.tanh(x)), head));

    assertThatThrownBy(() -> ComponentFinder.find("g", editor.freeze()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'g' is not a stack of layers");
  }

  @Test
  void drawsWhereTheChainBreaks() {
    GraphEditor editor = new GraphEditor("g");
    Ops ops = new Ops(editor);
    Value ids =
        editor.input(
            "ids", new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    Value table = editor.parameter("t", Tensor.ofFloats(Shape.of(3, 2), 1, 2, 3, 4, 5, 6));
    Value head = editor.parameter("h", Tensor.ofFloats(Shape.of(2, 3), 1, 2, 3, 4, 5, 6));
    Value down = ops.named("down", ops.gather(table, ids, 0));
    Value up = ops.mul(ops.tanh(ops.sigmoid(ops.tanh(down))), 2);
    editor.output(ops.matMul(ops.sigmoid(ops.add(up, down)), head));

    assertThatThrownBy(() -> ComponentFinder.find("u-net", editor.freeze()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("%ids: i64[batch,length]\n   |  Gather\n  %Gather")
        .hasMessageContaining("5 nodes lie without a value that all paths pass through")
        .hasMessageContaining("X    %down: f32[batch,length,2], read 5 nodes later by node 'Add'")
        .hasMessageNotContaining("read 1 nodes later");
  }

  /** The same graph with the nodes in their order and every name a number. */
  private static Graph renamed(Graph graph, Map<Value, Value> values) {
    GraphEditor editor = new GraphEditor("x");
    int[] count = {0};
    for (Value input : graph.inputs()) {
      values.put(input, editor.input("x" + count[0]++, input.type()));
    }
    graph
        .parameters()
        .forEach((value, tensor) -> values.put(value, editor.parameter("x" + count[0]++, tensor)));
    for (Node node : graph.nodes()) {
      Node anonymous =
          new Node(node.op(), "", node.attributes(), node.inputs(), node.outputs(), node.origin());
      Map<Value, Value> inner = new HashMap<>(values);
      Copies.copy(editor, anonymous, inner);
      node.presentOutputs().forEach(output -> values.put(output, inner.get(output)));
    }
    graph.outputs().forEach(output -> editor.output(values.get(output)));
    return editor.freeze();
  }

  private static Hybrid oneHotOfFirst(Component first, Component second, int blocks) {
    Hybrid hybrid =
        Splicer.splice(
            List.of(first, second),
            new SpliceOptions(
                blocks,
                Gates.TIED,
                ProjectorInitialisation.PAPER,
                Embeddings.PRETRAINED,
                ImmutableList.of(),
                29,
                3));
    Map<String, Tensor> alpha = new HashMap<>();
    for (int i = 0; i < blocks; i++) {
      alpha.put(Hybrid.alpha(i), Tensor.ofFloats(Shape.of(2), 0, -1e4f));
    }
    return HybridFiles.withParameters(hybrid, alpha);
  }
}
