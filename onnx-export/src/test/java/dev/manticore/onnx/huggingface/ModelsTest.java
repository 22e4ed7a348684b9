package dev.manticore.onnx.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class ModelsTest {

  private static final String GPT_NEO =
      """
      {"model_type": "gpt_neo", "vocab_size": 11, "hidden_size": 8, "num_layers": 2,
       "num_heads": 2, "max_position_embeddings": 16, "window_size": 3, "nothing": Infinity}
      """;
  private static final String MAMBA =
      """
      {"model_type": "mamba", "vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2,
       "state_size": 4, "time_step_rank": "auto", "torch_dtype": "bfloat16"}
      """;
  private static final String STATE_SPACES =
      """
      {"d_model": 8, "n_layer": 2, "vocab_size": 11, "ssm_cfg": {"d_state": 4}}
      """;

  private static final String MAMBA2 =
      """
      {"model_type": "mamba2", "vocab_size": 11, "hidden_size": 16, "num_hidden_layers": 2,
       "state_size": 4, "head_dim": 2, "n_groups": 2, "time_step_limit": [0.0, Infinity]}
      """;
  private static final String MAMBA2_STATE_SPACES =
      """
      {"d_model": 16, "n_layer": 2, "vocab_size": 11, "pad_vocab_size_multiple": 16,
       "ssm_cfg": {"layer": "Mamba2", "headdim": 2, "d_state": 4}}
      """;

  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox", "mamba", "mamba-state-spaces", "mamba2"})
  void buildsTheFixtures(String name) {
    Path fixture = fixture(name);

    Graph graph = Models.load(fixture);

    assertThat(graph.name()).isEqualTo(name);
    assertThat(graph.inputs().toString()).isEqualTo("[%input_ids: i64[batch,length]]");
    assertThat(graph.outputs()).extracting(Value::name).containsExactly("logits");
    Map<String, Tensor> stored =
        SafetensorsFile.open(fixture.resolve("model.safetensors")).tensors();
    Map<String, Tensor> parameters = Models.parameters(graph);
    assertThat(parameters.keySet()).isEqualTo(stored.keySet());
    parameters.forEach(
        (parameter, tensor) -> assertThat(tensor.type()).isEqualTo(stored.get(parameter).type()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox", "mamba", "mamba-state-spaces", "mamba2"})
  void writesTheTensorsThatItRead(String name) {
    Path fixture = fixture(name);
    Graph graph = Models.load(fixture);
    ModelConfig config = ModelConfig.read(fixture.resolve("config.json"));

    Models.write(directory.resolve("out"), config, Models.parameters(graph));

    Map<String, Tensor> stored =
        SafetensorsFile.open(fixture.resolve("model.safetensors")).tensors();
    Map<String, Tensor> written = Models.parameters(Models.load(directory.resolve("out")));
    assertThat(written.keySet()).isEqualTo(Models.parameters(graph).keySet());
    written.forEach(
        (parameter, tensor) ->
            assertThat(tensor.data().toByteArray())
                .isEqualTo(stored.get(parameter).data().toByteArray()));
  }

  @ParameterizedTest
  @ValueSource(strings = {GPT_NEO, MAMBA, STATE_SPACES, MAMBA2, MAMBA2_STATE_SPACES})
  void drawsTheSameParametersForTheSameSeed(String text) {
    ModelConfig config = ModelConfig.parse("config", text);

    Map<String, Tensor> one = Models.parameters(Models.fresh("one", config, 7));
    Map<String, Tensor> same = Models.parameters(Models.fresh("same", config, 7));
    Map<String, Tensor> other = Models.parameters(Models.fresh("other", config, 8));

    one.forEach((name, t) -> assertThat(t.toFloats()).isEqualTo(same.get(name).toFloats()));
    String table = one.keySet().iterator().next();
    assertThat(one.get(table).toFloats()).isNotEqualTo(other.get(table).toFloats());
  }

  @Test
  void drawsMambaAsItsAuthorsDo() {
    Map<String, Tensor> drawn =
        Models.parameters(Models.fresh("m", ModelConfig.parse("config", STATE_SPACES), 1));

    String mixer = "backbone.layers.1.mixer.";
    assertThat(drawn.get("backbone.embedding.weight").shape()).isEqualTo(Shape.of(16, 8));
    assertThat(drawn.get(mixer + "A_log").toFloats())
        .startsWith(0, (float) Math.log(2), (float) Math.log(3), (float) Math.log(4), 0);
    assertThat(drawn.get(mixer + "D").toFloats()).containsOnly(1);
    for (double bias : drawn.get(mixer + "dt_proj.bias").toDoubles()) {
      assertThat(Math.log1p(Math.exp(bias))).isBetween(0.00099, 0.1001);
    }
    for (double weight : drawn.get(mixer + "out_proj.weight").toDoubles()) {
      assertThat(Math.abs(weight)).isLessThan(1 / Math.sqrt(16 * 2));
    }
  }

  @ParameterizedTest
  @CsvSource({"false,backbone.embeddings,11", "true,backbone.embedding,16"})
  void drawsMamba2AsItsAuthorsDo(boolean stateSpaces, String table, long rows) {
    String text = stateSpaces ? MAMBA2_STATE_SPACES : MAMBA2;

    Map<String, Tensor> drawn =
        Models.parameters(Models.fresh("m", ModelConfig.parse("config", text), 1));

    String mixer = "backbone.layers.1.mixer.";
    assertThat(drawn.get(table + ".weight").shape()).isEqualTo(Shape.of(rows, 16));
    assertThat(drawn.get(mixer + "D").toFloats()).hasSize(16).containsOnly(1);
    assertThat(drawn.get(mixer + "norm.weight").toFloats()).hasSize(32).containsOnly(1);
    double[] decays = drawn.get(mixer + "A_log").toDoubles();
    assertThat(decays).hasSize(16).doesNotHaveDuplicates();
    for (double decay : decays) {
      assertThat(Math.exp(decay)).isBetween(0.999, 16.001);
    }
    for (double bias : drawn.get(mixer + "dt_bias").toDoubles()) {
      assertThat(Math.log1p(Math.exp(bias))).isBetween(0.00099, 0.1001);
    }
    double bound = 1 / Math.sqrt(32) / (stateSpaces ? Math.sqrt(2) : 1);
    double largest = 0;
    for (double weight : drawn.get(mixer + "out_proj.weight").toDoubles()) {
      largest = Math.max(largest, Math.abs(weight));
    }
    assertThat(largest).isBetween(0.9 * bound, bound);
  }

  @Test
  void writesMamba2InBothLayouts() throws IOException {
    for (String text : List.of(MAMBA2, MAMBA2_STATE_SPACES)) {
      Map<String, Tensor> drawn = drawn(text);
      Models.write(directory, ModelConfig.parse("config", text), drawn);

      Map<String, Tensor> read = Models.parameters(Models.load(directory));

      assertThat(read.keySet()).isEqualTo(drawn.keySet());
      read.forEach((name, t) -> assertThat(t.toFloats()).isEqualTo(drawn.get(name).toFloats()));
    }
    assertThat(Files.readString(directory.resolve("config.json")))
        .contains("\"layer\" : \"Mamba2\"")
        .doesNotContain("model_type");

    Models.write(directory, ModelConfig.parse("config", MAMBA2), drawn(MAMBA2));
    assertThat(Files.readString(directory.resolve("config.json")))
        .contains("Mamba2ForCausalLM", "Infinity", "\"num_heads\" : 16", "\"chunk_size\" : 256");
  }

  @Test
  void drawsNormalNumbersOfTheGivenDeviation() {
    String text = GPT_NEO.replace("\"vocab_size\": 11", "\"vocab_size\": 2000");
    double[] table =
        Models.parameters(Models.fresh("g", ModelConfig.parse("config", text), 3))
            .get("transformer.wte.weight")
            .toDoubles();

    double sum = 0;
    double squares = 0;
    for (double value : table) {
      sum += value;
      squares += value * value;
    }
    assertThat(sum / table.length).isBetween(-0.001, 0.001);
    assertThat(Math.sqrt(squares / table.length)).isBetween(0.0195, 0.0205);
  }

  @Test
  void completesTheConfigurationThatItWrites() throws IOException {
    ModelConfig gptNeo = ModelConfig.parse("config", GPT_NEO);
    Models.write(directory, gptNeo, drawn(GPT_NEO));

    String written = Files.readString(directory.resolve("config.json"));

    assertThat(written)
        .contains("\"nothing\" : Infinity")
        .contains("\"intermediate_size\" : 32")
        .contains("GPTNeoForCausalLM");
    assertThat(Models.load(directory).parameters()).hasSize(2 + 2 * 13 + 2);

    Models.write(directory, ModelConfig.parse("config", MAMBA), drawn(MAMBA));
    assertThat(Files.readString(directory.resolve("config.json")))
        .contains("\"torch_dtype\" : \"float32\"")
        .contains("\"time_step_rank\" : \"auto\"");
  }

  @ParameterizedTest
  @ValueSource(strings = {"FLOAT16", "BFLOAT16"})
  void widensHalfPrecision(ElementType type) {
    Map<String, Tensor> halves = new LinkedHashMap<>();
    drawn(MAMBA)
        .forEach((name, t) -> halves.put(name, Tensor.ofDoubles(type, t.shape(), t.toDoubles())));
    save(MAMBA, halves);

    Map<String, Tensor> loaded = Models.parameters(Models.load(directory));

    loaded.forEach(
        (name, tensor) -> {
          assertThat(tensor.elementType()).isEqualTo(ElementType.FLOAT32);
          assertThat(tensor.toFloats()).isEqualTo(halves.get(name).toFloats());
        });
    Tensor table = loaded.get("backbone.embeddings.weight");
    ByteBuffer window = ByteBuffer.allocate(7);
    table.data().read(6, window);
    assertThat(window.array()).isEqualTo(Arrays.copyOfRange(table.data().toByteArray(), 6, 13));
  }

  @Test
  void readsShards() throws IOException {
    Map<String, Tensor> tensors = drawn(STATE_SPACES);
    Files.writeString(directory.resolve("config.json"), STATE_SPACES);
    StringBuilder index = new StringBuilder("{\"metadata\":{},\"weight_map\":{");
    int i = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      String shard = "model-0000" + i % 2 + "-of-00002.safetensors";
      index.append(i++ == 0 ? "" : ",");
      index.append('"').append(entry.getKey()).append("\":\"").append(shard).append('"');
    }
    for (int s = 0; s < 2; s++) {
      SafetensorsWriter.write(
          directory.resolve("model-0000" + s + "-of-00002.safetensors"), tensors, Map.of());
    }
    Path file = directory.resolve("model.safetensors.index.json");
    Files.writeString(file, index + "}}");

    assertThat(Models.parameters(Models.load(directory)).keySet()).isEqualTo(tensors.keySet());

    Files.writeString(file, "{\"weight_map\":{\"a\":\"../secret.safetensors\"}}");
    assertFails("index.json", "tensor 'a'", "../secret.safetensors", "same directory");
    Files.writeString(file, "{\"weight_map\":{\"a\":\"model-00000-of-00002.safetensors\"}}");
    assertFails("has no tensor 'a'");
    Files.writeString(file, "{\"weight_map\":{\"a\":\"model-00009-of-00009.safetensors\"}}");
    assertFails("model-00009-of-00009.safetensors", "there is no such file");
    String table = tensors.keySet().iterator().next();
    Files.writeString(
        file, "{\"weight_map\":{\"" + table + "\":\"model-00000-of-00002.safetensors\"}}");
    assertFails("model-00000-of-00002.safetensors has a tensor ", "index.json lacks");
    Files.writeString(file, "{\"weight_map\":[]}");
    assertFails("has no object 'weight_map'");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"../secret.safetensors\"",
        "\"..\"",
        "\"/etc/secret.safetensors\"",
        "\"sub/secret.safetensors\"",
        "\"sub\\\\secret.safetensors\"",
        "\".hidden.safetensors\"",
        "\"secret.bin\"",
        "\"a\\u0000.safetensors\"",
        "\"\"",
        "3",
        "null"
      })
  void shardsLieInTheDirectoryOfTheirIndex(String file) throws IOException {
    Files.writeString(directory.resolve("config.json"), STATE_SPACES);
    Files.writeString(
        directory.resolve("model.safetensors.index.json"),
        "{\"weight_map\": {\"a\": " + file + "}}");

    assertFails("index.json: the file of tensor 'a' is ", "in the same directory");
  }

  /** As checkpoints of the bare models are, with the buffers that old releases stored. */
  @ParameterizedTest
  @CsvSource({
    "gpt2,transformer.,h.0.attn.bias,h.1.attn.masked_bias",
    "gpt-neo,transformer.,h.0.attn.attention.bias,transformer.h.1.attn.attention.masked_bias",
    "gpt-neox,gpt_neox.,layers.0.attention.rotary_emb.inv_freq,layers.1.attention.masked_bias",
    "mamba,backbone.,,",
    "mamba2,backbone.,,"
  })
  void readsCheckpointsOfModelsWithoutTheirHead(
      String name, String base, String buffer, String other) {
    Path fixture = fixture(name);
    Checkpoint whole = Checkpoint.read(fixture);
    Map<String, Tensor> bare = new LinkedHashMap<>();
    whole.tensors().forEach((key, tensor) -> bare.put(key.replaceFirst("^" + base, ""), tensor));
    for (String key : buffer == null ? List.<String>of() : List.of(buffer, other)) {
      bare.put(key, Tensor.scalar(1f));
    }
    Checkpoint.write(directory, whole.config(), bare, Long.MAX_VALUE);

    Map<String, Tensor> read = Models.parameters(Models.load(directory));

    assertThat(read.keySet()).isEqualTo(Models.parameters(Models.load(fixture)).keySet());
    read.forEach(
        (key, tensor) ->
            assertThat(tensor.data().toByteArray())
                .isEqualTo(whole.tensors().get(key).data().toByteArray()));

    bare.put(base + bare.keySet().iterator().next(), Tensor.scalar(1f));
    Checkpoint.write(directory, whole.config(), bare, Long.MAX_VALUE);
    assertFails("has no place in the model");
  }

  @Test
  void dropsBuffersAndATiedHead() {
    Map<String, Tensor> tensors = new LinkedHashMap<>(drawn(GPT_NEO));
    Set<String> names = Set.copyOf(tensors.keySet());
    tensors.put("lm_head.weight", tensors.get("transformer.wte.weight"));
    tensors.put("transformer.h.1.attn.attention.masked_bias", Tensor.scalar(-1e9f));
    tensors.put(
        "transformer.h.1.attn.attention.bias",
        Tensor.ofDoubles(ElementType.BOOL, Shape.of(1, 1, 1, 1), 1));
    save(GPT_NEO, tensors);

    assertThat(Models.parameters(Models.load(directory)).keySet()).isEqualTo(names);

    tensors.put("lm_head.weight", Tensor.ofFloats(Shape.of(11, 8), new float[88]));
    save(GPT_NEO, tensors);
    assertFails("'lm_head.weight' differs from 'transformer.wte.weight'");
  }

  @Test
  void keepsAHeadOfItsOwn() {
    String untied = GPT_NEO.replace("\"nothing\"", "\"tie_word_embeddings\": false, \"nothing\"");
    Map<String, Tensor> tensors = drawn(untied);
    save(untied, tensors);

    assertThat(Models.parameters(Models.load(directory))).containsKey("lm_head.weight");

    save(untied, drawn(GPT_NEO));
    assertFails("tensor 'lm_head.weight', f32[11,8], is missing");
  }

  @Test
  void namesTensorsThatDoNotFit() {
    Map<String, Tensor> tensors = new LinkedHashMap<>(drawn(MAMBA));
    tensors.remove("backbone.norm_f.weight");
    tensors.put("backbone.layers.0.mixer.D", Tensor.ofFloats(Shape.of(2), 1, 2));
    tensors.put("surprise", Tensor.scalar(1f));
    save(MAMBA, tensors);

    assertFails(
        "model.safetensors does not fit",
        "config.json",
        "tensor 'backbone.layers.0.mixer.D' is f32[2], but should be f32[16]",
        "tensor 'backbone.norm_f.weight', f32[8], is missing",
        "tensor 'surprise', f32[], has no place");
  }

  @Test
  void refusesToWriteWhatDoesNotFit() {
    ModelConfig config = ModelConfig.parse("config", MAMBA);

    assertThatThrownBy(() -> Models.write(directory.resolve("out"), config, drawn(GPT_NEO)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is missing");
    assertThat(directory.resolve("out")).doesNotExist();
  }

  @Test
  void refusesPicklesWithTheWayToConvertThem() throws IOException {
    Files.writeString(directory.resolve("config.json"), MAMBA);
    assertFails("has neither model.safetensors nor");

    Files.writeString(directory.resolve("pytorch_model.bin"), "pickle");
    assertFails("pytorch_model.bin is a pickle", "save_file");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"model_type\": \"llama\"} | 'model_type' is \"llama\", but should be one of [gpt2, gpt_neo, gpt_neox, mamba, mamba2]",
        "{} | 'model_type' is absent",
        "{\"model_type\": \"gpt_neo\", \"activation_function\": \"swiglu\"} | 'activation_function' is \"swiglu\"",
        "{\"model_type\": \"gpt_neo\", \"num_heads\": 7} | 'num_heads' is 7, but should be a divisor",
        "{\"model_type\": \"gpt_neo\", \"num_layers\": 3, \"attention_layers\": [\"global\"]} | 'attention_layers'",
        "{\"model_type\": \"gpt_neo\", \"attention_types\": [[[\"sparse\"], 24]]} | 'attention_types'",
        "{\"model_type\": \"gpt_neo\", \"attention_types\": [[[\"local\"], 999999999]]} | 'attention_types'",
        "{\"model_type\": \"gpt_neo\", \"hidden_size\": -1} | 'hidden_size' is -1",
        "{\"model_type\": \"gpt_neo\", \"hidden_size\": 1e3} | 'hidden_size' is 1000.0",
        "{\"model_type\": \"gpt_neo\", \"num_layers\": 2147483647} | 'num_layers' is 2147483647",
        "{\"model_type\": \"gpt_neo\", \"layer_norm_epsilon\": NaN} | 'layer_norm_epsilon' is",
        "{\"model_type\": \"gpt_neo\", \"tie_word_embeddings\": 1} | 'tie_word_embeddings' is 1",
        "{\"model_type\": \"gpt_neo\", \"num_heads\": 8, \"num_attention_heads\": 4} | 'num_attention_heads' is 4, but should be 8, as 'num_heads' says",
        "{\"model_type\": \"gpt2\", \"activation_function\": \"gelu_10\"} | 'activation_function' is \"gelu_10\"",
        "{\"model_type\": \"gpt2\", \"n_head\": 7} | 'n_head' is 7, but should be a divisor of n_embd, 768",
        "{\"model_type\": \"gpt2\", \"num_attention_heads\": 7} | 'num_attention_heads' is 7",
        "{\"model_type\": \"gpt2\", \"n_embd\": 8, \"hidden_size\": 16} | 'hidden_size' is 16, but should be 8, as 'n_embd' says",
        "{\"model_type\": \"gpt2\", \"add_cross_attention\": true} | 'add_cross_attention' is true",
        "{\"model_type\": \"gpt2\", \"scale_attn_weights\": 2} | 'scale_attn_weights' is 2",
        "{\"model_type\": \"gpt2\", \"reorder_and_upcast_attn\": \"no\"} | 'reorder_and_upcast_attn' is \"no\"",
        "{\"model_type\": \"gpt2\", \"n_inner\": 0} | 'n_inner' is 0",
        "{\"model_type\": \"gpt2\", \"pruned_heads\": {\"0\": [1]}} | 'pruned_heads' is {",
        "{\"model_type\": \"gpt2\", \"quantization_config\": {\"bits\": 4}} | 'quantization_config' is {",
        "{\"model_type\": \"mamba\", \"quantization_config\": \"int8\"} | 'quantization_config' is \"int8\"",
        "{\"model_type\": \"gpt_neox\", \"hidden_act\": \"geglu\"} | 'hidden_act' is \"geglu\"",
        "{\"model_type\": \"gpt_neox\", \"rotary_pct\": 0.01} | 'rotary_pct' is 0.01, but should be a share of a head's width, 96,",
        "{\"model_type\": \"gpt_neox\", \"rotary_pct\": 1.5} | 'rotary_pct' is 1.5",
        "{\"model_type\": \"gpt_neox\", \"partial_rotary_factor\": 2} | 'partial_rotary_factor' is 2",
        "{\"model_type\": \"gpt_neox\", \"rotary_pct\": 0.25, \"partial_rotary_factor\": 0.5} | 'partial_rotary_factor' is 0.5, but should be 0.25",
        "{\"model_type\": \"gpt_neox\", \"rotary_emb_base\": 0} | 'rotary_emb_base' is 0",
        "{\"model_type\": \"gpt_neox\", \"rope_theta\": 5, \"rope_parameters\": {\"rope_theta\": 6}} | 'rope_parameters.rope_theta' is 6, but should be 5.0, as 'rope_theta' says",
        "{\"model_type\": \"gpt_neox\", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2}} | 'rope_scaling.type' is \"yarn\"",
        "{\"model_type\": \"gpt_neox\", \"rope_scaling\": {\"type\": \"linear\"}} | 'rope_scaling.factor' is absent",
        "{\"model_type\": \"gpt_neox\", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2, \"beta_fast\": 3}} | 'rope_scaling.beta_fast' is 3",
        "{\"model_type\": \"gpt_neox\", \"rope_scaling\": 3} | 'rope_scaling' is 3",
        "{\"model_type\": \"gpt_neox\", \"use_parallel_residual\": 1} | 'use_parallel_residual' is 1",
        "{\"model_type\": \"gpt_neox\", \"num_attention_heads\": 5} | 'num_attention_heads' is 5",
        "{\"model_type\": \"mamba\", \"hidden_act\": \"relu\"} | 'hidden_act' is \"relu\"",
        "{\"model_type\": \"mamba\", \"expand\": 0.0001} | 'expand' is",
        "{\"d_model\": 8, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba3\"}} | 'ssm_cfg.layer' is \"Mamba3\", but should be one of [Mamba1, Mamba2]",
        "{\"d_model\": 64, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba2\", \"dt_rank\": 3}} | 'ssm_cfg.dt_rank' is 3",
        "{\"d_model\": 64, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba2\", \"d_ssm\": 64}} | 'ssm_cfg.d_ssm' is 64, but should be 128",
        "{\"d_model\": 64, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba2\", \"ngroups\": 3}} | 'ssm_cfg.ngroups' is 3",
        "{\"d_model\": 64, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba2\", \"dt_limit\": [0.2, 0.1]}} | 'ssm_cfg.dt_limit' is [0.2,0.1]",
        "{\"d_model\": 64, \"n_layer\": 1, \"ssm_cfg\": {\"layer\": \"Mamba2\", \"A_init_range\": [0, 16]}} | 'ssm_cfg.A_init_range' is [0,16]",
        "{\"d_model\": 64, \"n_layer\": 1, \"rms_norm\": false, \"ssm_cfg\": {\"layer\": \"Mamba2\"}} | 'rms_norm' is false",
        "{\"model_type\": \"mamba2\", \"hidden_size\": 64, \"n_groups\": 1, \"num_heads\": 4} | 'num_heads' is 4, but should be 2, the inner width, 128, divided by head_dim",
        "{\"model_type\": \"mamba2\", \"hidden_size\": 48} | 'head_dim' is absent, but should be a divisor of the inner width, 96",
        "{\"model_type\": \"mamba2\", \"n_groups\": 3} | 'n_groups' is 3, but should be a divisor of the number of heads, 128",
        "{\"model_type\": \"mamba2\", \"time_step_limit\": [0.1]} | 'time_step_limit' is [0.1]",
        "{\"model_type\": \"mamba2\", \"time_step_limit\": [Infinity, Infinity]} | 'time_step_limit' is",
        "{\"model_type\": \"mamba2\", \"time_step_limit\": 3} | 'time_step_limit' is 3",
        "{\"model_type\": \"mamba2\", \"rms_norm\": false} | 'rms_norm' is false",
        "{\"model_type\": \"mamba2\", \"chunk_size\": 0} | 'chunk_size' is 0",
        "{\"model_type\": \"mamba2\", \"hidden_act\": \"geglu\"} | 'hidden_act' is",
        "{\"d_model\": 8, \"n_layer\": 1, \"ssm_cfg\": {\"headdim\": 8}} | 'ssm_cfg.headdim' is 8",
        "{\"d_model\": 8, \"n_layer\": 1, \"rms_norm\": false} | 'rms_norm' is false",
        "{\"d_model\": 8, \"n_layer\": 1, \"attn_layer_idx\": [0]} | 'attn_layer_idx' is [0]",
        "{\"model_type\": \"mamba\", \"model_type\": \"gpt_neo\"} | Duplicate field",
        "[] | not a JSON object",
        "{} {} | not valid JSON",
      })
  void refusesConfigurationsThatItCannotHonour(String text, String message) {
    assertThatThrownBy(() -> Models.fresh("m", ModelConfig.parse("some/config.json", text), 0))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("some/config.json", message)
        .extracting(error -> ((ManticoreException) error).code())
        .isEqualTo("MNT-CONFIG");
  }

  private void assertFails(String... messages) {
    assertThatThrownBy(() -> Models.load(directory))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll(messages);
  }

  private void save(String config, Map<String, Tensor> tensors) {
    Checkpoint.write(directory, ModelConfig.parse("config", config), tensors, Long.MAX_VALUE);
  }

  private static Map<String, Tensor> drawn(String config) {
    return Models.parameters(Models.fresh("m", ModelConfig.parse("config", config), 5));
  }

  private static Path fixture(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are absent");
    return fixture.orElseThrow();
  }
}
