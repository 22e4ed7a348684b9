package dev.manticore.compiler.hybrid;

import static dev.manticore.compiler.TinyModels.VOCABULARY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HybridFilesTest {

  private static final ImmutableMap<String, ModelConfig> CONFIGS =
      ImmutableMap.of(
          "mamba", TinyModels.mamba(3, 24),
          "neo", TinyModels.gptNeo(2, 16, 40),
          "state-spaces", TinyModels.stateSpaces(2, 20),
          "gpt2", TinyModels.gpt2(2, 16),
          "neox", TinyModels.gptNeoX(2, 16, true),
          "mamba2", TinyModels.mamba2(2, 16),
          "state-spaces2", TinyModels.stateSpaces2(2, 20));

  @TempDir private Path directory;

  @BeforeEach
  void writeCheckpoints() {
    CONFIGS.forEach(
        (name, config) ->
            Models.write(
                directory.resolve(name),
                config,
                Models.parameters(TinyModels.build(name, config, name.length()))));
  }

  @ParameterizedTest
  @CsvSource({"PRETRAINED,TIED", "PRETRAINED,SEPARATE", "FRESH,TIED", "FRESH,SEPARATE"})
  void whatIsWrittenIsReadBack(Embeddings embeddings, Gates gates) {
    Hybrid hybrid = tuned(splice(embeddings, gates));
    Path written = directory.resolve("written");

    HybridFiles.write(written, hybrid, checkpoints());
    Hybrid read = HybridFiles.read(written.resolve("hybrid.json"), written.resolve("components"));

    assertThat(read.names()).isEqualTo(hybrid.names());
    assertThat(read.options().partition()).isEqualTo(hybrid.options().partition());
    Map<String, Tensor> expected = HybridFiles.parameters(hybrid.graph());
    Map<String, Tensor> found = HybridFiles.parameters(read.graph());
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach(
        (name, tensor) -> {
          assertThat(found.get(name).type()).as(name).isEqualTo(tensor.type());
          assertThat(found.get(name).data().toByteArray())
              .as(name)
              .isEqualTo(tensor.data().toByteArray());
        });
    Tensor ids = TinyModels.ids(2, 5, 1);
    assertThat(Runs.onDevice(read.graph(), ids).toDoubles())
        .isEqualTo(Runs.onDevice(hybrid.graph(), ids).toDoubles());
  }

  @ParameterizedTest
  @CsvSource({"PRETRAINED", "FRESH"})
  void aWrittenComponentIsTheHybridWithAllWeightOnIt(Embeddings embeddings) {
    Hybrid hybrid = tuned(splice(embeddings, Gates.TIED));
    Path written = directory.resolve("written");
    HybridFiles.write(written, hybrid, checkpoints());
    Tensor ids = TinyModels.ids(2, 5, 1);

    for (int k = 0; k < CONFIGS.size(); k++) {
      ImmutableMap.Builder<String, Tensor> alpha = ImmutableMap.builder();
      for (int i = 0; i < hybrid.blocks(); i++) {
        float[] logits = new float[CONFIGS.size()];
        Arrays.fill(logits, -1e4f);
        logits[k] = 0;
        alpha.put(Hybrid.alpha(i), Tensor.ofFloats(Shape.of(logits.length), logits));
      }
      Tensor expected =
          Runs.onDevice(HybridFiles.withParameters(hybrid, alpha.buildOrThrow()).graph(), ids);
      Tensor logits =
          Runs.onDevice(
              Models.load(written.resolve("components").resolve(hybrid.names().get(k))), ids);

      assertThat(logits.shape()).isEqualTo(Shape.of(2, 5, VOCABULARY));
      assertThat(Runs.difference(logits, expected, VOCABULARY)).isLessThan(1e-5);
    }
  }

  @Test
  void refusesToReadWhatLacksATensor() throws IOException {
    Path written = directory.resolve("written");
    HybridFiles.write(written, splice(Embeddings.PRETRAINED, Gates.TIED), checkpoints());
    SafetensorsWriter.write(
        written.resolve("hybrid.safetensors"), ImmutableMap.of(), ImmutableMap.of());

    assertThatThrownBy(
            () -> HybridFiles.read(written.resolve("hybrid.json"), written.resolve("components")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("blocks.0.alpha");
  }

  @Test
  void refusesAnUnknownKindOfGates() throws IOException {
    Path written = directory.resolve("written");
    HybridFiles.write(written, splice(Embeddings.PRETRAINED, Gates.TIED), checkpoints());
    Path description = written.resolve("hybrid.json");
    AtomicFiles.writeString(description, Files.readString(description).replace("tied", "loose"));

    assertThatThrownBy(() -> HybridFiles.read(description, written.resolve("components")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'gating' is \"loose\"")
        .hasMessageContaining("[tied, separate]");
  }

  @Test
  void refusesAComponentNameThatLeavesTheDirectory() {
    Hybrid hybrid = splice(Embeddings.PRETRAINED, Gates.TIED);
    List<Component> components = new ArrayList<>(hybrid.components());
    components.set(1, components.get(1).withName("../neo"));
    Hybrid renamed =
        new Hybrid(
            hybrid.graph(),
            ImmutableList.copyOf(components),
            hybrid.options(),
            hybrid.maxLength(),
            hybrid.hiddenStates(),
            hybrid.mixtureWeights());

    assertThatThrownBy(
            () -> HybridFiles.write(directory.resolve("written"), renamed, checkpoints()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'../neo'");
    assertThat(directory.resolve("neo")).isDirectory();
  }

  private List<Path> checkpoints() {
    return CONFIGS.keySet().stream().map(directory::resolve).toList();
  }

  private Hybrid splice(Embeddings embeddings, Gates gates) {
    List<Component> components =
        CONFIGS.keySet().stream()
            .map(name -> ComponentFinder.find(name, Models.load(directory.resolve(name))))
            .toList();
    return Splicer.splice(
        components,
        new SpliceOptions(
            2,
            gates,
            ProjectorInitialisation.PAPER,
            embeddings,
            ImmutableList.of(
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 3)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2)),
                ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 2))),
            VOCABULARY,
            5));
  }

  /** Every parameter a little away from what it was. */
  private static Hybrid tuned(Hybrid hybrid) {
    ImmutableMap.Builder<String, Tensor> moved = ImmutableMap.builder();
    HybridFiles.parameters(hybrid.graph())
        .forEach(
            (name, tensor) -> {
              float[] values = tensor.toFloats();
              for (int i = 0; i < values.length; i++) {
                values[i] += 0.01f * (i % 7 - 3);
              }
              moved.put(name, Tensor.ofFloats(tensor.shape(), values));
            });
    return HybridFiles.withParameters(hybrid, moved.buildOrThrow());
  }
}
