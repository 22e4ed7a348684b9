package dev.manticore.compiler.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.artifact.ArtifactRequest.Options;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.lower.TargetCheck;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.OnnxImporter.Functions;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ArtifactWriterTest {

  private final ArtifactWriter writer = new ArtifactWriter(Devices.byName("cpu"));

  @TempDir private Path directory;
  private TinyHybrid tiny;
  private Path target;

  @BeforeEach
  void writeCheckpoints() {
    tiny = TinyHybrid.in(directory.resolve("given"));
    target = directory.resolve("out").resolve("artifact");
  }

  @ParameterizedTest
  @EnumSource(Embeddings.class)
  void theModelsAreTheHybridInBothRuntimes(Embeddings embeddings) {
    Hybrid hybrid = tiny.splice(embeddings);

    Artifact artifact = writer.write(target, tiny.request(hybrid));

    artifact.check();
    Tensor ids = Tensor.ofLongs(Shape.of(2, 5), 3, 1, 4, 1, 5, 9, 2, 6, 5, 258);
    Tensor expected = Runs.onDevice(hybrid.graph(), ids);
    for (Path file : List.of(artifact.model(), artifact.deployed())) {
      assertThat(Runs.difference(Runs.fromFile(file, ids), expected, tiny.vocabulary()))
          .isLessThan(1e-5);
      Tensor logits = Runs.fromFileByMicrosoft(file, ids, directory);
      assertThat(Runs.difference(logits, expected, tiny.vocabulary())).isLessThan(1e-5);
    }
    Tensor inPieces = Runs.fromFileByMicrosoft(artifact.decoder().orElseThrow(), ids, directory);
    assertThat(Runs.difference(inPieces, expected, tiny.vocabulary())).isLessThan(1e-5);
    assertThat(Runs.onDevice(artifact.hybrid().graph(), ids).toDoubles())
        .isEqualTo(expected.toDoubles());
  }

  @ParameterizedTest
  @CsvSource({
    "ONNXRUNTIME_CPU, FLOAT16",
    "ONNXRUNTIME_CUDA, FLOAT32",
    "ONNXRUNTIME_CUDA, BFLOAT16",
    "TENSORRT_10, FLOAT16"
  })
  void deployedModelsAreForATargetInAPrecision(Target runtime, Precision precision) {
    Hybrid hybrid = tiny.splice(Embeddings.PRETRAINED);
    Deployment deployment = new Deployment(runtime, precision);

    Artifact artifact =
        writer.write(target, tiny.request(hybrid).with(Options.DEFAULT.withDeployment(deployment)));

    assertThat(artifact.manifest().deployment()).isEqualTo(deployment);
    Graph deployed = OnnxImporter.read(artifact.deployed());
    Graph decoder = OnnxImporter.read(artifact.decoder().orElseThrow());
    for (Graph graph : List.of(deployed, decoder)) {
      assertThat(
              graph.nodes().stream()
                  .filter(node -> node.op().isOnnx("MatMul"))
                  .map(node -> node.output().elementType().toString()))
          .containsOnly(precision.name());
      assertThat(graph.output("logits").elementType()).isEqualTo(ElementType.FLOAT32);
    }
    assertThat(TargetCheck.check(deployed, runtime)).isEmpty();
    ExportDiscrepancy again = new ArtifactCheck(Devices.byName("cpu")).run(artifact);
    assertThat(again.passed()).isTrue();
    assertThat(again.models())
        .extracting(ExportDiscrepancy.Model::precision)
        .containsExactly("float32", precision.toString(), precision.toString());
    if (precision != Precision.FLOAT32) {
      assertThat(again.models().subList(1, 3))
          .allSatisfy(model -> assertThat(model.logitsMaxAbs()).isGreaterThan(1e-5));
    }
  }

  @Test
  void projectorsAndMixturesAreFunctionsOfTheHybridsOwnFile() {
    Artifact artifact = writer.write(target, tiny.request(tiny.splice(Embeddings.PRETRAINED)));

    Graph own = OnnxImporter.read(artifact.model(), Functions.KEEP);
    Graph plain = OnnxImporter.read(artifact.deployed(), Functions.KEEP);

    assertThat(own.functions())
        .extracting(function -> function.op().name())
        .contains("Projector", "Mixture2", "SelectiveScan", "CausalConv");
    assertThat(own.nodes().stream().filter(node -> node.op().name().equals("Projector")))
        .hasSize(2 * 2 * 2);
    assertThat(plain.functions()).isEmpty();
    assertThat(plain.nodes()).allMatch(node -> node.op().domain().isEmpty());
    assertThat(plain.nodes()).anyMatch(node -> node.op().isOnnx("Scan"));
    assertThat(plain.opsets()).containsExactly(Map.entry("", 23));
    assertThat(plain.inputs().toString()).isEqualTo("[%input_ids: i64[batch,length]]");
  }

  @Test
  void theManifestNamesEveryFileAndWhatWasBuilt() throws IOException {
    Hybrid hybrid = tiny.splice(Embeddings.PRETRAINED);
    Map<String, Tensor> alpha =
        Map.of(Hybrid.alpha(1), Tensor.ofFloats(Shape.of(2), 0, (float) Math.log(3)));

    Artifact artifact =
        writer.write(target, tiny.request(HybridFiles.withParameters(hybrid, alpha)));

    Manifest manifest = artifact.manifest();
    assertThat(manifest.componentNames()).containsExactly("mamba", "gpt-neo");
    assertThat(manifest.mixtureWeights())
        .containsExactly(List.of(0.5f, 0.5f), List.of(0.25f, 0.75f));
    assertThat(manifest.vocabulary()).isEqualTo(tiny.vocabulary());
    assertThat(manifest.maxLength()).isEqualTo(24);
    assertThat(manifest.seeds()).containsEntry("splice", 5L);
    assertThat(manifest.files().keySet())
        .containsExactly(
            "components/gpt-neo/config.json",
            "components/gpt-neo/model.safetensors",
            "components/mamba/config.json",
            "components/mamba/model.safetensors",
            "decoder/genai_config.json",
            "decoder/model.onnx",
            "decoder/tokenizer.json",
            "decoder/tokenizer_config.json",
            "deploy/model.onnx",
            "discrepancy.json",
            "hybrid.json",
            "hybrid.safetensors",
            "model.onnx",
            "tokenizer.json");
    assertThat(contents(target).keySet())
        .containsExactlyInAnyOrderElementsOf(
            Stream.concat(manifest.files().keySet().stream(), Stream.of("manifest.json")).toList());
    JsonNode discrepancy =
        new ObjectMapper().readTree(Files.readAllBytes(target.resolve("discrepancy.json")));
    assertThat(discrepancy.path("passed").asBoolean()).isTrue();
    assertThat(discrepancy.path("limit").asDouble()).isEqualTo(1e-4);
    assertThat(discrepancy.path("lengths").toString()).isEqualTo("[12,5,1]");
    assertThat(discrepancy.path("models").findValues("logits_max_abs")).hasSize(3);
  }

  @Test
  void aSecondWriteGivesTheSameBytes() throws IOException {
    Hybrid hybrid = tiny.splice(Embeddings.FRESH);
    writer.write(target, tiny.request(hybrid));
    SortedMap<String, String> first = contents(target);
    writer.write(target, tiny.request(hybrid));
    Path other = directory.resolve("other");
    writer.write(other, tiny.request(tiny.splice(Embeddings.FRESH)));

    assertThat(contents(target)).isEqualTo(first);
    assertThat(contents(other)).isEqualTo(first);
    assertThat(target.getParent().toFile().list()).containsExactly("artifact");
  }

  @Test
  void weightsCanBeInFilesOfTheirOwn() {
    Hybrid hybrid = tiny.splice(Embeddings.PRETRAINED);

    Artifact artifact =
        writer.write(
            target, tiny.request(hybrid).with(Options.DEFAULT.withPlacement(Placement.EXTERNAL)));

    artifact.check();
    assertThat(artifact.manifest().files())
        .containsKeys("model.onnx.data", "deploy/model.onnx.data");
    Tensor ids = Tensor.ofLongs(Shape.of(1, 3), 7, 8, 9);
    assertThat(
            Runs.difference(
                Runs.fromFileByMicrosoft(artifact.deployed(), ids, directory),
                Runs.onDevice(hybrid.graph(), ids),
                tiny.vocabulary()))
        .isLessThan(1e-5);
  }

  @Test
  void aDifferenceAboveTheToleranceLeavesNothing() {
    ArtifactRequest request =
        tiny.request(tiny.splice(Embeddings.FRESH)).with(Options.DEFAULT.withTolerance(-1));

    assertThatThrownBy(() -> writer.write(target, request))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("model.onnx is not the hybrid 'tiny'")
        .hasMessageContaining("held-out tokens");
    assertThat(target.getParent()).isEmptyDirectory();
  }

  @Test
  void anArtifactThatIsThereStaysWhenANewOneFails() throws IOException {
    Hybrid hybrid = tiny.splice(Embeddings.FRESH);
    writer.write(target, tiny.request(hybrid));
    SortedMap<String, String> before = contents(target);

    assertThatThrownBy(
            () ->
                writer.write(target, tiny.request(hybrid).with(Options.DEFAULT.withTolerance(-1))))
        .isInstanceOf(ManticoreException.class);

    assertThat(contents(target)).isEqualTo(before);
    assertThat(target.getParent().toFile().list()).containsExactly("artifact");
  }

  @Test
  void refusesToReplaceAnythingElse() throws IOException {
    Files.createDirectories(target);
    AtomicFiles.writeString(target.resolve("thesis.txt"), "words");

    assertThatThrownBy(() -> writer.write(target, tiny.request(tiny.splice(Embeddings.FRESH))))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("something else is there");
    assertThat(target.resolve("thesis.txt")).hasContent("words");
  }

  @Test
  void refusesATokenizerOfMoreIdsThanTheVocabulary() {
    ArtifactRequest request = tiny.request(tiny.splice(Embeddings.FRESH, tiny.vocabulary() - 1));

    assertThatThrownBy(() -> writer.write(target, request))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("tokenizer.json has " + tiny.vocabulary() + " ids");
    assertThat(target).doesNotExist();
  }

  @Test
  void refusesAPlaceThatCannotBeWritten() {
    AtomicFiles.writeString(directory.resolve("file"), "words");
    Path below = directory.resolve("file").resolve("artifact");

    assertThatThrownBy(() -> writer.write(below, tiny.request(tiny.splice(Embeddings.FRESH))))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("cannot write the artifact " + below);
  }

  @Test
  void aChangedFileIsNoticed() {
    Artifact artifact = writer.write(target, tiny.request(tiny.splice(Embeddings.FRESH)));
    AtomicFiles.writeString(target.resolve("hybrid.json"), "{}");

    assertThatThrownBy(artifact::check)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("hybrid.json");
  }

  @Test
  void refusesADirectoryThatIsNoArtifact() {
    assertThatThrownBy(() -> Artifact.open(directory))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("manifest.json");
  }

  private static SortedMap<String, String> contents(Path root) throws IOException {
    SortedMap<String, String> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(root)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        contents.put(root.relativize(file).toString(), Artifact.describe(file).sha256());
      }
    }
    return contents;
  }
}
