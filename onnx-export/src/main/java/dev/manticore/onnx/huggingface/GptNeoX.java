package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * GPT-NeoX, which Pythia is of ({@code paper.md} §3.2, Hugging Face's {@code GPTNeoXForCausalLM}):
 * rotary positions, and attention and MLP side by side on one residual stream, or one after the
 * other. One matrix gives queries, keys and values, head by head. Dropout rates are not looked at:
 * graphs compute without dropout, as in evaluation.
 */
final class GptNeoX implements Family {

  private static final long LAYER_LIMIT = 4096;
  private static final Pattern BUFFER =
      Pattern.compile(
          "gpt_neox\\.(layers\\.\\d+\\.attention\\.(bias|masked_bias)"
              + "|(layers\\.\\d+\\.attention\\.)?rotary_emb\\.inv_freq)");

  @Override
  public String name() {
    return "gpt_neox";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.isOfType(name());
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    long hidden = config.extent("hidden_size", 6144);
    long heads = config.extent("num_attention_heads", 64);
    if (hidden % heads != 0) {
      throw config.refuse("num_attention_heads", "a divisor of hidden_size, " + hidden);
    }
    long positions = config.extent("max_position_embeddings", 2048);
    return new Model(
        config,
        config.extent("vocab_size", 50432),
        hidden,
        new Attention(heads, hidden / heads),
        (int) config.count("num_hidden_layers", 44, LAYER_LIMIT),
        config.extent("intermediate_size", 24576),
        Rotary.of(config, hidden / heads, positions),
        config.flag("use_parallel_residual", true),
        config.flag("attention_bias", true),
        Activation.of(config, "hidden_act", "gelu"),
        config.positive("layer_norm_eps", 1e-5),
        config.flag("tie_word_embeddings", false),
        config.positive("initializer_range", 0.02));
  }

  /**
   * @param parallel whether the MLP reads what the attention reads, not what it gives
   */
  private record Model(
      ModelConfig config,
      long vocabulary,
      long hidden,
      Attention attention,
      int layers,
      long intermediate,
      Rotary rotary,
      boolean parallel,
      boolean attentionBias,
      Activation activation,
      double epsilon,
      boolean tied,
      double deviation)
      implements Architecture {

    @Override
    public ImmutableList<Parameter> parameters() {
      Initializer drawn = Initializer.normal(deviation);
      ParameterList all = new ParameterList();
      all.weight("gpt_neox.embed_in", drawn, vocabulary, hidden);
      for (int i = 0; i < layers; i++) {
        String layer = "gpt_neox.layers." + i;
        all.layerNorm(layer + ".input_layernorm", hidden);
        all.layerNorm(layer + ".post_attention_layernorm", hidden);
        all.weight(layer + ".attention.query_key_value", drawn, 3 * hidden, hidden);
        if (attentionBias) {
          all.bias(layer + ".attention.query_key_value", 3 * hidden);
        }
        all.weight(layer + ".attention.dense", drawn, hidden, hidden);
        if (attentionBias) {
          all.bias(layer + ".attention.dense", hidden);
        }
        all.weight(layer + ".mlp.dense_h_to_4h", drawn, intermediate, hidden);
        all.bias(layer + ".mlp.dense_h_to_4h", intermediate);
        all.weight(layer + ".mlp.dense_4h_to_h", drawn, hidden, intermediate);
        all.bias(layer + ".mlp.dense_4h_to_h", hidden);
      }
      all.layerNorm("gpt_neox.final_layer_norm", hidden);
      if (!tied) {
        all.weight("embed_out", drawn, vocabulary, hidden);
      }
      return all.build();
    }

    @Override
    public String base() {
      return "gpt_neox.";
    }

    @Override
    public boolean isBuffer(String tensor) {
      return BUFFER.matcher(tensor).matches();
    }

    @Override
    public Optional<String> tiedTo(String tensor) {
      return tied && tensor.equals("embed_out.weight")
          ? Optional.of("gpt_neox.embed_in.weight")
          : Optional.empty();
    }

    @Override
    public Graph build(String name, Map<String, Tensor> values) {
      Network network = new Network(name, parameters(), values);
      network.enter("gpt_neox.positions");
      Positions range = new Positions(network);
      Side side = new Side(range.causalMask(), rotary.table(network, range));
      network.leave();
      Value x = network.embed("gpt_neox.embed_in", network.inputIds());
      for (int i = 0; i < layers; i++) {
        x = layer(network, "gpt_neox.layers." + i, x, side);
      }
      network.enter("gpt_neox.final_layer_norm");
      x = network.layerNorm("gpt_neox.final_layer_norm", x, epsilon);
      network.leave();
      return network.finish(
          x, network.parameter(tied ? "gpt_neox.embed_in.weight" : "embed_out.weight"));
    }

    @Override
    public ModelConfig completed() {
      return config.withDefaults(
          ImmutableMap.<String, Object>builder()
              .put("architectures", List.of("GPTNeoXForCausalLM"))
              .put("vocab_size", vocabulary)
              .put("max_position_embeddings", rotary.positions())
              .put("hidden_size", hidden)
              .put("num_hidden_layers", layers)
              .put("num_attention_heads", attention.heads())
              .put("intermediate_size", intermediate)
              .put("rotary_pct", rotary.share())
              .put("rotary_emb_base", rotary.base())
              .put("use_parallel_residual", parallel)
              .put("attention_bias", attentionBias)
              .put("hidden_act", activation.text())
              .put("layer_norm_eps", epsilon)
              .put("tie_word_embeddings", tied)
              .put("initializer_range", deviation)
              .buildOrThrow());
    }

    /** What all layers read besides the residual stream. */
    private record Side(Value mask, Rotary.Table angles) {}

    private Value layer(Network network, String layer, Value input, Side side) {
      network.enter(layer + ".attention");
      Value normed = network.layerNorm(layer + ".input_layernorm", input, epsilon);
      Value attended = attention(network, layer + ".attention", normed, side);
      network.leave();
      network.enter(layer + ".mlp");
      Value x = parallel ? input : network.op("Add", input, attended);
      Value expanded =
          network.linear(
              layer + ".mlp.dense_h_to_4h",
              network.layerNorm(layer + ".post_attention_layernorm", x, epsilon));
      Value mlp = network.linear(layer + ".mlp.dense_4h_to_h", activation.apply(network, expanded));
      Value output =
          parallel
              ? network.op("Add", input, network.op("Add", attended, mlp))
              : network.op("Add", x, mlp);
      network.leave();
      return output;
    }

    private Value attention(Network network, String module, Value x, Side side) {
      long width = attention.width();
      Value fused = network.linear(module + ".query_key_value", x);
      // Head by head: the queries, keys and values of a head are neighbours.
      Value byHead = new Attention(attention.heads(), 3 * width).byHead(network, fused);
      List<Value> parts = network.split(byHead, width, width, width);
      Value queries = rotary.turn(network, side.angles(), parts.get(0), width);
      Value keys = rotary.turn(network, side.angles(), parts.get(1), width);
      Value products =
          network.scale(attention.products(network, queries, keys), 1 / StrictMath.sqrt(width));
      return network.linear(
          module + ".dense", attention.mix(network, products, side.mask(), parts.get(2)));
    }
  }
}
