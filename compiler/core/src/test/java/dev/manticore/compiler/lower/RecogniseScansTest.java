package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** That what is recognised computes the same, {@link KeepCachesTest} shows for every fixture. */
class RecogniseScansTest {

  @TempDir Path directory;

  private Graph fromFile(Graph graph) {
    Path file = directory.resolve("decoder.onnx");
    OnnxExporter.write(Lowering.portable(graph), file, OnnxExporter.Options.DEFAULT);
    return OnnxImporter.read(file);
  }

  private static long scans(Graph graph) {
    return graph.nodes().stream().filter(node -> node.op().isOnnx("Scan")).count();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "huggingface/mamba",
        "huggingface/mamba-state-spaces",
        "hybrid/mamba+gpt-neo-2/hybrid.json"
      })
  void aDecodersFileHasItsStateSpacesAgain(String name) {
    Graph decoder = DecoderBuilder.build(FixtureModels.load(name)).graph();
    Graph file = fromFile(decoder);
    assertThat(scans(file)).isPositive();

    Graph recognised = new RecogniseScans().run(file);

    assertThat(scans(recognised)).isZero();
    assertThat(
            recognised.nodes().stream()
                .filter(node -> node.op().equals(OpId.manticore("SelectiveScanWithState"))))
        .hasSize((int) scans(file));
  }

  @Test
  void anotherScanStaysAsItIs() {
    Graph file = fromFile(DecoderBuilder.build(FixtureModels.load("huggingface/mamba")).graph());
    GraphEditor editor = file.edit();
    for (Node node : file.nodes()) {
      if (node.op().isOnnx("Scan")) {
        // Backwards in time.
        editor.replaceNode(
            node,
            new Node(
                node.op(),
                node.name(),
                node.attributes().with("scan_input_directions", Attribute.ofInts(1, 1, 1, 1)),
                node.inputs(),
                node.outputs(),
                node.origin()));
      }
    }
    Graph backwards = editor.freeze();

    assertThat(new RecogniseScans().run(backwards)).isSameAs(backwards);
    Graph gpt = DecoderBuilder.build(FixtureModels.load("huggingface/gpt2")).graph();
    assertThat(new RecogniseScans().run(gpt)).isSameAs(gpt);
  }
}
