package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.util.ArrayList;
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

  private static final ImmutableList<String> KINDS = ImmutableList.of("global", "local");
  private static final ImmutableList<String> ACTIVATIONS =
      ImmutableList.of("gelu_new", "gelu", "relu");
  private static final long LAYER_LIMIT = 4096;

  /** The attention of masked positions: the least float32, as the original adds it. */
  private static final float MASKED = -Float.MAX_VALUE;

  private static final Pattern BUFFER =
      Pattern.compile("transformer\\.h\\.\\d+\\.attn\\.attention\\.(bias|masked_bias)");

  @Override
  public String name() {
    return "gpt_neo";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.has("model_type") && config.value("model_type").asText().equals(name());
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    long hidden = config.extent("hidden_size", 2048);
    long heads = config.extent("num_heads", config.extent("num_attention_heads", 16));
    if (hidden % heads != 0) {
      throw config.refuse("num_heads", "a divisor of hidden_size, " + hidden);
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
        config.choice("activation_function", "gelu_new", ACTIVATIONS),
        config.positive("layer_norm_epsilon", 1e-5),
        config.flag("tie_word_embeddings", true),
        config.positive("initializer_range", 0.02));
  }

  /** The kind of attention of each layer; global and local by turns if nothing is said. */
  private static ImmutableList<String> kinds(ModelConfig config) {
    int layers =
        (int)
            config.count(
                "num_layers", config.count("num_hidden_layers", 24, LAYER_LIMIT), LAYER_LIMIT);
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
      String activation,
      double epsilon,
      boolean tied,
      double deviation)
      implements Architecture {

    @Override
    public ImmutableList<Parameter> parameters() {
      ImmutableList.Builder<Parameter> all = ImmutableList.builder();
      all.add(weight("transformer.wte", vocabulary, hidden));
      all.add(weight("transformer.wpe", positions, hidden));
      for (int i = 0; i < kinds.size(); i++) {
        String layer = "transformer.h." + i;
        String attention = layer + ".attn.attention";
        addNorm(all, layer + ".ln_1");
        all.add(weight(attention + ".k_proj", hidden, hidden));
        all.add(weight(attention + ".v_proj", hidden, hidden));
        all.add(weight(attention + ".q_proj", hidden, hidden));
        all.add(weight(attention + ".out_proj", hidden, hidden));
        all.add(bias(attention + ".out_proj", hidden));
        addNorm(all, layer + ".ln_2");
        all.add(weight(layer + ".mlp.c_fc", intermediate, hidden));
        all.add(bias(layer + ".mlp.c_fc", intermediate));
        all.add(weight(layer + ".mlp.c_proj", hidden, intermediate));
        all.add(bias(layer + ".mlp.c_proj", hidden));
      }
      addNorm(all, "transformer.ln_f");
      if (!tied) {
        all.add(weight("lm_head", vocabulary, hidden));
      }
      return all.build();
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
      Value table = network.parameter("transformer.wte.weight");
      Masks masks = masks(network);
      network.enter("transformer.wte");
      Value tokens = network.gather(table, network.inputIds());
      network.leave();
      network.enter("transformer.wpe");
      Value x =
          network.op(
              "Add",
              tokens,
              network.gather(network.parameter("transformer.wpe.weight"), masks.positions()));
      network.leave();
      for (int i = 0; i < kinds.size(); i++) {
        Value mask = (kinds.get(i).equals("local") ? masks.local() : masks.global()).orElseThrow();
        x = layer(network, "transformer.h." + i, x, mask);
      }
      network.enter("transformer.ln_f");
      x = network.layerNorm("transformer.ln_f", x, epsilon);
      network.leave();
      return network.finish(x, tied ? table : network.parameter("lm_head.weight"));
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
              .put("activation_function", activation)
              .put("layer_norm_epsilon", epsilon)
              .put("tie_word_embeddings", tied)
              .put("initializer_range", deviation)
              .buildOrThrow());
    }

    /** The position ids i64[length], and the additive masks f32[length,length] that are needed. */
    private record Masks(Value positions, Optional<Value> global, Optional<Value> local) {}

    private Masks masks(Network network) {
      network.enter("transformer.masks");
      Value zero = network.constant(Tensor.scalar(0L));
      Value one = network.constant(Tensor.scalar(1L));
      Value length = network.gather(network.op("Shape", network.inputIds()), one);
      Value keys = network.op("Range", zero, length, one);
      Value queries = network.op("Unsqueeze", keys, network.constant(Tensor.vector(1)));
      Value earlier = network.op("LessOrEqual", keys, queries);
      Value seen = network.constant(Tensor.scalar(0f));
      Value hidden = network.constant(Tensor.scalar(MASKED));
      Optional<Value> global = Optional.empty();
      Optional<Value> local = Optional.empty();
      if (kinds.contains("global")) {
        global = Optional.of(network.op("Where", earlier, seen, hidden));
      }
      if (kinds.contains("local")) {
        // The window includes the position itself: i - window < j.
        Value first = network.op("Sub", queries, network.constant(Tensor.scalar(window - 1)));
        Value near = network.op("And", earlier, network.op("LessOrEqual", first, keys));
        local = Optional.of(network.op("Where", near, seen, hidden));
      }
      network.leave();
      return new Masks(keys, global, local);
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
          network.op("Add", x, network.linear(layer + ".mlp.c_proj", activate(network, expanded)));
      network.leave();
      return output;
    }

    private Value attention(Network network, String module, Value x, Value mask) {
      Value queries = split(network, network.linear(module + ".q_proj", x), 0, 2, 1, 3);
      Value keys = split(network, network.linear(module + ".k_proj", x), 0, 2, 3, 1);
      Value values = split(network, network.linear(module + ".v_proj", x), 0, 2, 1, 3);
      Value scores = network.op("Add", network.op("MatMul", queries, keys), mask);
      Value weights = network.op("Softmax", Attributes.of("axis", -1), scores);
      Value mixed = network.transpose(network.op("MatMul", weights, values), 0, 2, 1, 3);
      Value joined = network.op("Reshape", mixed, network.constant(Tensor.vector(0, 0, hidden)));
      return network.linear(module + ".out_proj", joined);
    }

    /** [batch, length, hidden] to heads, permuted. */
    private Value split(Network network, Value x, long... permutation) {
      Value shape = network.constant(Tensor.vector(0, 0, heads, hidden / heads));
      return network.transpose(network.op("Reshape", x, shape), permutation);
    }

    private Value activate(Network network, Value x) {
      return switch (activation) {
        case "gelu_new" ->
            network.op("Gelu", Attributes.of("approximate", Attribute.of("tanh")), x);
        case "gelu" -> network.op("Gelu", x);
        case "relu" -> network.op("Relu", x);
        default -> throw new IllegalStateException(activation);
      };
    }

    private Parameter weight(String module, long rows, long columns) {
      return new Parameter(
          module + ".weight", Shape.of(rows, columns), Initializer.normal(deviation));
    }

    private static Parameter bias(String module, long size) {
      return new Parameter(module + ".bias", Shape.of(size), Initializer.constant(0));
    }

    private void addNorm(ImmutableList.Builder<Parameter> all, String module) {
      all.add(new Parameter(module + ".weight", Shape.of(hidden), Initializer.constant(1)));
      all.add(bias(module, hidden));
    }
  }
}
