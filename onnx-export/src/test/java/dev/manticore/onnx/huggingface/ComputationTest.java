package dev.manticore.onnx.huggingface;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the graphs compute, in the interpreter. */
final class ComputationTest {

  @ParameterizedTest
  @CsvSource({
    "gpt2,97",
    "gpt-neo,97",
    "gpt-neox,104",
    "mamba,97",
    "mamba-state-spaces,104",
    "mamba2,97"
  })
  void computesWhatHuggingFaceComputes(String name, long vocabulary) {
    Path fixture = fixture(name);
    Map<String, Tensor> reference =
        SafetensorsFile.open(fixture.resolve("reference.safetensors")).tensors();
    Graph graph = Models.load(fixture);

    NdArray logits =
        new Interpreter()
            .run(graph, Map.of("input_ids", NdArray.of(reference.get("input_ids"))))
            .get("logits");

    assertThat(graph.output("logits").elementType()).isEqualTo(ElementType.FLOAT32);
    assertThat(graph.output("logits").shape().dim(-1)).isEqualTo(Dim.of(vocabulary));
    assertThat(largestDifference(logits, reference.get("logits"))).isLessThan(1e-4);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'model_type': 'gpt_neo', 'num_layers': 2, 'num_heads': 2, 'window_size': 2",
        "'model_type': 'gpt_neo', 'num_layers': 1, 'num_heads': 1, 'window_size': 1,"
            + " 'attention_layers': ['local'], 'activation_function': 'relu'",
        "'model_type': 'gpt_neo', 'num_layers': 1, 'num_heads': 8, 'intermediate_size': 3,"
            + " 'attention_types': [[['global'], 1]], 'activation_function': 'gelu',"
            + " 'tie_word_embeddings': false",
        "'model_type': 'mamba', 'num_hidden_layers': 2, 'use_bias': true, 'use_conv_bias': false",
        "'model_type': 'mamba', 'num_hidden_layers': 1, 'expand': 1.5, 'conv_kernel': 3,"
            + " 'time_step_rank': 2, 'state_size': 5, 'tie_word_embeddings': false",
        "'model_type': 'mamba2', 'num_hidden_layers': 2, 'head_dim': 4, 'n_groups': 2,"
            + " 'state_size': 3, 'chunk_size': 3",
        "'d_model': 8, 'n_layer': 1, 'ssm_cfg': {'layer': 'Mamba2', 'headdim': 8, 'd_state': 3}",
        "'d_model': 8, 'n_layer': 1, 'ssm_cfg': {'bias': true, 'conv_bias': false, 'dt_rank': 3}",
      })
  void seesNoLaterTokens(String keys) {
    String json = "{'vocab_size': 11, 'hidden_size': 8, " + keys + "}";
    Graph graph = Models.fresh("m", ModelConfig.parse("config", json.replace('\'', '"')), 3);

    double[] one = logits(graph, 1, 2, 3, 4);
    double[] other = logits(graph, 1, 2, 3, 5);

    int each = one.length / 4;
    assertThat(Arrays.copyOf(one, 3 * each)).isEqualTo(Arrays.copyOf(other, 3 * each));
    assertThat(Arrays.copyOfRange(one, 3 * each, 4 * each))
        .isNotEqualTo(Arrays.copyOfRange(other, 3 * each, 4 * each));
  }

  @Test
  void seesNothingBeforeTheWindow() {
    String json =
        "{'model_type': 'gpt_neo', 'vocab_size': 11, 'hidden_size': 8, 'num_layers': 1,"
            + " 'num_heads': 2, 'attention_layers': ['local'], 'window_size': 2}";
    Graph graph = Models.fresh("m", ModelConfig.parse("config", json.replace('\'', '"')), 3);

    double[] one = logits(graph, 1, 2, 3);
    double[] other = logits(graph, 4, 2, 3);

    assertThat(Arrays.copyOfRange(one, 11, 22)).isNotEqualTo(Arrays.copyOfRange(other, 11, 22));
    assertThat(Arrays.copyOfRange(one, 22, 33)).isEqualTo(Arrays.copyOfRange(other, 22, 33));
  }

  private static double[] logits(Graph graph, long... ids) {
    Tensor tensor = Tensor.ofLongs(Shape.of(1, ids.length), ids);
    return new Interpreter()
        .run(graph, Map.of("input_ids", NdArray.of(tensor)))
        .get("logits")
        .data();
  }

  private static double largestDifference(NdArray found, Tensor expected) {
    double[] values = expected.toDoubles();
    double largest = 0;
    for (int i = 0; i < values.length; i++) {
      double difference = Math.abs(found.data()[i] - values[i]);
      // Unlike a comparison, this keeps NaN.
      largest = Math.max(largest, difference);
    }
    return largest;
  }

  private static Path fixture(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are absent");
    return fixture.orElseThrow();
  }
}
