package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Mamba-1 ({@code paper.md} §3.4) in Hugging Face's layout, {@code model_type} mamba, and in that
 * of its authors ({@link StateSpaces}).
 */
final class Mamba implements Family {

  private static final ImmutableList<String> SCHEMES = ImmutableList.of("random", "constant");
  private static final ImmutableList<String> SSM_KEYS =
      ImmutableList.of(
          "d_state",
          "d_conv",
          "expand",
          "dt_rank",
          "dt_min",
          "dt_max",
          "dt_init",
          "dt_scale",
          "dt_init_floor",
          "conv_bias",
          "bias",
          "use_fast_path",
          "layer");

  @Override
  public String name() {
    return "mamba";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.isOfType(name()) || StateSpaces.isLayout(config) && !StateSpaces.isMamba2(config);
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    return StateSpaces.isLayout(config) ? stateSpaces(config) : huggingFace(config);
  }

  private static Model huggingFace(ModelConfig config) {
    long hidden = config.extent("hidden_size", 768);
    long inner = StateSpaces.expanded(config, hidden);
    config.choice("hidden_act", "silu", ImmutableList.of("silu", "swish"));
    return new Model(
        config,
        "backbone.embeddings",
        config.extent("vocab_size", 50280),
        hidden,
        config.extent("intermediate_size", inner),
        config.extent("state_size", 16),
        config.extent("conv_kernel", 4),
        rank(config, "time_step_rank", hidden),
        (int) config.count("num_hidden_layers", 32, StateSpaces.LAYER_LIMIT),
        config.flag("use_bias", false),
        config.flag("use_conv_bias", true),
        config.flag("tie_word_embeddings", true),
        config.positive("layer_norm_epsilon", 1e-5),
        new Initial(
            config.positive("initializer_range", 0.02),
            config.choice("time_step_init_scheme", "random", SCHEMES),
            config.positive("time_step_scale", 1),
            config.positive("time_step_min", 0.001),
            config.positive("time_step_max", 0.1),
            config.positive("time_step_floor", 1e-4),
            config.flag("rescale_prenorm_residual", true)));
  }

  private static Model stateSpaces(ModelConfig config) {
    long hidden = config.extent("d_model", 2560);
    ModelConfig mixer = StateSpaces.mixer(config, "Mamba-1", SSM_KEYS);
    return new Model(
        config,
        StateSpaces.TABLE,
        StateSpaces.rows(config),
        hidden,
        StateSpaces.expanded(mixer, hidden),
        mixer.extent("d_state", 16),
        mixer.extent("d_conv", 4),
        rank(mixer, "dt_rank", hidden),
        (int) config.count("n_layer", 64, StateSpaces.LAYER_LIMIT),
        mixer.flag("bias", false),
        mixer.flag("conv_bias", true),
        config.flag("tie_embeddings", true),
        1e-5,
        new Initial(
            0.02,
            mixer.choice("dt_init", "random", SCHEMES),
            mixer.positive("dt_scale", 1),
            mixer.positive("dt_min", 0.001),
            mixer.positive("dt_max", 0.1),
            mixer.positive("dt_init_floor", 1e-4),
            true));
  }

  private static long rank(ModelConfig config, String key, long hidden) {
    return config.has(key) && config.value(key).asText().equals("auto")
        ? (hidden + 15) / 16
        : config.extent(key, (hidden + 15) / 16);
  }

  /**
   * How parameters are drawn.
   *
   * @param deviation of the table
   * @param scheme of dt_proj's weight, random or constant
   * @param rescale whether out_proj is divided by the square root of the number of layers
   */
  private record Initial(
      double deviation,
      String scheme,
      double scale,
      double least,
      double largest,
      double floor,
      boolean rescale) {

    Initializer timeStepWeight(long rank) {
      double bound = scale / StrictMath.sqrt(rank);
      return scheme.equals("constant") ? Initializer.constant(bound) : Initializer.uniform(bound);
    }
  }

  private record Model(
      ModelConfig config,
      String table,
      long rows,
      long hidden,
      long inner,
      long state,
      long kernel,
      long rank,
      int layers,
      boolean projectionBias,
      boolean convolutionBias,
      boolean tied,
      double epsilon,
      Initial initial)
      implements Architecture {

    @Override
    public ImmutableList<Parameter> parameters() {
      ParameterList all = new ParameterList();
      all.weight(table, Initializer.normal(initial.deviation()), rows, hidden);
      for (int i = 0; i < layers; i++) {
        String mixer = "backbone.layers." + i + ".mixer";
        all.weight("backbone.layers." + i + ".norm", Initializer.constant(1), hidden);
        all.add(mixer + ".A_log", this::stateDecay, inner, state);
        all.add(mixer + ".D", Initializer.constant(1), inner);
        Initializer convolution = Initializer.uniform(1 / StrictMath.sqrt(kernel));
        all.weight(mixer + ".conv1d", convolution, inner, 1, kernel);
        if (convolutionBias) {
          all.add(mixer + ".conv1d.bias", convolution, inner);
        }
        all.weight(mixer + ".in_proj", StateSpaces.fanIn(hidden, 1), 2 * inner, hidden);
        if (projectionBias) {
          all.bias(mixer + ".in_proj", 2 * inner);
        }
        all.weight(mixer + ".x_proj", StateSpaces.fanIn(inner, 1), rank + 2 * state, inner);
        all.weight(mixer + ".dt_proj", initial.timeStepWeight(rank), inner, rank);
        all.add(
            mixer + ".dt_proj.bias",
            StateSpaces.timeStepBias(initial.least(), initial.largest(), initial.floor()),
            inner);
        double residuals = initial.rescale() ? StrictMath.sqrt(layers) : 1;
        all.weight(mixer + ".out_proj", StateSpaces.fanIn(inner, residuals), hidden, inner);
        if (projectionBias) {
          all.bias(mixer + ".out_proj", hidden);
        }
      }
      all.weight("backbone.norm_f", Initializer.constant(1), hidden);
      if (!tied) {
        all.weight("lm_head", StateSpaces.fanIn(hidden, 1), rows, hidden);
      }
      return all.build();
    }

    @Override
    public String base() {
      return "backbone.";
    }

    @Override
    public boolean isBuffer(String tensor) {
      return false;
    }

    @Override
    public Optional<String> tiedTo(String tensor) {
      return tied && tensor.equals("lm_head.weight")
          ? Optional.of(table + ".weight")
          : Optional.empty();
    }

    @Override
    public Graph build(String name, Map<String, Tensor> values) {
      Network network = new Network(name, parameters(), values);
      Value x = network.embed(table, network.inputIds());
      for (int i = 0; i < layers; i++) {
        String layer = "backbone.layers." + i;
        network.enter(layer);
        Value normed = network.rmsNorm(layer + ".norm", x, epsilon);
        x = network.op("Add", x, mixer(network, layer + ".mixer", normed));
        network.leave();
      }
      network.enter("backbone.norm_f");
      x = network.rmsNorm("backbone.norm_f", x, epsilon);
      network.leave();
      return network.finish(x, network.parameter((tied ? table : "lm_head") + ".weight"));
    }

    @Override
    public ModelConfig completed() {
      if (table.equals(StateSpaces.TABLE)) {
        return StateSpaces.completed(config, rows);
      }
      return config.withDefaults(
          ImmutableMap.<String, Object>builder()
              .put("architectures", List.of("MambaForCausalLM"))
              .put("model_type", "mamba")
              .put("vocab_size", rows)
              .put("hidden_size", hidden)
              .put("intermediate_size", inner)
              .put("state_size", state)
              .put("conv_kernel", kernel)
              .put("time_step_rank", rank)
              .put("num_hidden_layers", layers)
              .put("use_bias", projectionBias)
              .put("use_conv_bias", convolutionBias)
              .put("tie_word_embeddings", tied)
              .put("layer_norm_epsilon", epsilon)
              .put("hidden_act", "silu")
              .put("initializer_range", initial.deviation())
              .buildOrThrow());
    }

    private Value mixer(Network network, String module, Value input) {
      List<Value> halves = network.split(network.linear(module + ".in_proj", input), inner, inner);
      Value x = network.silu(network.causalConv(module + ".conv1d", halves.get(0)));
      List<Value> pieces = network.split(network.linear(module + ".x_proj", x), rank, state, state);
      Value delta = network.op("Softplus", network.linear(module + ".dt_proj", pieces.get(0)));
      Value decay = network.op("Neg", network.op("Exp", network.parameter(module + ".A_log")));
      Value scanned = network.own("SelectiveScan", x, delta, decay, pieces.get(1), pieces.get(2));
      Value skipped = network.op("Mul", x, network.parameter(module + ".D"));
      Value y = network.op("Add", scanned, skipped);
      Value gated = network.op("Mul", y, network.silu(halves.get(1)));
      return network.linear(module + ".out_proj", gated);
    }

    /** The logarithm of 1, 2, …, N in each row. */
    private double stateDecay(long index, Draws draws) {
      return StrictMath.log(index % state + 1);
    }
  }
}
