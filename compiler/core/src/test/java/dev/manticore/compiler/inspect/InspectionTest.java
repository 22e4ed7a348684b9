package dev.manticore.compiler.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.inspect.ModelSummary.Kind;
import dev.manticore.compiler.inspect.ModelSummary.Part;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectionTest {

  @TempDir private Path directory;
  private TinyHybrid tiny;

  @BeforeEach
  void writeCheckpoints() {
    tiny = TinyHybrid.in(directory);
  }

  @Test
  void aCheckpointIsOneStackOfLayers() {
    ModelSummary summary = inspect(directory.resolve("gpt-neo"));

    long rows = tiny.vocabulary() + 3;
    long layer = 4 * 24 * 24 + 24 + 2 * 4 * 24 * 24 + 4 * 24 + 24 + 4 * 24;
    assertThat(summary.kind()).isEqualTo(Kind.CHECKPOINT);
    assertThat(summary.width()).isEqualTo(24);
    assertThat(summary.vocabulary()).isEqualTo(rows);
    assertThat(summary.maxLength()).isEqualTo(24);
    assertThat(summary.parts())
        .containsExactly(
            new Part("embedding", rows * 24),
            new Part("positions", 24 * 24),
            new Part("layer 0", layer),
            new Part("layer 1", layer),
            new Part("layer 2", layer),
            new Part("final norm", 48));
    assertThat(summary.parameters())
        .isEqualTo(summary.parts().stream().mapToLong(Part::parameters).sum());
    assertThat(summary.components())
        .containsExactly(new ModelSummary.Component("gpt-neo", 3, 24, summary.parameters()));
    assertThat(summary.inputs()).containsExactly("input_ids: i64[batch,length]");
  }

  @Test
  void anExportedModelIsWhatItWasBefore() {
    Path checkpoint = directory.resolve("mamba");
    Path file = directory.resolve("mamba.onnx");
    OnnxExporter.write(
        OnnxFunctions.define(Models.load(checkpoint)), file, OnnxExporter.Options.DEFAULT);

    ModelSummary before = inspect(checkpoint);
    ModelSummary after = inspect(file);

    assertThat(after.kind()).isEqualTo(Kind.ONNX);
    assertThat(after.parts()).isEqualTo(before.parts());
    assertThat(after.operators()).isEqualTo(before.operators());
    assertThat(after.operators()).containsEntry("dev.manticore.SelectiveScan", 2);
    assertThat(before.parts()).extracting(Part::name).contains("head").doesNotContain("positions");
    assertThat(before.maxLength()).isZero();
  }

  @Test
  void anArtifactTellsItsBlocksInTextAndJson() throws IOException {
    Artifact artifact =
        new ArtifactWriter(Devices.byName("cpu"))
            .write(directory.resolve("artifact"), tiny.request(tiny.splice(Embeddings.FRESH)));

    ModelSummary summary = inspect(artifact.directory());
    ModelSummary described = inspect(artifact.directory().resolve("hybrid.json"));
    ModelSummary deployed = inspect(artifact.deployed());

    assertThat(summary.kind()).isEqualTo(Kind.ARTIFACT);
    assertThat(summary.parts())
        .extracting(Part::name)
        .containsExactlyInAnyOrder(
            "mixture weights",
            "projectors",
            "fresh tables",
            "component mamba",
            "component gpt-neo");
    assertThat(summary.blocks())
        .containsExactly(
            new ModelSummary.Block(List.of(List.of(0, 1), List.of(0, 1)), List.of(0.5f, 0.5f)),
            new ModelSummary.Block(List.of(List.of(1, 2), List.of(1, 3)), List.of(0.5f, 0.5f)));
    assertThat(described.parts()).isEqualTo(summary.parts());
    assertThat(described.kind()).isEqualTo(Kind.HYBRID);
    assertThat(deployed.components()).isEmpty();
    assertThat(deployed.parameters()).isPositive();
    JsonNode json = new ObjectMapper().readTree(Inspection.toJson(summary));
    assertThat(json.path("kind").asText()).isEqualTo("artifact");
    assertThat(json.path("blocks").path(1).path("mixture_weights").toString())
        .isEqualTo("[0.5,0.5]");
    assertThat(json.path("max_length").asInt()).isEqualTo(24);
    assertThat(Inspection.toText(summary))
        .startsWith("model                        tiny (artifact)\n")
        .contains("block 1                      0.500 mamba[1..2) + 0.500 gpt-neo[1..3)\n")
        .contains("  component mamba ")
        .contains("  dev.manticore.Projector    8\n");
  }

  @Test
  void refusesWhatIsNoModel() {
    assertThatThrownBy(() -> inspect(directory.resolve("nothing")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there is no model");
    assertThatThrownBy(() -> inspect(directory.resolve("mamba").resolve("model.safetensors")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("neither an artifact nor a checkpoint");
  }

  private static ModelSummary inspect(Path model) {
    return Inspection.of(model, Optional.empty());
  }
}
