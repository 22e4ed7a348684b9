package dev.manticore.onnx.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Checkpoint to graph to ONNX to graph to checkpoint gives the same tensors, bit for bit. */
final class CheckpointRoundTripTest {

  private static final Map<String, String> CONFIGS =
      Map.of(
          "gpt2",
          "{'model_type': 'gpt2', 'vocab_size': 11, 'n_embd': 8, 'n_layer': 2, 'n_head': 2,"
              + " 'n_positions': 16, 'torch_dtype': 'float16'}",
          "gpt-neo",
          "{'model_type': 'gpt_neo', 'vocab_size': 11, 'hidden_size': 8, 'num_layers': 2,"
              + " 'num_heads': 2, 'max_position_embeddings': 16, 'nothing': Infinity}",
          "gpt-neox",
          "{'model_type': 'gpt_neox', 'vocab_size': 11, 'hidden_size': 16, 'num_hidden_layers': 2,"
              + " 'num_attention_heads': 2, 'intermediate_size': 20}",
          "mamba",
          "{'model_type': 'mamba', 'vocab_size': 11, 'hidden_size': 8, 'num_hidden_layers': 2,"
              + " 'state_size': 4, 'use_bias': true}",
          "mamba2",
          "{'model_type': 'mamba2', 'vocab_size': 11, 'hidden_size': 8, 'num_hidden_layers': 2,"
              + " 'state_size': 4, 'head_dim': 4, 'n_groups': 2, 'chunk_size': 3,"
              + " 'time_step_limit': [0.0, Infinity]}",
          "mamba2-state-spaces",
          "{'d_model': 8, 'n_layer': 2, 'vocab_size': 11,"
              + " 'ssm_cfg': {'layer': 'Mamba2', 'd_state': 16, 'headdim': 4}}",
          "state-spaces",
          "{'d_model': 8, 'n_layer': 2, 'vocab_size': 11, 'ssm_cfg': {'d_state': 4}}");

  @TempDir private Path directory;

  static Stream<Arguments> checkpoints() {
    return CONFIGS.keySet().stream()
        .sorted()
        .flatMap(
            family ->
                Stream.of("float32", "float16", "bfloat16", "mixed", "bare")
                    .map(kind -> Arguments.of(family, kind)));
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void theSameTensorsComeBack(String family, String kind) {
    ModelConfig config = config(family);
    Checkpoint original = stored(config, tensors(config, kind), Long.MAX_VALUE);
    Graph graph = Models.build(family, original);

    for (Graph exported : List.of(graph, OnnxFunctions.define(graph))) {
      Path file = directory.resolve("model.onnx");
      OnnxExporter.write(exported, file, OnnxExporter.Options.DEFAULT);
      Path back = directory.resolve("back");
      Models.write(
          back, original, Models.parameters(OnnxImporter.read(file)), WriteOptions.DEFAULT);

      assertSame(Checkpoint.read(back), original);
    }
  }

  @ParameterizedTest
  @MethodSource("checkpoints")
  void shardsGiveTheSame(String family, String kind) throws Exception {
    ModelConfig config = config(family);
    Map<String, Tensor> tensors = tensors(config, kind);
    Checkpoint original = stored(config, tensors, 2000);
    assertThat(original.weights().getFileName()).hasToString("model.safetensors.index.json");
    assertSame(original, new Checkpoint(directory, config, directory, tensors(config, kind)));

    Path back = directory.resolve("back");
    Models.write(
        back,
        original,
        Models.parameters(Models.build("m", original)),
        WriteOptions.DEFAULT.withShardBytes(3000));

    assertSame(Checkpoint.read(back), original);
    ObjectNode index = ModelConfig.readObject(back.resolve("model.safetensors.index.json"));
    long total = tensors.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
    assertThat(index.path("metadata").path("total_size").longValue()).isEqualTo(total);
    List<String> files = new ArrayList<>();
    index.get("weight_map").forEach(file -> files.add(file.textValue()));
    long shards = files.stream().distinct().count();
    assertThat(shards).isGreaterThan(1);
    for (int i = 1; i <= shards; i++) {
      String file = String.format("model-%05d-of-%05d.safetensors", i, shards);
      assertThat(files).contains(file);
      Map<String, Tensor> shard = SafetensorsFile.open(back.resolve(file)).tensors();
      long bytes = shard.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
      assertThat(bytes <= 3000 || shard.size() == 1).as("%s of %s bytes", file, bytes).isTrue();
    }
    assertThat(back.resolve("model.safetensors")).doesNotExist();
  }

  @Test
  void changedParametersAreWrittenTiedCopiesToo() {
    ModelConfig config = config("gpt2");
    Checkpoint original = stored(config, tensors(config, "float16"), Long.MAX_VALUE);
    Map<String, Tensor> parameters =
        new LinkedHashMap<>(Models.parameters(Models.build("m", original)));
    float[] table = parameters.get("transformer.wte.weight").toFloats();
    table[3] = 1.5f;
    parameters.put("transformer.wte.weight", Tensor.ofFloats(Shape.of(11, 8), table));

    Models.write(directory.resolve("back"), original, parameters, WriteOptions.DEFAULT);

    Map<String, Tensor> back = Checkpoint.read(directory.resolve("back")).tensors();
    assertThat(back.get("lm_head.weight").elementType()).isEqualTo(ElementType.FLOAT16);
    assertThat(back.get("lm_head.weight").toFloats()).isEqualTo(table);
    assertThat(back.get("transformer.wte.weight").toFloats()).isEqualTo(table);
  }

  @Test
  void writesTheElementTypeThatIsAskedFor() throws Exception {
    for (String family : CONFIGS.keySet()) {
      ModelConfig config = config(family);
      Map<String, Tensor> parameters = Models.parameters(Models.fresh("m", config, 3));
      Path half = directory.resolve(family);
      WriteOptions options = WriteOptions.DEFAULT.withDtype(Dtype.BFLOAT16);
      Models.write(half, config, parameters, options);

      Checkpoint.read(half)
          .tensors()
          .forEach(
              (name, tensor) ->
                  assertThat(tensor.data().toByteArray())
                      .isEqualTo(
                          Tensor.ofDoubles(
                                  ElementType.BFLOAT16,
                                  tensor.shape(),
                                  parameters.get(name).toDoubles())
                              .data()
                              .toByteArray()));
      String text = Files.readString(half.resolve("config.json"));
      assertThat(text.contains("\"torch_dtype\" : \"bfloat16\""))
          .isEqualTo(!family.endsWith("state-spaces"));
      Models.write(
          directory.resolve(family + "-wide"),
          Checkpoint.read(half),
          Models.parameters(Models.load(half)),
          WriteOptions.DEFAULT.withDtype(Dtype.FLOAT32));
      Checkpoint wide = Checkpoint.read(directory.resolve(family + "-wide"));
      assertThat(wide.tensors().values())
          .allMatch(tensor -> tensor.elementType() == ElementType.FLOAT32);
      assertThat(wide.config().toText()).doesNotContain("bfloat16");
    }
  }

  @Test
  void refusesToMixCheckpointsOfTwoLayouts() {
    ModelConfig config = config("gpt2");
    Map<String, Tensor> tensors = tensors(config, "float32");
    stored(config, tensors, 2000);
    assertThatThrownBy(() -> stored(config, tensors, Long.MAX_VALUE))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("model.safetensors.index.json is of another checkpoint");

    Path other = directory.resolve("other");
    Checkpoint.write(other, config, tensors, Long.MAX_VALUE);
    assertThatThrownBy(() -> Checkpoint.write(other, config, tensors, 2000))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("model.safetensors is of another checkpoint");
  }

  private static void assertSame(Checkpoint found, Checkpoint expected) {
    assertThat(found.config().json()).isEqualTo(expected.config().json());
    assertThat(found.tensors().keySet()).isEqualTo(expected.tensors().keySet());
    found
        .tensors()
        .forEach(
            (name, tensor) ->
                assertThat(TensorContents.equal(tensor, expected.tensors().get(name)))
                    .as(name)
                    .isTrue());
  }

  private Checkpoint stored(ModelConfig config, Map<String, Tensor> tensors, long shardBytes) {
    Path original = directory.resolve("original");
    Checkpoint.write(original, config, tensors, shardBytes);
    return Checkpoint.read(original);
  }

  /**
   * Tensors as a checkpoint stores them.
   *
   * @param kind an element type; or "mixed", of several; or "bare", of a model without its head.
   *     The others have buffers and a tied copy where the family has such.
   */
  private static ImmutableMap<String, Tensor> tensors(ModelConfig config, String kind) {
    List<ElementType> types =
        List.of(ElementType.FLOAT32, ElementType.BFLOAT16, ElementType.FLOAT16);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    Models.parameters(Models.fresh("m", config, 5))
        .forEach(
            (name, tensor) -> {
              ElementType type =
                  switch (kind) {
                    case "mixed" -> types.get(tensors.size() % 3);
                    case "float16", "bare" -> ElementType.FLOAT16;
                    case "bfloat16" -> ElementType.BFLOAT16;
                    default -> ElementType.FLOAT32;
                  };
              String stored = kind.equals("bare") ? name.replaceFirst("^[a-z_]+\\.", "") : name;
              boolean whole = stored.equals(name) || !name.matches("(lm_head|embed_out).*");
              tensors.put(
                  whole ? stored : name,
                  Tensor.ofDoubles(type, tensor.shape(), tensor.toDoubles()));
            });
    if (config.isOfType("gpt2") && !kind.equals("bare")) {
      tensors.put("lm_head.weight", tensors.get("transformer.wte.weight"));
      tensors.put(
          "transformer.h.0.attn.bias",
          Tensor.ofDoubles(ElementType.BOOL, Shape.of(1, 1, 2, 2), 1, 0, 1, 1));
    }
    return ImmutableMap.copyOf(tensors);
  }

  private static ModelConfig config(String family) {
    return ModelConfig.parse("config", CONFIGS.get(family).replace('\'', '"'));
  }
}
