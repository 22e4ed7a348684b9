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
 * GPT-2 ({@code paper.md} §3.3, Hugging Face's {@code GPT2LMHeadModel}): learnt positions, pre-norm
 * attention over all earlier positions, and an MLP. Linear layers are stored [in, out]; queries,
 * keys and values are columns of one matrix, in this order. Dropout rates are not looked at: graphs
 * compute without dropout, as in evaluation.
 */
final class Gpt2 implements Family {

  private static final long LAYER_LIMIT = 4096;
  private static final Pattern BUFFER =
      Pattern.compile("transformer\\.h\\.\\d+\\.attn\\.(bias|masked_bias)");

  @Override
  public String name() {
    return "gpt2";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.isOfType(name());
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    long width = config.extent(config.either("n_embd", "hidden_size"), 768);
    String headsKey = config.either("n_head", "num_attention_heads");
    long heads = config.extent(headsKey, 12);
    if (width % heads != 0) {
      throw config.refuse(headsKey, "a divisor of n_embd, " + width);
    }
    if (config.flag("add_cross_attention", false)) {
      throw config.refuse("add_cross_attention", "false: there is no encoder to attend to");
    }
    // Its order of operations keeps half precision from overflowing, and is the same in float32.
    config.flag("reorder_and_upcast_attn", false);
    return new Model(
        config,
        config.extent("vocab_size", 50257),
        // n_ctx is what configurations of the first releases call it as well.
        config.extent(
            config.either("n_positions", "max_position_embeddings"), config.extent("n_ctx", 1024)),
        width,
        heads,
        (int) config.count(config.either("n_layer", "num_hidden_layers"), 12, LAYER_LIMIT),
        config.extent("n_inner", 4 * width),
        Activation.of(config, "activation_function", "gelu_new"),
        config.flag("scale_attn_weights", true),
        config.flag("scale_attn_by_inverse_layer_idx", false),
        config.positive("layer_norm_epsilon", 1e-5),
        config.flag("tie_word_embeddings", true),
        config.positive("initializer_range", 0.02));
  }

  /**
   * @param scaled whether attention is divided by the square root of a head's width
   * @param scaledByLayer whether it is divided by the number of the layer, counted from 1
   */
  private record Model(
      ModelConfig config,
      long vocabulary,
      long positions,
      long width,
      long heads,
      int layers,
      long inner,
      Activation activation,
      boolean scaled,
      boolean scaledByLayer,
      double epsilon,
      boolean tied,
      double deviation)
      implements Architecture {

    @Override
    public ImmutableList<Parameter> parameters() {
      Initializer drawn = Initializer.normal(deviation);
      // The two that add to the residual stream are drawn smaller, for the number of such layers.
      Initializer residual = Initializer.normal(deviation / StrictMath.sqrt(2.0 * layers));
      ParameterList all = new ParameterList();
      all.weight("transformer.wte", drawn, vocabulary, width);
      all.weight("transformer.wpe", drawn, positions, width);
      for (int i = 0; i < layers; i++) {
        String layer = "transformer.h." + i;
        all.layerNorm(layer + ".ln_1", width);
        all.weight(layer + ".attn.c_attn", drawn, width, 3 * width);
        all.bias(layer + ".attn.c_attn", 3 * width);
        all.weight(layer + ".attn.c_proj", residual, width, width);
        all.bias(layer + ".attn.c_proj", width);
        all.layerNorm(layer + ".ln_2", width);
        all.weight(layer + ".mlp.c_fc", drawn, width, inner);
        all.bias(layer + ".mlp.c_fc", inner);
        all.weight(layer + ".mlp.c_proj", residual, inner, width);
        all.bias(layer + ".mlp.c_proj", width);
      }
      all.layerNorm("transformer.ln_f", width);
      if (!tied) {
        all.weight("lm_head", drawn, vocabulary, width);
      }
      return all.build();
    }

    @Override
    public String base() {
      return "transformer.";
    }

    @Override
    public boolean isBuffer(String tensor) {
      return BUFFER.matcher(tensor).matches();
    }

    @Override
    public Optional<String> tiedTo(String tensor) {
      return tied && tensor.equals("lm_head.weight")
          ? Optional.of("transformer.wte.weight")
          : Optional.empty();
    }

    @Override
    public Graph build(String name, Map<String, Tensor> values) {
      Network network = new Network(name, parameters(), values);
      network.enter("transformer.masks");
      Positions range = new Positions(network);
      Value mask = range.causalMask();
      network.leave();
      Value x = network.embed("transformer.wte", network.inputIds());
      x = network.addPositions("transformer.wpe", x, range);
      for (int i = 0; i < layers; i++) {
        x = layer(network, i, x, mask);
      }
      network.enter("transformer.ln_f");
      x = network.layerNorm("transformer.ln_f", x, epsilon);
      network.leave();
      return network.finish(
          x, network.parameter(tied ? "transformer.wte.weight" : "lm_head.weight"));
    }

    @Override
    public ModelConfig completed() {
      return config.withDefaults(
          ImmutableMap.<String, Object>builder()
              .put("architectures", List.of("GPT2LMHeadModel"))
              .put("vocab_size", vocabulary)
              .put("n_positions", positions)
              .put("n_embd", width)
              .put("n_layer", layers)
              .put("n_head", heads)
              .put("n_inner", inner)
              .put("activation_function", activation.text())
              .put("scale_attn_weights", scaled)
              .put("scale_attn_by_inverse_layer_idx", scaledByLayer)
              .put("layer_norm_epsilon", epsilon)
              .put("tie_word_embeddings", tied)
              .put("initializer_range", deviation)
              .buildOrThrow());
    }

    private Value layer(Network network, int index, Value input, Value mask) {
      String layer = "transformer.h." + index;
      network.enter(layer + ".attn");
      Value normed = network.layerNorm(layer + ".ln_1", input, epsilon);
      Value x = network.op("Add", input, attention(network, index, normed, mask));
      network.leave();
      network.enter(layer + ".mlp");
      Value expanded =
          network.conv1d(layer + ".mlp.c_fc", network.layerNorm(layer + ".ln_2", x, epsilon));
      Value mlp = network.conv1d(layer + ".mlp.c_proj", activation.apply(network, expanded));
      Value output = network.op("Add", x, mlp);
      network.leave();
      return output;
    }

    private Value attention(Network network, int index, Value x, Value mask) {
      String module = "transformer.h." + index + ".attn";
      Attention attention = new Attention(heads, width / heads);
      List<Value> parts = network.split(network.conv1d(module + ".c_attn", x), width, width, width);
      Value queries = attention.byHead(network, parts.get(0));
      Value keys = attention.byHead(network, parts.get(1));
      Value values = attention.byHead(network, parts.get(2));
      Value products = attention.products(network, queries, keys);
      if (scaled || scaledByLayer) {
        double divisor =
            (scaled ? StrictMath.sqrt(attention.width()) : 1) * (scaledByLayer ? index + 1 : 1);
        products = network.scale(products, 1 / divisor);
      }
      return network.conv1d(module + ".c_proj", attention.mix(network, products, mask, values));
    }
  }
}
