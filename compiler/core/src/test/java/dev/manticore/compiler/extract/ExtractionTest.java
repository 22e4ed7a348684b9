package dev.manticore.compiler.extract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExtractionTest {

  @TempDir private Path directory;

  private static Component component(String family) {
    Graph graph =
        switch (family) {
          case "gpt-neo" -> TinyModels.build(family, TinyModels.gptNeo(3, 16), 1);
          case "gpt-neox" -> TinyModels.build(family, TinyModels.gptNeoX(3, 16, true), 2);
          default -> TinyModels.build(family, TinyModels.mamba(3, 16), 3);
        };
    return ComponentFinder.find(family, graph);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt-neo", "gpt-neox", "mamba"})
  void aLayerComputesWhatItDoesInTheWhole(String family) {
    Component component = component(family);
    Extraction layer = Extraction.layers(component, 1, 1);

    assertThat(layer.added()).isEmpty();
    assertThat(layer.graph().inputs()).containsExactly(component.layers().get(0));
    assertComputesTheSame(component.graph(), layer.graph(), TinyModels.ids(2, 7, 5));
  }

  @Test
  void severalLayersAreOneRegion() {
    Component component = component("gpt-neo");
    Extraction layers = Extraction.layers(component, 0, 2);

    assertThat(layers.graph().inputs()).containsExactly(component.entry());
    assertComputesTheSame(component.graph(), layers.graph(), TinyModels.ids(1, 9, 6));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void aLayerOfAnExportIsReadBackFromItsFile(String family) {
    Optional<Path> export = Fixtures.shared("fixtures/huggingface/" + family + "/model.onnx");
    Assumptions.assumeTrue(export.isPresent(), "the shared fixtures are not there");
    Component component = ModelFiles.component(family, export.orElseThrow());
    Extraction layer = Extraction.layers(component, 1, 1);

    for (String name : List.of("layer.onnx", "layer.hir")) {
      Path file = directory.resolve(name);
      ModelFiles.write(layer.graph(), file, Placement.AUTOMATIC);
      Graph read = ModelFiles.read(file);
      // Not the ids, of which it reads but the shape, though the export does not name its
      // dimensions.
      assertThat(read.inputs())
          .extracting(Value::name)
          .containsExactly(component.layers().get(0).name());
      assertComputesTheSame(component.graph(), read, TinyModels.ids(2, 6, 7));
    }
  }

  @Test
  void aRegionBetweenNamedValuesHasNothingElse() {
    Component component = component("gpt-neo");
    Graph graph = component.graph();
    Value normed = component.normed();

    Extraction head =
        Extraction.of(graph, List.of(normed.name()), List.of(component.logits().name()));

    assertThat(head.graph().inputs()).containsExactly(normed);
    assertThat(head.graph().nodes()).hasSizeLessThan(5);
    assertThat(head.graph().parameters()).hasSize(1);
    assertComputesTheSame(graph, head.graph(), TinyModels.ids(1, 4, 8));
  }

  @Test
  void whatIsReadPastTheValuesAskedForIsAnInputToo() {
    Component component = component("gpt-neo");
    Graph graph = component.graph();

    Extraction positions =
        Extraction.of(
            graph,
            List.of(component.layers().get(0).name()),
            List.of(component.layers().get(1).name(), component.embedding().name()));

    assertThat(positions.added()).containsExactly(component.ids());
    assertComputesTheSame(graph, positions.graph(), TinyModels.ids(1, 5, 9));
  }

  @Test
  void saysWhatIsWrongWithWhatWasAskedFor() {
    Component component = component("gpt-neo");
    Graph graph = component.graph();

    assertThatThrownBy(() -> Extraction.of(graph, List.of("input_idss"), List.of()))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-EXTRACT"))
        .hasMessageContaining("did you mean 'input_ids'?");
    assertThatThrownBy(
            () ->
                Extraction.of(
                    graph,
                    List.of(component.layers().get(2).name()),
                    List.of(component.layers().get(0).name())))
        .hasMessageContaining("nothing leads from");
    assertThatThrownBy(() -> Extraction.layers(component, 3, 3))
        .hasMessageContaining("layers 0 to 2, not 3");
  }

  /** Runs both in double precision, the region on the values that the whole has there. */
  private static void assertComputesTheSame(Graph whole, Graph region, Tensor ids) {
    GraphEditor editor = whole.edit();
    Map<String, Value> values = new HashMap<>();
    whole.nodes().forEach(n -> n.presentOutputs().forEach(v -> values.put(v.name(), v)));
    editor.clearOutputs();
    region.inputs().stream()
        .filter(input -> values.containsKey(input.name()))
        .forEach(input -> editor.output(values.get(input.name())));
    region.outputs().forEach(output -> editor.output(values.get(output.name())));
    Map<String, NdArray> given = ImmutableMap.of(whole.inputs().get(0).name(), NdArray.of(ids));
    Map<String, NdArray> expected = new Interpreter().run(editor.freezeLive(), given);
    Map<String, NdArray> inputs = new HashMap<>();
    region
        .inputs()
        .forEach(
            input ->
                inputs.put(input.name(), expected.getOrDefault(input.name(), NdArray.of(ids))));
    Map<String, NdArray> actual = new Interpreter().run(region, inputs);
    for (Value output : region.outputs()) {
      Tensor there = expected.get(output.name()).toTensor();
      Tensor here = actual.get(output.name()).toTensor();
      assertThat(here.type()).isEqualTo(there.type());
      assertThat(here.toDoubles()).containsExactly(there.toDoubles());
    }
  }
}
