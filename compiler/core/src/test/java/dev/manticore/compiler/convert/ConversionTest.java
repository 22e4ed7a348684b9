package dev.manticore.compiler.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.diff.ModelDiff;
import dev.manticore.compiler.extract.Extraction;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.Value;
import dev.manticore.onnx.HirFiles;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.huggingface.Checkpoint;
import dev.manticore.onnx.huggingface.Dtype;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.huggingface.WriteOptions;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConversionTest {

  @TempDir private Path directory;

  private Path checkpoint(ModelConfig config, Dtype dtype) {
    Path place = directory.resolve("checkpoint");
    Models.write(
        place,
        config,
        Models.parameters(TinyModels.build("model", config, 3)),
        WriteOptions.DEFAULT.withDtype(dtype));
    return place;
  }

  @ParameterizedTest
  @CsvSource({
    "onnx, FLOAT32",
    "hir, FLOAT32",
    "onnx, BFLOAT16",
    "hir, FLOAT16",
  })
  void aCheckpointComesBackBitForBit(String form, Dtype dtype) throws IOException {
    Path before = checkpoint(TinyModels.gptNeoX(2, 16, true), dtype);
    Files.writeString(before.resolve("tokenizer.json"), "{}");
    Path graph = directory.resolve("between/model." + form);
    Files.createDirectories(graph.getParent());
    Path after = directory.resolve("after");

    convert(before, graph);
    convert(graph, after);

    Checkpoint one = Checkpoint.read(before);
    Checkpoint other = Checkpoint.read(after);
    assertThat(other.tensors().keySet()).isEqualTo(one.tensors().keySet());
    one.tensors().forEach((name, tensor) -> assertSame(other.tensors().get(name), tensor));
    assertThat(new ObjectMapper().readTree(after.resolve("config.json").toFile()))
        .isEqualTo(new ObjectMapper().readTree(before.resolve("config.json").toFile()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox", "mamba", "mamba-state-spaces", "mamba2"})
  void everyFamilyGoesToOnnxToTextAndBack(String family) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + family);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Path onnx = directory.resolve("model.onnx");
    Path text = directory.resolve("model.hir");
    Path after = directory.resolve("after");

    convert(fixture.orElseThrow(), onnx);
    convert(onnx, text);
    convert(text, after);

    Graph one = Models.load(fixture.orElseThrow());
    Graph other = Models.load(after);
    one.parameters()
        .forEach(
            (value, tensor) ->
                assertSame(
                    other.parameters().get(other.parameter(value.name()).orElseThrow()), tensor));
    assertThat(ModelDiff.structure(one, other).same()).isTrue();
  }

  @Test
  void weightsAreStoredInHalfAndComputedWithInFull() {
    Path before = checkpoint(TinyModels.gptNeo(2, 16), Dtype.FLOAT32);
    Path file = directory.resolve("half.onnx");
    Path after = directory.resolve("after");

    convert(before, file, Optional.empty(), Dtype.FLOAT16);
    convert(file, after, Optional.empty(), Dtype.FLOAT32);

    Graph graph = ModelFiles.read(file);
    assertThat(graph.parameters().keySet())
        .extracting(Value::elementType)
        .containsOnly(ElementType.FLOAT16);
    assertThat(graph.outputs().get(0).elementType()).isEqualTo(ElementType.FLOAT32);
    Path rounded = directory.resolve("rounded");
    convert(before, rounded, Optional.empty(), Dtype.FLOAT16);
    Graph expected = Models.load(rounded);
    Models.parameters(Models.load(after))
        .forEach(
            (name, tensor) ->
                assertSame(
                    tensor, expected.parameters().get(expected.parameter(name).orElseThrow())));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void anExportOfAnotherToolComesBackLikeItsCheckpoint(String family) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + family);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Path export = fixture.orElseThrow().resolve("model.onnx");
    Path after = directory.resolve("after");

    assertThatThrownBy(() -> convert(export, after))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-CONVERT"))
        .hasMessageContaining("--like");
    convert(export, after, fixture, Dtype.AS_STORED);

    Checkpoint one = Checkpoint.read(fixture.orElseThrow());
    Checkpoint other = Checkpoint.read(after);
    assertThat(other.tensors().keySet()).isEqualTo(one.tensors().keySet());
    one.tensors().forEach((name, tensor) -> assertSame(other.tensors().get(name), tensor));
  }

  @Test
  void aGraphThatComputesSomethingElseHasNoCheckpoint() {
    Path before = checkpoint(TinyModels.gptNeo(2, 16), Dtype.FLOAT32);
    Path whole = directory.resolve("whole.onnx");
    convert(before, whole);
    Graph graph = ModelFiles.read(whole);
    Path after = directory.resolve("after");

    // All parameters are there, and the second layer reads the first one's.
    GraphEditor editor = graph.edit();
    Value first = graph.parameter("transformer.h.0.mlp.c_fc.bias").orElseThrow();
    Value second = graph.parameter("transformer.h.1.mlp.c_fc.bias").orElseThrow();
    editor.replaceUses(second, first);
    Path changed = directory.resolve("changed.onnx");
    ModelFiles.write(editor.freeze(), changed, Placement.INLINE);
    assertThatThrownBy(() -> convert(changed, after))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("does not compute what");

    Path part = directory.resolve("part.onnx");
    ModelFiles.write(
        Extraction.layers(ModelFiles.component("whole", whole), 0, 0).graph(),
        part,
        Placement.INLINE);
    assertThatThrownBy(() -> convert(part, after))
        .hasMessageContaining("its parameters are not those of the model");
    assertThat(after).doesNotExist();
  }

  @Test
  void refusesToWriteOverItsInputOrAFile() throws IOException {
    Path before = checkpoint(TinyModels.gptNeo(2, 16), Dtype.FLOAT32);
    Path file = Files.writeString(directory.resolve("model.bin"), "x");

    assertThatThrownBy(() -> convert(before, directory.resolve("./checkpoint")))
        .hasMessageContaining("over itself");
    assertThatThrownBy(() -> convert(before, file)).hasMessageContaining("neither .onnx nor .hir");
  }

  @Test
  void aTextWithoutItsWeightsOrWithOthersSaysSo() throws IOException {
    Path before = checkpoint(TinyModels.gptNeo(2, 16), Dtype.FLOAT32);
    Path text = directory.resolve("model.hir");
    convert(before, text);
    Path weights = HirFiles.weights(text);
    byte[] bytes = Files.readAllBytes(weights);
    bytes[bytes.length - 3] ^= 1;
    Files.write(weights, bytes);

    assertThatThrownBy(() -> ModelFiles.read(text))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is not the tensor that");
    Files.delete(weights);
    assertThatThrownBy(() -> convert(text, directory.resolve("after")))
        .hasMessageContaining("left out of the text");
  }

  private static void assertSame(Tensor actual, Tensor expected) {
    assertThat(actual.type()).isEqualTo(expected.type());
    assertThat(TensorContents.equal(actual, expected)).isTrue();
  }

  private static void convert(Path input, Path output) {
    convert(input, output, Optional.empty(), Dtype.AS_STORED);
  }

  private static void convert(Path input, Path output, Optional<Path> like, Dtype dtype) {
    Conversion.convert(
        new Conversion.Request(
            input, output, like, WriteOptions.DEFAULT.withDtype(dtype), Placement.AUTOMATIC));
  }
}
