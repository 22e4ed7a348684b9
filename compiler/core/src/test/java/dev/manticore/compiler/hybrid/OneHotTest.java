package dev.manticore.compiler.hybrid;

import static dev.manticore.compiler.TinyModels.VOCABULARY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a hybrid computes at special mixture weights ({@code paper.md} §2.2, properties 1 and 2).
 */
class OneHotTest {

  private static final double TOLERANCE = 1e-5;

  private final Component gptNeo =
      component("gpt-neo", TinyModels.build("g", TinyModels.gptNeo(4, 32), 1));
  private final Component mamba =
      component("mamba", TinyModels.build("m", TinyModels.mamba(3, 24), 2));
  private final Component padded =
      component("padded", TinyModels.build("s", TinyModels.stateSpaces(4, 20), 3));
  private final Component mamba2 =
      component("mamba2", TinyModels.build("d", TinyModels.mamba2(3, 16), 8));
  private final Component paddedNeo =
      component("neo", TinyModels.build("p", TinyModels.gptNeo(3, 16, 32), 4));

  @TempDir private Path directory;

  static Stream<Arguments> options() {
    return Stream.of(1, 2, 3)
        .flatMap(
            blocks ->
                Stream.of(Embeddings.values())
                    .flatMap(
                        embeddings ->
                            Stream.of(Gates.values())
                                .flatMap(
                                    gates ->
                                        Stream.of(ProjectorInitialisation.values())
                                            .map(
                                                projectors ->
                                                    Arguments.of(
                                                        blocks, embeddings, gates, projectors)))));
  }

  @ParameterizedTest
  @MethodSource("options")
  void oneHotWeightsGiveTheComponent(
      int blocks, Embeddings embeddings, Gates gates, ProjectorInitialisation projectors) {
    List<Component> components = List.of(mamba, gptNeo);
    Hybrid hybrid = splice(components, blocks, embeddings, gates, projectors, ImmutableList.of());
    Tensor ids = TinyModels.ids(2, 9, blocks);

    for (int k = 0; k < 2; k++) {
      Tensor logits = Runs.onDevice(oneHot(hybrid, k).graph(), ids);
      Tensor expected = Runs.onDevice(alone(hybrid, components.get(k), k, embeddings), ids);

      assertThat(Runs.difference(logits, expected, VOCABULARY)).isLessThan(TOLERANCE);
      assertThat(logits.shape()).isEqualTo(Shape.of(2, 9, VOCABULARY));
      assertThat(spread(expected)).as("logits that differ enough to compare").isGreaterThan(0.5);
    }
  }

  @ParameterizedTest
  @EnumSource(Embeddings.class)
  void threeComponentsUnevenlyCutGiveEachComponent(Embeddings embeddings) {
    assertOneHotGivesEach(
        List.of(gptNeo, mamba, padded),
        embeddings,
        ImmutableList.of(
            ImmutableList.of(new LayerRange(0, 3), new LayerRange(3, 4)),
            ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 3)),
            ImmutableList.of(new LayerRange(0, 2), new LayerRange(2, 4))));
  }

  @ParameterizedTest
  @EnumSource(Embeddings.class)
  void allFamiliesGiveEachComponent(Embeddings embeddings) {
    Component gpt2 = component("gpt2", TinyModels.build("n", TinyModels.gpt2(2, 16), 5));
    Component parallel =
        component("parallel", TinyModels.build("n", TinyModels.gptNeoX(3, 24, true), 6));
    Component serial =
        component("serial", TinyModels.build("n", TinyModels.gptNeoX(2, 32, false), 7));

    assertOneHotGivesEach(
        List.of(gpt2, parallel, mamba, serial, gptNeo, mamba2), embeddings, ImmutableList.of());
  }

  private static void assertOneHotGivesEach(
      List<Component> components,
      Embeddings embeddings,
      ImmutableList<ImmutableList<LayerRange>> partition) {
    Hybrid hybrid =
        splice(components, 2, embeddings, Gates.TIED, ProjectorInitialisation.PAPER, partition);
    Tensor ids = TinyModels.ids(1, 11, 5);

    for (int k = 0; k < components.size(); k++) {
      Tensor logits = Runs.onDevice(oneHot(hybrid, k).graph(), ids);
      Tensor expected = Runs.onDevice(alone(hybrid, components.get(k), k, embeddings), ids);

      assertThat(Runs.difference(logits, expected, VOCABULARY)).isLessThan(TOLERANCE);
    }
  }

  @ParameterizedTest
  @EnumSource(Embeddings.class)
  void exportedFilesOfOneHotHybridsGiveTheComponent(Embeddings embeddings) {
    List<Component> components = List.of(gptNeo, mamba, mamba2);
    Hybrid hybrid =
        splice(
            components,
            3,
            embeddings,
            Gates.TIED,
            ProjectorInitialisation.PAPER,
            ImmutableList.of());

    for (int k = 0; k < components.size(); k++) {
      Path functions = directory.resolve("functions-" + k + ".onnx");
      Path plain = directory.resolve("plain-" + k + ".onnx");
      Graph graph = oneHot(hybrid, k).graph();
      OnnxExporter.write(OnnxFunctions.define(graph), functions, OnnxExporter.Options.DEFAULT);
      OnnxExporter.write(
          Lowering.portable(graph),
          plain,
          OnnxExporter.Options.DEFAULT.withPlacement(OnnxExporter.Placement.EXTERNAL));
      for (int length : new int[] {1, 7, TinyModels.POSITIONS}) {
        Tensor ids = TinyModels.ids(2, length, 6);
        Tensor expected = Runs.onDevice(alone(hybrid, components.get(k), k, embeddings), ids);

        for (Path file : List.of(functions, plain)) {
          assertThat(Runs.difference(Runs.fromFile(file, ids), expected, VOCABULARY))
              .as("%s at length %s", file.getFileName(), length)
              .isLessThan(TOLERANCE);
        }
      }
      Tensor ids = TinyModels.ids(2, 7, 6);
      Tensor expected = Runs.onDevice(alone(hybrid, components.get(k), k, embeddings), ids);
      for (Path file : List.of(functions, plain)) {
        Tensor logits = Runs.fromFileByMicrosoft(file, ids, directory);
        assertThat(Runs.difference(logits, expected, VOCABULARY))
            .as("%s by Microsoft's ONNX Runtime", file.getFileName())
            .isLessThan(TOLERANCE);
      }
    }
  }

  @Test
  void rowsThatPadATableAreDropped() {
    List<Component> components = List.of(padded, paddedNeo);
    Hybrid hybrid =
        splice(
            components,
            2,
            Embeddings.PRETRAINED,
            Gates.TIED,
            ProjectorInitialisation.IDENTITY,
            ImmutableList.of());
    Tensor ids = TinyModels.ids(2, 6, 7);

    for (int k = 0; k < 2; k++) {
      assertThat(components.get(k).vocabulary()).isEqualTo(32);
      Tensor logits = Runs.onDevice(oneHot(hybrid, k).graph(), ids);
      Tensor expected = Runs.onDevice(components.get(k).graph(), ids);

      assertThat(logits.shape()).isEqualTo(Shape.of(2, 6, VOCABULARY));
      assertThat(Runs.difference(logits, expected, VOCABULARY)).isLessThan(TOLERANCE);
    }
  }

  @Test
  void refusesATokenizerOfMoreIdsThanATableHasRows() {
    SpliceOptions options =
        new SpliceOptions(
            1,
            Gates.TIED,
            ProjectorInitialisation.IDENTITY,
            Embeddings.PRETRAINED,
            ImmutableList.of(),
            VOCABULARY + 1,
            0);

    assertThatThrownBy(() -> Splicer.splice(List.of(padded, mamba), options))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'mamba'")
        .hasMessageContaining("30 ids")
        .hasMessageContaining("29");
  }

  @Test
  void identicalComponentsGiveThatComponentAtAnyWeights() {
    Component again = gptNeo.withName("again");
    Hybrid hybrid =
        splice(
            List.of(gptNeo, again, gptNeo.withName("third")),
            1,
            Embeddings.PRETRAINED,
            Gates.TIED,
            ProjectorInitialisation.IDENTITY,
            ImmutableList.of());
    Tensor ids = TinyModels.ids(2, 8, 8);
    Map<String, Tensor> alpha =
        Map.of(Hybrid.alpha(0), Tensor.ofFloats(Shape.of(3), 0.3f, -1.2f, 0.9f));

    Tensor logits = Runs.onDevice(HybridFiles.withParameters(hybrid, alpha).graph(), ids);

    assertThat(Runs.difference(logits, Runs.onDevice(gptNeo.graph(), ids), VOCABULARY))
        .isLessThan(TOLERANCE);
  }

  private static Component component(String name, Graph graph) {
    return ComponentFinder.find(name, graph);
  }

  private static Hybrid splice(
      List<Component> components,
      int blocks,
      Embeddings embeddings,
      Gates gates,
      ProjectorInitialisation projectors,
      ImmutableList<ImmutableList<LayerRange>> partition) {
    return Splicer.splice(
        components,
        new SpliceOptions(blocks, gates, projectors, embeddings, partition, VOCABULARY, 11));
  }

  /** All weight on one component in every block, and every gate of its own fully open. */
  private static Hybrid oneHot(Hybrid hybrid, int component) {
    Map<String, Tensor> changed = new LinkedHashMap<>();
    float[] alpha = new float[hybrid.names().size()];
    Arrays.fill(alpha, -1e4f);
    alpha[component] = 0;
    for (int i = 0; i < hybrid.blocks(); i++) {
      changed.put(Hybrid.alpha(i), Tensor.ofFloats(Shape.of(alpha.length), alpha));
    }
    for (Value parameter : hybrid.graph().parameters().keySet()) {
      if (parameter.name().contains(".gate_")) {
        changed.put(parameter.name(), Tensor.ofFloats(Shape.of(1), 1e4f));
      }
    }
    return HybridFiles.withParameters(hybrid, changed);
  }

  /** The component by itself, with the table that the hybrid made for it where there is one. */
  private static Graph alone(Hybrid hybrid, Component component, int k, Embeddings embeddings) {
    if (embeddings != Embeddings.FRESH) {
      return component.graph();
    }
    Tensor table =
        hybrid
            .graph()
            .parameters()
            .get(hybrid.graph().parameter("embeddings." + k + ".weight").orElseThrow());
    Map<String, Tensor> tables = new LinkedHashMap<>();
    for (Value parameter : component.graph().parameters().keySet()) {
      if (component.isVocabularyTable(parameter)) {
        tables.put(parameter.name(), rows(table, parameter.shape().dim(0).extent()));
      }
    }
    return HybridFiles.withParameters(component.graph(), tables);
  }

  /** A table with rows of zeros added, so that it has so many. */
  private static Tensor rows(Tensor table, long rows) {
    long width = table.shape().dim(1).extent();
    return Tensor.ofFloats(
        Shape.of(rows, width), Arrays.copyOf(table.toFloats(), Math.toIntExact(rows * width)));
  }

  private static double spread(Tensor logits) {
    List<Double> values = new ArrayList<>();
    for (double value : logits.toDoubles()) {
      values.add(value);
    }
    return values.stream().mapToDouble(v -> v).max().orElseThrow()
        - values.stream().mapToDouble(v -> v).min().orElseThrow();
  }
}
