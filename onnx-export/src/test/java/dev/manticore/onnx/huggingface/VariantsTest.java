package dev.manticore.onnx.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.Differentiate;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What every key that changes the computation changes, against the plain second writing. */
final class VariantsTest {

  private static final int[] IDS = {3, 1, 4, 1, 5, 9, 2, 6, 5};

  /** How far finite differences go. */
  private static final double STEP = 1e-6;

  private static final String GPT2 = "'model_type': 'gpt2', 'n_embd': 8, 'n_layer': 2, 'n_head': 2";
  private static final String GPT_NEO =
      "'model_type': 'gpt_neo', 'hidden_size': 8, 'num_layers': 2, 'num_heads': 2";
  private static final String GPT_NEOX =
      "'model_type': 'gpt_neox', 'hidden_size': 16, 'num_hidden_layers': 2,"
          + " 'num_attention_heads': 2, 'intermediate_size': 12";

  private static final String MAMBA2 =
      "'model_type': 'mamba2', 'hidden_size': 8, 'num_hidden_layers': 2, 'state_size': 3,"
          + " 'head_dim': 4";
  private static final String STATE_SPACES =
      "'d_model': 8, 'n_layer': 2, 'pad_vocab_size_multiple': 1, 'ssm_cfg': {'layer': 'Mamba2',"
          + " 'd_state': 3, 'headdim': 4, ";

  static Stream<String> variants() {
    List<String> variants = new ArrayList<>();
    for (String keys :
        List.of(
            "",
            "'n_inner': 5, 'tie_word_embeddings': false",
            "'scale_attn_weights': false",
            "'scale_attn_by_inverse_layer_idx': true",
            "'scale_attn_weights': false, 'scale_attn_by_inverse_layer_idx': true",
            "'reorder_and_upcast_attn': true, 'scale_attn_by_inverse_layer_idx': true",
            "'layer_norm_epsilon': 0.1")) {
      variants.add(GPT2 + ", " + keys);
    }
    for (String keys :
        List.of(
            "'attention_layers': ['global', 'local'], 'window_size': 3",
            "'attention_layers': ['local', 'local'], 'window_size': 1, 'intermediate_size': 6",
            "'attention_layers': ['global', 'global'], 'tie_word_embeddings': false")) {
      variants.add(GPT_NEO + ", " + keys);
    }
    for (String keys :
        List.of(
            "",
            "'use_parallel_residual': false",
            "'rotary_pct': 1.0",
            "'rotary_pct': 0.5, 'rotary_emb_base': 100, 'use_parallel_residual': false",
            "'partial_rotary_factor': 0.5, 'rope_theta': 50.0",
            "'rope_parameters': {'rope_type': 'default', 'rope_theta': 30,"
                + " 'partial_rotary_factor': 0.75}",
            "'attention_bias': false",
            "'tie_word_embeddings': true, 'layer_norm_eps': 0.01",
            "'rope_scaling': {'type': 'linear', 'factor': 4.0}, 'rotary_pct': 1",
            "'rope_scaling': {'rope_type': 'dynamic', 'factor': 2.0}, 'rotary_pct': 0.5,"
                + " 'max_position_embeddings': 5",
            "'rope_scaling': {'rope_type': 'dynamic', 'factor': 2.0}, 'rotary_pct': 0.5,"
                + " 'max_position_embeddings': 50")) {
      variants.add(GPT_NEOX + ", " + keys);
    }
    for (String keys :
        List.of(
            "'n_groups': 1, 'chunk_size': 4",
            "'n_groups': 2, 'chunk_size': 3, 'tie_word_embeddings': true",
            "'n_groups': 4, 'chunk_size': 1",
            "'n_groups': 1, 'chunk_size': 256, 'num_heads': 4",
            "'n_groups': 2, 'time_step_limit': [0.4, 0.9], 'chunk_size': 5",
            "'n_groups': 1, 'time_step_limit': [0.0, Infinity], 'use_bias': true",
            "'n_groups': 1, 'time_step_limit': [0.5, {'__float__': 'Infinity'}]",
            "'n_groups': 2, 'use_conv_bias': false, 'conv_kernel': 3, 'expand': 3",
            "'n_groups': 1, 'layer_norm_epsilon': 0.1, 'hidden_act': 'gelu'")) {
      variants.add(MAMBA2 + ", " + keys);
    }
    for (String keys :
        List.of(
            "'chunk_size': 3}",
            "'ngroups': 2, 'bias': true, 'conv_bias': false, 'd_conv': 2}, 'tie_embeddings': false",
            "'rmsnorm': false, 'dt_limit': [0.0, 0.7]}",
            "'norm_before_gate': true, 'ngroups': 2, 'D_has_hdim': true, 'expand': 1}")) {
      variants.add(STATE_SPACES + keys);
    }
    for (String act :
        List.of(
            "gelu",
            "gelu_python",
            "gelu_new",
            "gelu_fast",
            "gelu_pytorch_tanh",
            "quick_gelu",
            "relu",
            "relu2",
            "silu",
            "swish",
            "mish",
            "tanh",
            "sigmoid")) {
      variants.add(GPT2 + ", 'activation_function': '" + act + "'");
      variants.add(GPT_NEOX + ", 'hidden_act': '" + act + "'");
    }
    return variants.stream().map(keys -> keys.replaceAll(", $", ""));
  }

  @ParameterizedTest
  @MethodSource("variants")
  void computesWhatThePlainModelComputes(String keys) {
    ModelConfig config = config(keys);
    Graph graph = drawn(config);

    double[] logits = logits(graph, IDS);

    double[][] expected = plain(config, Models.parameters(graph), IDS);
    assertThat(logits).hasSize(IDS.length * 11);
    for (int i = 0; i < logits.length; i++) {
      assertThat(logits[i]).as("logit %s", i).isCloseTo(expected[i / 11][i % 11], within(2e-5));
    }
    assertThat(Arrays.stream(logits).max().orElseThrow())
        .as("logits large enough to differ")
        .isGreaterThan(0.5);
  }

  /** The plain writing itself, against the originals. */
  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox", "mamba2"})
  void thePlainModelComputesWhatHuggingFaceComputes(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are absent");
    Map<String, Tensor> reference =
        SafetensorsFile.open(fixture.get().resolve("reference.safetensors")).tensors();
    Map<String, Tensor> tensors =
        SafetensorsFile.open(fixture.get().resolve("model.safetensors")).tensors();
    long length = reference.get("input_ids").shape().dim(1).extent();
    int[] ids =
        Arrays.stream(reference.get("input_ids").toLongs())
            .limit(length)
            .mapToInt(Math::toIntExact)
            .toArray();

    double[][] logits = plain(ModelConfig.read(fixture.get().resolve("config.json")), tensors, ids);

    double[] expected = reference.get("logits").toDoubles();
    for (int i = 0; i < ids.length * logits[0].length; i++) {
      assertThat(logits[i / logits[0].length][i % logits[0].length])
          .isCloseTo(expected[i], within(1e-4));
    }
  }

  /** All gradients at once: the slope of the loss along one direction of all parameters. */
  @ParameterizedTest
  @MethodSource("variants")
  void canBeTrained(String keys) {
    Graph graph =
        PassPipeline.of(
                Specialise.of(Map.of("batch", 1L, "length", (long) IDS.length)),
                Differentiate.preparation())
            .run(drawn(config(keys)));
    GraphEditor editor = graph.edit();
    Ops ops = new Ops(editor);
    Value labels = editor.input("labels", TensorType.of(ElementType.INT64, 1, IDS.length));
    Value loss = ops.own("CrossEntropy", Attributes.NONE, 2, graph.output("logits"), labels).get(0);
    editor.output(ops.named("loss", loss));
    Map<Value, Value> gradients =
        Differentiate.gradients(editor, loss, graph.parameters().keySet());
    gradients.forEach((value, gradient) -> editor.output(ops.named("d." + value.name(), gradient)));
    Graph step = editor.freeze();
    Map<String, NdArray> here = run(step, Map.of());
    Random random = new Random(5);
    Map<String, NdArray> ahead = new HashMap<>();
    Map<String, NdArray> behind = new HashMap<>();
    double expected = 0;
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      String name = parameter.getKey().name();
      double[] gradient = here.get("d." + name).data();
      NdArray plus = NdArray.of(parameter.getValue());
      NdArray minus = NdArray.of(parameter.getValue());
      for (int i = 0; i < gradient.length; i++) {
        double direction = random.nextGaussian();
        plus.data()[i] += STEP * direction;
        minus.data()[i] -= STEP * direction;
        expected += gradient[i] * direction;
      }
      ahead.put(name, plus);
      behind.put(name, minus);
    }

    double rise = run(step, ahead).get("loss").data()[0] - run(step, behind).get("loss").data()[0];

    assertThat(rise / (2 * STEP)).isCloseTo(expected, within(1e-4 * Math.abs(expected)));
  }

  private static Map<String, NdArray> run(Graph step, Map<String, NdArray> parameters) {
    long[] ids = Arrays.stream(IDS).asLongStream().toArray();
    long[] labels = Arrays.copyOfRange(ids, 1, ids.length + 1);
    labels[ids.length - 1] = -100;
    Shape shape = Shape.of(1, ids.length);
    return new Interpreter()
        .run(
            step,
            Map.of(
                "input_ids", NdArray.of(Tensor.ofLongs(shape, ids)),
                "labels", NdArray.of(Tensor.ofLongs(shape, labels))),
            parameters);
  }

  private static double[][] plain(ModelConfig config, Map<String, Tensor> tensors, int... ids) {
    return config.isOfType("mamba2") || config.has("ssm_cfg")
        ? PlainMamba2.logits(config, tensors, ids)
        : PlainGpt.logits(config, tensors, ids);
  }

  private static double[] logits(Graph graph, int... ids) {
    Tensor tensor =
        Tensor.ofLongs(Shape.of(1, ids.length), Arrays.stream(ids).asLongStream().toArray());
    return new Interpreter()
        .run(graph, Map.of("input_ids", NdArray.of(tensor)))
        .get("logits")
        .data();
  }

  /** Fresh parameters moved by noise, zeros and ones too. */
  private static Graph drawn(ModelConfig config) {
    Graph graph = Models.fresh("m", config, 3);
    GraphEditor editor = graph.edit();
    Random random = new Random(7);
    Map<Value, Tensor> moved = new LinkedHashMap<>();
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              float[] values = tensor.toFloats();
              for (int i = 0; i < values.length; i++) {
                values[i] += (float) (0.3 * random.nextGaussian());
              }
              moved.put(value, Tensor.ofFloats(tensor.shape(), values));
            });
    moved.forEach(editor::setParameter);
    assertThat(graph.output("logits").shape().dim(-1)).isEqualTo(Dim.of(11));
    return editor.freeze();
  }

  private static ModelConfig config(String keys) {
    return ModelConfig.parse("config", ("{'vocab_size': 11, " + keys + "}").replace('\'', '"'));
  }
}
