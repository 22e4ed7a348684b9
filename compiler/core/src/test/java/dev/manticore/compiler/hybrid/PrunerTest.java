package dev.manticore.compiler.hybrid;

import static dev.manticore.compiler.TinyModels.VOCABULARY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.inspect.Diagram;
import dev.manticore.compiler.inspect.Inspection;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pruned hybrids against whole ones whose dropped components have the weight 0. */
class PrunerTest {

  private static final double TOLERANCE = 1e-5;

  /** Of three components in three blocks: each has a block that it is the strongest of. */
  private static final double[][] WEIGHTS = {{0.1, 0.3, 0.6}, {0.45, 0.5, 0.05}, {0.8, 0.15, 0.05}};

  private static final ImmutableMap<String, ModelConfig> CONFIGS =
      ImmutableMap.of(
          "neo", TinyModels.gptNeo(4, 32),
          "mamba", TinyModels.mamba(3, 24),
          "state-spaces", TinyModels.stateSpaces(4, 20));

  @TempDir private Path directory;

  static Stream<Arguments> options() {
    return Stream.of(Embeddings.values())
        .flatMap(
            embeddings -> Stream.of(Gates.values()).map(gates -> Arguments.of(embeddings, gates)));
  }

  @ParameterizedTest
  @MethodSource("options")
  void whatIsLeftComputesTheSame(Embeddings embeddings, Gates gates) {
    Hybrid hybrid = weighted(splice(embeddings, gates), WEIGHTS);

    for (double threshold : new double[] {0.2, 0.4}) {
      assertSame(hybrid, Pruner.threshold(hybrid, threshold), dropped(WEIGHTS, threshold));
    }
    double[][] strongest = dropped(WEIGHTS, 0.5);
    assertSame(hybrid, Pruner.argmax(hybrid), strongest);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba+gpt-neo-1", "mamba+gpt-neo-2", "mamba+gpt-neo+gpt-neox-2"})
  void fixturesPrunedComputeTheSame(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/hybrid/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Hybrid read =
        HybridFiles.read(
            fixture.get().resolve("hybrid.json"),
            Fixtures.shared("fixtures/huggingface").orElseThrow());
    int components = read.names().size();
    double[][] weights = new double[read.blocks()][];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = components == 2 ? new double[] {0.3 + 0.4 * i, 0.7 - 0.4 * i} : WEIGHTS[i];
    }
    Hybrid hybrid = weighted(read, weights);

    assertSame(hybrid, Pruner.argmax(hybrid), dropped(weights, 0.5));
    assertSame(hybrid, Pruner.threshold(hybrid, 0.4), dropped(weights, 0.4));
  }

  @ParameterizedTest
  @MethodSource("options")
  void oneComponentInAllBlocksIsThatComponent(Embeddings embeddings, Gates gates) {
    Hybrid spliced = splice(embeddings, gates);
    for (int k = 0; k < 3; k++) {
      double[] oneHot = new double[3];
      Arrays.fill(oneHot, 0.1);
      oneHot[k] = 0.8;
      Hybrid hybrid = weighted(spliced, new double[][] {oneHot, oneHot, oneHot});

      Hybrid pruned = Pruner.argmax(hybrid);

      assertThat(pruned.names()).containsExactly(hybrid.names().get(k));
      assertThat(pruned.alphas()).isEmpty();
      assertThat(operators(pruned.graph())).doesNotContain("Mixture");
      if (gates == Gates.TIED) {
        Component alone = hybrid.components().get(k);
        assertThat(operators(pruned.graph())).doesNotContain("Projector", "Pad", "Slice2");
        assertThat(pruned.width()).isEqualTo(alone.width());
        if (embeddings == Embeddings.PRETRAINED && alone.vocabulary() == VOCABULARY) {
          assertThat(parameters(pruned.graph())).isEqualTo(parameters(alone.graph()));
          Tensor ids = TinyModels.ids(2, 9, 4);
          assertThat(
                  Runs.difference(
                      Runs.onDevice(pruned.graph(), ids),
                      Runs.onDevice(alone.graph(), ids),
                      VOCABULARY))
              .isLessThan(TOLERANCE);
        }
      }
      double[] only = new double[3];
      only[k] = 1;
      assertSame(hybrid, pruned, new double[][] {only, only, only});
    }
  }

  @Test
  void whatIsDroppedIsGone() {
    Hybrid hybrid = weighted(splice(Embeddings.FRESH, Gates.TIED), WEIGHTS);

    Hybrid pruned = Pruner.threshold(hybrid, 0.2);

    assertThat(pruned.mixed(0)).containsExactly(1, 2);
    assertThat(pruned.mixed(1)).containsExactly(0, 1);
    assertThat(pruned.mixed(2)).containsExactly(0);
    assertThat(pruned.alphas()).containsExactly("blocks.0.alpha", "blocks.1.alpha");
    assertThat(pruned.weights(1).get(0)).isCloseTo(0.45f / 0.95f, within(1e-6f));
    assertThat(pruned.weights(1).get(1)).isCloseTo(0.5f / 0.95f, within(1e-6f));
    assertThat(pruned.weights(1).get(2)).isZero();
    assertThat(pruned.weights(2)).containsExactly(1f, 0f, 0f);
    assertThat(pruned.maxLength()).as("without the block that adds positions").isZero();
    assertThat(HybridFiles.parameters(pruned.graph()).keySet())
        .contains("embeddings.1.weight", "blocks.1.in.0.weight")
        .noneMatch(name -> name.startsWith("embeddings.0."))
        .noneMatch(name -> name.startsWith("blocks.0.in.0."))
        .noneMatch(name -> name.startsWith("blocks.2."))
        .noneMatch(name -> name.startsWith("components.0.transformer.wpe"))
        .noneMatch(name -> name.startsWith("components.0.transformer.h.0."))
        .noneMatch(name -> name.startsWith("components.1.backbone.layers.2."))
        .anyMatch(name -> name.startsWith("components.0.transformer.h.3."));
    assertThat(Pruner.threshold(hybrid, 0)).isSameAs(hybrid);
    assertThat(Pruner.threshold(pruned, 0.2)).isSameAs(pruned);
  }

  @ParameterizedTest
  @MethodSource("options")
  void whatIsWrittenIsReadBack(Embeddings embeddings, Gates gates) {
    Hybrid hybrid = weighted(splice(embeddings, gates), WEIGHTS);
    Tensor ids = TinyModels.ids(2, 9, 1);
    for (Hybrid pruned :
        List.of(Pruner.argmax(hybrid), Pruner.threshold(hybrid, 0.2), last(hybrid))) {
      Path written = directory.resolve(String.join("+", pruned.names()) + pruned.alphas().size());

      HybridFiles.write(written, pruned, pruned.names().stream().map(directory::resolve).toList());
      Hybrid read = HybridFiles.read(written.resolve("hybrid.json"), written.resolve("components"));

      assertThat(read.names()).isEqualTo(pruned.names());
      assertThat(read.options().mixed()).isEqualTo(pruned.options().mixed());
      assertThat(read.maxLength()).isEqualTo(pruned.maxLength());
      assertThat(HybridFiles.parameters(read.graph()).keySet())
          .isEqualTo(HybridFiles.parameters(pruned.graph()).keySet());
      assertThat(Runs.onDevice(read.graph(), ids).toDoubles())
          .isEqualTo(Runs.onDevice(pruned.graph(), ids).toDoubles());
      Inspection inspection =
          Inspection.open(
              written.resolve("hybrid.json"), Optional.empty(), Inspection.Extents.USUAL);
      assertThat(inspection.summary().parameters()).isEqualTo(parameters(pruned.graph()));
      assertThat(inspection.diagram(Diagram.Level.BLOCKS).boxes().size())
          .isLessThan(inspection.diagram(Diagram.Level.NODES).boxes().size());
    }
  }

  @ParameterizedTest
  @EnumSource(Embeddings.class)
  void exportsAndDecodersComputeTheSame(Embeddings embeddings) {
    Hybrid hybrid = weighted(splice(embeddings, Gates.TIED), WEIGHTS);
    Tensor ids = TinyModels.ids(1, 9, 6);
    for (Hybrid pruned : List.of(Pruner.argmax(hybrid), Pruner.threshold(hybrid, 0.2))) {
      Tensor expected = Runs.onDevice(pruned.graph(), ids);
      Path functions = directory.resolve("functions.onnx");
      Path plain = directory.resolve("plain.onnx");
      OnnxExporter.write(
          OnnxFunctions.define(pruned.graph()), functions, OnnxExporter.Options.DEFAULT);
      OnnxExporter.write(Lowering.portable(pruned.graph()), plain, OnnxExporter.Options.DEFAULT);

      for (Path file : List.of(functions, plain)) {
        assertThat(Runs.difference(Runs.fromFile(file, ids), expected, VOCABULARY))
            .isLessThan(TOLERANCE);
      }
      assertThat(decoded(pruned.graph(), ids, 5)).isLessThan(TOLERANCE);
    }
  }

  /** How far the logits of a decoder that reads in two pieces are from those of the whole. */
  private static double decoded(Graph graph, Tensor ids, int first) {
    long[] all = ids.toLongs();
    double[] expected = Runs.onDevice(graph, ids).toDoubles();
    Decoder decoder = DecoderBuilder.build(graph);
    double largest = 0;
    try (ModelSession session =
        ModelSession.open(
            Devices.byName("cpu"),
            OnnxExporter.toBytes(Lowering.portable(decoder.graph())),
            SessionConfig.defaults())) {
      Map<String, Tensor> inputs = new LinkedHashMap<>();
      decoder.states().forEach(state -> inputs.put(state.past(), state.begin(1)));
      int from = 0;
      for (int to : new int[] {first, all.length}) {
        long[] mask = new long[to];
        Arrays.fill(mask, 1);
        inputs.put(
            Decoder.INPUT_IDS,
            Tensor.ofLongs(Shape.of(1, to - from), Arrays.copyOfRange(all, from, to)));
        inputs.put(Decoder.ATTENTION_MASK, Tensor.ofLongs(Shape.of(1, to), mask));
        Map<String, Tensor> outputs = session.run(inputs);
        double[] logits = outputs.get(Decoder.LOGITS).toDoubles();
        int width = logits.length / (to - from);
        for (int i = 0; i < logits.length; i++) {
          largest = Math.max(largest, Math.abs(logits[i] - expected[from * width + i]));
        }
        decoder.states().forEach(s -> inputs.put(s.past(), outputs.get(s.present())));
        from = to;
      }
    }
    return largest;
  }

  private static void assertSame(Hybrid hybrid, Hybrid pruned, double[][] weights) {
    int vocabulary = hybrid.options().vocabulary();
    Hybrid whole = weighted(hybrid, weights);
    Tensor ids = TinyModels.ids(2, 11, 3);

    assertThat(parameters(pruned.graph())).isLessThan(parameters(whole.graph()));
    assertThat(pruned.graph().nodes().size()).isLessThan(whole.graph().nodes().size());
    Tensor expected = Runs.onDevice(whole.graph(), ids);
    assertThat(Runs.difference(Runs.onDevice(pruned.graph(), ids), expected, vocabulary))
        .isLessThan(TOLERANCE);
    assertThat(Arrays.stream(expected.toDoubles()).map(Math::abs).max().orElseThrow())
        .as("logits that differ enough to compare")
        .isGreaterThan(0.1);
    for (int i = 0; i < weights.length; i++) {
      long left = Arrays.stream(weights[i]).filter(weight -> weight > 0).count();
      assertThat(pruned.mixed(i)).hasSize((int) left);
    }
  }

  /** A pruned hybrid of which only the last block has the last component left. */
  private static Hybrid last(Hybrid hybrid) {
    return Pruner.argmax(
        weighted(hybrid, new double[][] {{0.6, 0.2, 0.2}, {0.6, 0.2, 0.2}, {0.2, 0.2, 0.6}}));
  }

  /** The weights with those below a threshold at 0. */
  private static double[][] dropped(double[][] weights, double threshold) {
    double[][] kept = new double[weights.length][];
    for (int i = 0; i < weights.length; i++) {
      double most = Arrays.stream(weights[i]).max().orElseThrow();
      kept[i] =
          Arrays.stream(weights[i])
              .map(weight -> weight >= threshold || weight == most ? weight : 0)
              .toArray();
    }
    return kept;
  }

  private static Hybrid weighted(Hybrid hybrid, double[][] weights) {
    Map<String, Tensor> alphas = new LinkedHashMap<>();
    for (int i = 0; i < weights.length; i++) {
      float[] logits = new float[weights[i].length];
      for (int k = 0; k < logits.length; k++) {
        logits[k] = weights[i][k] == 0 ? -1e9f : (float) Math.log(weights[i][k]);
      }
      alphas.put(Hybrid.alpha(i), Tensor.ofFloats(Shape.of(logits.length), logits));
    }
    return HybridFiles.withParameters(hybrid, alphas);
  }

  private Hybrid splice(Embeddings embeddings, Gates gates) {
    CONFIGS.forEach(
        (name, config) ->
            Models.write(
                directory.resolve(name),
                config,
                Models.parameters(TinyModels.build(name, config, name.length()))));
    List<Component> components =
        CONFIGS.keySet().stream()
            .map(name -> ComponentFinder.find(name, Models.load(directory.resolve(name))))
            .toList();
    return Splicer.splice(
        components,
        new SpliceOptions(
            3,
            gates,
            ProjectorInitialisation.PAPER,
            embeddings,
            ImmutableList.of(cut(0, 1, 2, 4), cut(0, 1, 2, 3), cut(0, 2, 3, 4)),
            VOCABULARY,
            5));
  }

  private static ImmutableList<LayerRange> cut(int... bounds) {
    ImmutableList.Builder<LayerRange> ranges = ImmutableList.builder();
    for (int i = 0; i + 1 < bounds.length; i++) {
      ranges.add(new LayerRange(bounds[i], bounds[i + 1]));
    }
    return ranges.build();
  }

  private static long parameters(Graph graph) {
    return graph.parameters().keySet().stream()
        .map(Value::shape)
        .mapToLong(Shape::elementCount)
        .sum();
  }

  private static List<String> operators(Graph graph) {
    return graph.nodes().stream().map(Node::op).map(op -> op.name()).toList();
  }
}
