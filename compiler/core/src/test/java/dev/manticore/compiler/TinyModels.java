package dev.manticore.compiler;

import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/** Small models of all families, with parameters far enough from zero that differences show. */
public final class TinyModels {

  /** The ids of the vocabulary; tables may have more rows. */
  public static final int VOCABULARY = 29;

  /** The longest sequence that models with learnt positions take. */
  public static final int POSITIONS = 24;

  private TinyModels() {}

  /** Global and local attention in turns, a tied head. */
  public static ModelConfig gptNeo(int layers, int width) {
    return gptNeo(layers, width, VOCABULARY);
  }

  /** The same with so many rows in its table. */
  public static ModelConfig gptNeo(int layers, int width, int rows) {
    return config(
        "{'model_type': 'gpt_neo', 'vocab_size': %d, 'hidden_size': %d, 'num_layers': %d, 'num_heads': 4,"
            + " 'max_position_embeddings': %d, 'window_size': 5}",
        rows, width, layers, POSITIONS);
  }

  /** Learnt positions and a tied head. */
  public static ModelConfig gpt2(int layers, int width) {
    return config(
        "{'model_type': 'gpt2', 'vocab_size': %d, 'n_embd': %d, 'n_layer': %d, 'n_head': 4,"
            + " 'n_positions': %d, 'scale_attn_by_inverse_layer_idx': true}",
        VOCABULARY, width, layers, POSITIONS);
  }

  /** Rotary positions and a head of its own; attention and MLP side by side, or in turn. */
  public static ModelConfig gptNeoX(int layers, int width, boolean parallel) {
    return config(
        "{'model_type': 'gpt_neox', 'vocab_size': %d, 'hidden_size': %d, 'num_hidden_layers': %d,"
            + " 'num_attention_heads': 2, 'intermediate_size': 40, 'rotary_pct': 0.5,"
            + " 'use_parallel_residual': %s}",
        VOCABULARY, width, layers, parallel);
  }

  /** Hugging Face's layout with a head of its own. */
  public static ModelConfig mamba(int layers, int width) {
    return config(
        "{'model_type': 'mamba', 'vocab_size': %d, 'hidden_size': %d, 'num_hidden_layers': %d, 'state_size': 4,"
            + " 'tie_word_embeddings': false}",
        VOCABULARY, width, layers);
  }

  /** The state-spaces layout: a tied head, and a table padded to a multiple of eight rows. */
  public static ModelConfig stateSpaces(int layers, int width) {
    return config(
        "{'d_model': %2$d, 'n_layer': %3$d, 'vocab_size': %1$d, 'ssm_cfg': {'d_state': 4}}",
        VOCABULARY, width, layers);
  }

  /** Two groups, a head of its own, and chunks shorter than most sequences. */
  public static ModelConfig mamba2(int layers, int width) {
    return config(
        "{'model_type': 'mamba2', 'vocab_size': %d, 'hidden_size': %d, 'num_hidden_layers': %d,"
            + " 'head_dim': 4, 'n_groups': 2, 'state_size': 3, 'chunk_size': 4}",
        VOCABULARY, width, layers);
  }

  /** Mamba-2 in the state-spaces layout: a tied head, and a table padded to so many rows. */
  public static ModelConfig stateSpaces2(int layers, int width) {
    return config(
        "{'d_model': %2$d, 'n_layer': %3$d, 'vocab_size': %1$d,"
            + " 'ssm_cfg': {'layer': 'Mamba2', 'headdim': 5, 'd_state': 4, 'chunk_size': 16}}",
        VOCABULARY, width, layers);
  }

  /** A model with fresh parameters, each of which is moved by noise, zeros and ones too. */
  public static Graph build(String name, ModelConfig config, long seed) {
    Graph graph = Models.fresh(name, config, seed);
    GraphEditor editor = graph.edit();
    Random random = new Random(seed);
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      float[] values = parameter.getValue().toFloats();
      for (int i = 0; i < values.length; i++) {
        values[i] += (float) (0.2 * random.nextGaussian());
      }
      editor.setParameter(
          parameter.getKey(), Tensor.ofFloats(parameter.getValue().shape(), values));
    }
    return editor.freeze();
  }

  /** Ids of the vocabulary, [batch,length]. */
  public static Tensor ids(int batch, int length, long seed) {
    return Tensor.ofLongs(
        Shape.of(batch, length),
        new Random(seed).ints((long) batch * length, 0, VOCABULARY).asLongStream().toArray());
  }

  private static ModelConfig config(String text, Object... values) {
    return ModelConfig.parse("a test", String.format(Locale.ROOT, text, values).replace('\'', '"'));
  }
}
