package dev.manticore.compiler.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.inspect.Inspection.Extents;
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
    // Two operations for each product of a matrix, and what a norm, an activation or a sum takes.
    long width = 24;
    long length = 24;
    long norm = 7 * width;
    long heads = 4;
    long mixer = norm + 4 * 2 * width * width + 2 * 2 * length * width + 6 * heads * length + width;
    long mlp = norm + 2 * 2 * width * 4 * width + 2 * 4 * width + width;
    long residuals = 2 * width;
    assertThat(summary.cost().length()).isEqualTo(length);
    assertThat(summary.parts())
        .extracting(Part::name, Part::parameters, Part::flopsPerToken)
        .containsExactly(
            tuple("embedding", rows * width, 0L),
            tuple("positions", length * width, width),
            tuple("layer 0", layer, mixer + mlp + residuals),
            tuple("layer 1", layer, mixer + mlp + residuals),
            tuple("layer 2", layer, mixer + mlp + residuals),
            tuple("final norm", 2 * width, norm),
            tuple("head", 0L, 2 * width * rows),
            tuple("shared", 0L, 0L));
    assertThat(summary.parts().get(2).parts())
        .extracting(Part::name, Part::kind, Part::flopsPerToken)
        .containsExactly(tuple("mixer", "attention", mixer), tuple("mlp", "mlp", mlp));
    assertThat(summary.cost().uncounted()).isEmpty();
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
        .contains(
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
    return Inspection.open(model, Optional.empty(), Extents.USUAL).summary();
  }
}
