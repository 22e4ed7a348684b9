package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * GPT-Neo ({@code paper.md} §3.1, Hugging Face's {@code GPTNeoForCausalLM}): pre-norm attention
 * without scaling, over all earlier positions or over a window of them, and an MLP. Dropout rates
 * are not looked at: graphs compute without dropout, as in evaluation.
 */
final class GptNeo implements Family {

  private static final String GLOBAL = "global";
  private static final String LOCAL = "local";
  private static final ImmutableList<String> KINDS = ImmutableList.of(GLOBAL, LOCAL);
  private static final long LAYER_LIMIT = 4096;

  private static final Pattern BUFFER =
      Pattern.compile("transformer\\.h\\.\\d+\\.attn\\.attention\\.(bias|masked_bias)");

  @Override
  public String name() {
    return "gpt_neo";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.isOfType(name());
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    long hidden = config.extent("hidden_size", 2048);
    String headsKey = config.either("num_heads", "num_attention_heads");
    long heads = config.extent(headsKey, 16);
    if (hidden % heads != 0) {
      throw config.refuse(headsKey, "a divisor of hidden_size, " + hidden);
    }
    return new Model(
        config,
        config.extent("vocab_size", 50257),
        config.extent("max_position_embeddings", 2048),
        hidden,
        heads,
        config.extent("intermediate_size", 4 * hidden),
        config.extent("window_size", 256),
        kinds(config),
        Activation.of(config, "activation_function", "gelu_new"),
        config.positive("layer_norm_epsilon", 1e-5),
        config.flag("tie_word_embeddings", true),
        config.positive("initializer_range", 0.02));
  }

  /** The kind of attention of each layer; global and local by turns if nothing is said. */
  private static ImmutableList<String> kinds(ModelConfig config) {
    int layers =
        (int) config.count(config.either("num_layers", "num_hidden_layers"), 24, LAYER_LIMIT);
    List<String> kinds = new ArrayList<>();
    if (config.has("attention_layers")) {
      add(config, "attention_layers", config.value("attention_layers"), kinds);
    } else if (config.has("attention_types")) {
      for (JsonNode group : config.value("attention_types")) {
        int times = group.path(1).asInt();
        for (int i = 0; i < times && kinds.size() <= layers; i++) {
          add(config, "attention_types", group.path(0), kinds);
        }
      }
    } else {
      for (int i = 0; i < layers; i++) {
        kinds.add(KINDS.get(i % 2));
      }
    }
    if (kinds.size() != layers) {
      throw config.refuse(
          config.has("attention_layers") ? "attention_layers" : "attention_types",
          "the attention of " + layers + " layers, as num_layers says");
    }
    return ImmutableList.copyOf(kinds);
  }

  private static void add(ModelConfig config, String key, JsonNode names, List<String> kinds) {
    for (JsonNode name : names) {
      if (!KINDS.contains(name.asText())) {
        throw config.refuse(key, "made of \"global\" and \"local\"");
      }
      kinds.add(name.asText());
    }
  }

  private record Model(
      ModelConfig config,
      long vocabulary,
      long positions,
      long hidden,
      long heads,
      long intermediate,
      long window,
      ImmutableList<String> kinds,
      Activation activation,
      double epsilon,
      boolean tied,
      double deviation)
      implements Architecture {

    @Override
    public ImmutableList<Parameter> parameters() {
      Initializer drawn = Initializer.normal(deviation);
      ParameterList all = new ParameterList();
      all.weight("transformer.wte", drawn, vocabulary, hidden);
      all.weight("transformer.wpe", drawn, positions, hidden);
      for (int i = 0; i < kinds.size(); i++) {
        String layer = "transformer.h." + i;
        String attention = layer + ".attn.attention";
        all.layerNorm(layer + ".ln_1", hidden);
        all.weight(attention + ".k_proj", drawn, hidden, hidden);
        all.weight(attention + ".v_proj", drawn, hidden, hidden);
        all.weight(attention + ".q_proj", drawn, hidden, hidden);
        all.weight(attention + ".out_proj", drawn, hidden, hidden);
        all.bias(attention + ".out_proj", hidden);
        all.layerNorm(layer + ".ln_2", hidden);
        all.weight(layer + ".mlp.c_fc", drawn, intermediate, hidden);
        all.bias(layer + ".mlp.c_fc", intermediate);
        all.weight(layer + ".mlp.c_proj", drawn, hidden, intermediate);
        all.bias(layer + ".mlp.c_proj", hidden);
      }
      all.layerNorm("transformer.ln_f", hidden);
      if (!tied) {
        all.weight("lm_head", drawn, vocabulary, hidden);
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
      Positions positions = new Positions(network);
      Map<String, Value> masks = new LinkedHashMap<>();
      if (kinds.contains(GLOBAL)) {
        masks.put(GLOBAL, positions.causalMask());
      }
      if (kinds.contains(LOCAL)) {
        masks.put(LOCAL, positions.windowMask(window));
      }
      network.leave();
      Value x = network.embed("transformer.wte", network.inputIds());
      x = network.addPositions("transformer.wpe", x, positions);
      for (int i = 0; i < kinds.size(); i++) {
        x = layer(network, "transformer.h." + i, x, masks.get(kinds.get(i)));
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
              .put("architectures", List.of("GPTNeoForCausalLM"))
              .put("model_type", "gpt_neo")
              .put("vocab_size", vocabulary)
              .put("max_position_embeddings", positions)
              .put("hidden_size", hidden)
              .put("num_layers", kinds.size())
              .put("num_heads", heads)
              .put("intermediate_size", intermediate)
              .put("window_size", window)
              .put("attention_types", List.of(List.of(kinds, 1)))
              .put("activation_function", activation.text())
              .put("layer_norm_epsilon", epsilon)
              .put("tie_word_embeddings", tied)
              .put("initializer_range", deviation)
              .buildOrThrow());
    }

    private Value layer(Network network, String layer, Value input, Value mask) {
      network.enter(layer + ".attn");
      Value normed = network.layerNorm(layer + ".ln_1", input, epsilon);
      Value x =
          network.op("Add", input, attention(network, layer + ".attn.attention", normed, mask));
      network.leave();
      network.enter(layer + ".mlp");
      Value expanded =
          network.linear(layer + ".mlp.c_fc", network.layerNorm(layer + ".ln_2", x, epsilon));
      Value output =
          network.op(
              "Add", x, network.linear(layer + ".mlp.c_proj", activation.apply(network, expanded)));
      network.leave();
      return output;
    }

    private Value attention(Network network, String module, Value x, Value mask) {
      Attention attention = new Attention(heads, hidden / heads);
      Value queries = attention.byHead(network, network.linear(module + ".q_proj", x));
      Value keys = attention.byHead(network, network.linear(module + ".k_proj", x));
      Value values = attention.byHead(network, network.linear(module + ".v_proj", x));
      Value products = attention.products(network, queries, keys);
      return network.linear(module + ".out_proj", attention.mix(network, products, mask, values));
    }
  }
}
