package dev.manticore.compiler.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProvenanceTest {

  @TempDir private Path directory;
  private Artifact artifact;
  private Provenance provenance;

  @BeforeEach
  void write() throws IOException {
    TinyHybrid tiny = TinyHybrid.in(directory.resolve("given"));
    Path mamba = tiny.checkpoints().get(0);
    Files.writeString(
        mamba.resolve("README.md"), "---\nlanguage: en\nlicense: apache-2.0\n---\n# Mamba\n");
    Files.writeString(mamba.resolve("LICENSE.txt"), "the text of the licence");
    Files.writeString(tiny.checkpoints().get(1).resolve("README.md"), "license: none of this\n");
    artifact =
        new ArtifactWriter(Devices.byName("cpu"))
            .write(directory.resolve("artifact"), tiny.request(tiny.splice(Embeddings.PRETRAINED)));
    provenance =
        new Provenance(
            "Made for a test.",
            "a text",
            "ab".repeat(32),
            ImmutableList.of(
                Provenance.Source.of("mamba", mamba),
                Provenance.Source.of("gpt-neo", tiny.checkpoints().get(1))),
            "held-out",
            ImmutableList.of(
                new Provenance.Result(
                    "hybrid",
                    new Sample(ImmutableList.of(1.24, 1.25, 1.26)),
                    ImmutableMap.of("recall", 1.5)),
                new Provenance.Result(
                    "mamba", new Sample(ImmutableList.of(1.5)), ImmutableMap.of())),
            "name: tiny\n");
  }

  @Test
  void licencesAreReadFromCardsAndCarriedAlong() throws IOException {
    assertThat(provenance.sources().get(0).licence()).hasValue("apache-2.0");
    assertThat(provenance.sources().get(1).licence()).isEqualTo(Optional.empty());
    assertThat(provenance.sources().get(0).files().keySet())
        .containsExactly("config.json", "model.safetensors", "tokenizer.json");
    assertThat(artifact.directory().resolve("components/mamba/LICENSE.txt"))
        .hasContent("the text of the licence");
    assertThat(artifact.manifest().files()).containsKey("components/mamba/LICENSE.txt");
  }

  @Test
  void theCardHasResultsWeightsComponentsAndRecipe() {
    assertThat(ModelCard.text(artifact, provenance))
        .startsWith("---\n")
        .contains("| model | loss | seeds | recall |")
        // 4.3027 standard errors, by Student's t of two degrees of freedom.
        .contains("| hybrid | 1.2500 ± 0.0248 | 3 | 1.5000 |")
        .contains("| mamba | 1.5000 | 1 |  |")
        .contains("| 0 | 0.500 | 0.500 |")
        .contains("| mamba | apache-2.0 | `config.json` ")
        .contains("| gpt-neo | not stated |")
        .contains("```yaml\nname: tiny\n```");
  }

  @Test
  void theBillHasEveryFileThatWentInAndCameOut() throws IOException {
    BillOfMaterials.write(artifact, provenance);
    Path file = artifact.directory().resolve(BillOfMaterials.FILE);
    byte[] first = Files.readAllBytes(file);
    BillOfMaterials.write(artifact, provenance);
    assertThat(Files.readAllBytes(file)).isEqualTo(first);

    JsonNode bill = new ObjectMapper().readTree(first);
    assertThat(bill.path("bomFormat").asText()).isEqualTo("CycloneDX");
    assertThat(bill.path("specVersion").asText()).isEqualTo("1.6");
    JsonNode model = bill.path("metadata").path("component");
    assertThat(model.path("type").asText()).isEqualTo("machine-learning-model");
    assertThat(bill.path("metadata").has("timestamp")).isFalse();
    assertThat(
            model
                .path("modelCard")
                .path("quantitativeAnalysis")
                .path("performanceMetrics")
                .get(0)
                .path("value")
                .asText())
        .isEqualTo("1.250000");
    List<String> hashes = new ArrayList<>();
    bill.findValues("content").forEach(hash -> hashes.add(hash.asText()));
    artifact
        .manifest()
        .files()
        .values()
        .forEach(entry -> assertThat(hashes).contains(entry.sha256()));
    provenance.sources().forEach(source -> assertThat(hashes).containsAll(source.files().values()));
    assertThat(hashes).contains("ab".repeat(32));
    assertThat(bill.path("components").get(0).path("licenses").toString()).contains("apache-2.0");
  }
}
