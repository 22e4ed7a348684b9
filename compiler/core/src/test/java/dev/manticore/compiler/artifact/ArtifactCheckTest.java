package dev.manticore.compiler.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArtifactCheckTest {

  private static final Device CPU = Devices.byName("cpu");

  @TempDir private Path directory;
  private TinyHybrid tiny;
  private Path target;

  @BeforeEach
  void writeArtifact() {
    tiny = TinyHybrid.in(directory.resolve("given"));
    target = directory.resolve("artifact");
    new ArtifactWriter(CPU).write(target, tiny.request(tiny.splice(Embeddings.PRETRAINED)));
  }

  @Test
  void anArtifactAsItWasWrittenPasses() {
    ExportDiscrepancy discrepancy = new ArtifactCheck(CPU).run(Artifact.open(target));

    assertThat(discrepancy.passed()).isTrue();
    assertThat(discrepancy.limit()).isEqualTo(ArtifactRequest.TOLERANCE);
    assertThat(discrepancy.lengths()).containsExactly(12L, 5L, 1L);
    assertThat(discrepancy.models())
        .extracting(ExportDiscrepancy.Model::file)
        .containsExactly("model.onnx", "deploy/model.onnx", "decoder/model.onnx");
  }

  @Test
  void anotherModelUnderTheSameNameDoesNot() throws IOException {
    Path other = directory.resolve("other");
    new ArtifactWriter(CPU).write(other, tiny.request(tiny.splice(Embeddings.FRESH)));
    Files.copy(
        other.resolve(Artifact.DEPLOYED),
        target.resolve(Artifact.DEPLOYED),
        StandardCopyOption.REPLACE_EXISTING);
    describeAnew(Artifact.DEPLOYED);

    ExportDiscrepancy discrepancy = new ArtifactCheck(CPU).run(Artifact.open(target));

    assertThat(discrepancy.passed()).isFalse();
    assertThat(discrepancy.models())
        .extracting(ExportDiscrepancy.Model::passed)
        .containsExactly(true, false, true);
  }

  @Test
  void aFileThatTheManifestDoesNotDescribeIsRefused() {
    AtomicFiles.writeString(target.resolve(Artifact.TOKENIZER), "{}");

    assertThatThrownBy(() -> new ArtifactCheck(CPU).run(Artifact.open(target)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("tokenizer.json is not the file that the manifest describes");
  }

  @Test
  void lengthsThatTheModelsDoNotTakeAreRefused() throws IOException {
    Path file = target.resolve(Artifact.DISCREPANCY);
    ObjectNode json = (ObjectNode) Artifact.JSON.readTree(Files.readString(file));
    json.putArray("lengths").add(1L << 40);
    AtomicFiles.writeString(file, json.toPrettyString());
    describeAnew(Artifact.DISCREPANCY);

    assertThatThrownBy(() -> new ArtifactCheck(CPU).run(Artifact.open(target)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no lengths that the models take");
  }

  /** Makes the manifest describe a changed file. */
  private void describeAnew(String name) throws IOException {
    Path file = target.resolve(Manifest.FILE);
    ObjectNode json = (ObjectNode) Artifact.JSON.readTree(Files.readString(file));
    ((ObjectNode) json.path("files"))
        .set(name, Artifact.JSON.valueToTree(Artifact.describe(target.resolve(name))));
    AtomicFiles.writeString(file, json.toPrettyString());
  }
}
