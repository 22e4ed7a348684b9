package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Mamba-2 ({@code paper.md} §3.5) in Hugging Face's layout, {@code model_type} mamba2, and in that
 * of its authors ({@link StateSpaces}).
 *
 * <p>The norm over the mixer's channels is taken over those of each group, as the authors' and
 * Hugging Face's fused kernels do; Hugging Face's slow path takes it over all. {@code chunk_size}
 * changes how the sums are taken, not what they are.
 */
final class Mamba2 implements Family {

  private static final ImmutableList<String> SSM_KEYS =
      ImmutableList.of(
          "layer",
          "d_state",
          "d_conv",
          "conv_init",
          "expand",
          "headdim",
          "d_ssm",
          "ngroups",
          "A_init_range",
          "D_has_hdim",
          "rmsnorm",
          "norm_before_gate",
          "dt_min",
          "dt_max",
          "dt_init_floor",
          "dt_limit",
          "bias",
          "conv_bias",
          "chunk_size",
          "use_mem_eff_path");

  @Override
  public String name() {
    return "mamba2";
  }

  @Override
  public boolean recognises(ModelConfig config) {
    return config.isOfType(name()) || StateSpaces.isMamba2(config);
  }

  @Override
  public Architecture architecture(ModelConfig config) {
    return StateSpaces.isLayout(config) ? stateSpaces(config) : huggingFace(config);
  }

  private static Model huggingFace(ModelConfig config) {
    long hidden = config.extent("hidden_size", 4096);
    if (!config.flag("rms_norm", true)) {
      throw config.refuse("rms_norm", "true: Hugging Face's implementation has the norm always");
    }
    long inner = StateSpaces.expanded(config, hidden);
    Heads heads = Heads.of(config, inner, "head_dim", "n_groups", 8);
    if (config.extent("num_heads", heads.count()) != heads.count()) {
      throw config.refuse(
          "num_heads", heads.count() + ", the inner width, " + inner + ", divided by head_dim");
    }
    long kernel = config.extent("conv_kernel", 4);
    return new Model(
        config,
        "backbone.embeddings",
        config.extent("vocab_size", 32768),
        hidden,
        heads,
        config.extent("state_size", 128),
        kernel,
        config.extent("chunk_size", 256),
        (int) config.count("num_hidden_layers", 64, StateSpaces.LAYER_LIMIT),
        Activation.of(config, "hidden_act", "silu"),
        Norm.AFTER_GATE,
        Skip.OF_HEADS,
        Interval.of(config, "time_step_limit", new Interval(0, Double.POSITIVE_INFINITY)),
        config.flag("use_bias", false),
        config.flag("use_conv_bias", true),
        config.flag("tie_word_embeddings", false),
        config.positive("layer_norm_epsilon", 1e-5),
        new Initial(
            config.positive("initializer_range", 0.1),
            1 / StrictMath.sqrt(kernel),
            Interval.DECAYS,
            config.positive("time_step_min", 0.001),
            config.positive("time_step_max", 0.1),
            config.positive("time_step_floor", 1e-4),
            config.flag("rescale_prenorm_residual", false)));
  }

  private static Model stateSpaces(ModelConfig config) {
    long hidden = config.extent("d_model", 2560);
    ModelConfig mixer = StateSpaces.mixer(config, "Mamba-2", SSM_KEYS);
    long inner = StateSpaces.expanded(mixer, hidden);
    if (mixer.extent("d_ssm", inner) != inner) {
      throw mixer.refuse("d_ssm", inner + ", the inner width: a gated MLP beside is not supported");
    }
    long kernel = mixer.extent("d_conv", 4);
    Norm norm = mixer.flag("norm_before_gate", false) ? Norm.BEFORE_GATE : Norm.AFTER_GATE;
    return new Model(
        config,
        StateSpaces.TABLE,
        StateSpaces.rows(config),
        hidden,
        Heads.of(mixer, inner, "headdim", "ngroups", 1),
        mixer.extent("d_state", 128),
        kernel,
        mixer.extent("chunk_size", 256),
        (int) config.count("n_layer", 64, StateSpaces.LAYER_LIMIT),
        Activation.SILU,
        mixer.flag("rmsnorm", true) ? norm : Norm.NONE,
        mixer.flag("D_has_hdim", false) ? Skip.OF_CHANNELS : Skip.OF_HEADS,
        Interval.of(mixer, "dt_limit", new Interval(0, Double.POSITIVE_INFINITY)),
        mixer.flag("bias", false),
        mixer.flag("conv_bias", true),
        config.flag("tie_embeddings", true),
        1e-5,
        new Initial(
            0.02,
            mixer.positive("conv_init", 1 / StrictMath.sqrt(kernel)),
            decays(mixer),
            mixer.positive("dt_min", 0.001),
            mixer.positive("dt_max", 0.1),
            mixer.positive("dt_init_floor", 1e-4),
            true));
  }

  private static Interval decays(ModelConfig mixer) {
    Interval decays = Interval.of(mixer, "A_init_range", Interval.DECAYS);
    if (decays.least() == 0 || Double.isInfinite(decays.most())) {
      throw mixer.refuse("A_init_range", "two numbers greater than 0");
    }
    return decays;
  }

  /** Where the norm of the mixer stands. */
  private enum Norm {
    NONE,
    BEFORE_GATE,
    AFTER_GATE
  }

  /** What has a factor of its own in the skip connection D x. */
  private enum Skip {
    OF_HEADS,
    OF_CHANNELS
  }

  /**
   * @param count heads, which the groups are shared out to
   * @param width channels of a head
   */
  private record Heads(long count, long width, long groups) {

    static Heads of(
        ModelConfig config, long inner, String widthKey, String groupsKey, long groupsOtherwise) {
      long width = config.extent(widthKey, 64);
      if (inner % width != 0) {
        throw config.refuse(widthKey, "a divisor of the inner width, " + inner);
      }
      long groups = config.extent(groupsKey, groupsOtherwise);
      if (inner / width % groups != 0) {
        throw config.refuse(groupsKey, "a divisor of the number of heads, " + inner / width);
      }
      return new Heads(inner / width, width, groups);
    }

    long channels() {
      return count * width;
    }
  }

  /** Numbers from one to another, not below 0. */
  private record Interval(double least, double most) {

    static final Interval DECAYS = new Interval(1, 16);

    static Interval of(ModelConfig config, String key, Interval otherwise) {
      if (!config.has(key)) {
        return otherwise;
      }
      JsonNode pair = config.value(key);
      Interval interval = new Interval(number(pair.path(0)), number(pair.path(1)));
      if (!pair.isArray()
          || pair.size() != 2
          || !(interval.least >= 0 && interval.least <= interval.most)
          || Double.isInfinite(interval.least)) {
        throw config.refuse(key, "two numbers, the first from 0 on and the second not below it");
      }
      return interval;
    }

    /** A number; newer configurations write infinity as an object. */
    private static double number(JsonNode node) {
      return node.path("__float__").asText().equals("Infinity")
          ? Double.POSITIVE_INFINITY
          : node.isNumber() ? node.doubleValue() : Double.NaN;
    }

    List<Object> toJson() {
      return List.of(least, most);
    }
  }

  /**
   * How parameters are drawn.
   *
   * @param deviation of the table
   * @param convolution the bound of the convolution's taps
   * @param decays of which A is drawn, with the other sign
   * @param rescale whether out_proj is divided by the square root of the number of layers
   */
  private record Initial(
      double deviation,
      double convolution,
      Interval decays,
      double leastStep,
      double largestStep,
      double floor,
      boolean rescale) {

    Initializer decay() {
      return (index, draws) -> StrictMath.log(draws.uniform(decays.least(), decays.most()));
    }
  }

  private record Model(
      ModelConfig config,
      String table,
      long rows,
      long hidden,
      Heads heads,
      long state,
      long kernel,
      long chunk,
      int layers,
      Activation activation,
      Norm norm,
      Skip skip,
      Interval timeSteps,
      boolean projectionBias,
      boolean convolutionBias,
      boolean tied,
      double epsilon,
      Initial initial)
      implements Architecture {

    /** Channels of the convolution: x, and B and C of each group. */
    private long convolved() {
      return heads.channels() + 2 * heads.groups() * state;
    }

    @Override
    public ImmutableList<Parameter> parameters() {
      ParameterList all = new ParameterList();
      all.weight(table, Initializer.normal(initial.deviation()), rows, hidden);
      for (int i = 0; i < layers; i++) {
        String mixer = "backbone.layers." + i + ".mixer";
        all.weight("backbone.layers." + i + ".norm", Initializer.constant(1), hidden);
        Initializer timeStep =
            StateSpaces.timeStepBias(initial.leastStep(), initial.largestStep(), initial.floor());
        all.add(mixer + ".dt_bias", timeStep, heads.count());
        all.add(mixer + ".A_log", initial.decay(), heads.count());
        all.add(
            mixer + ".D",
            Initializer.constant(1),
            skip == Skip.OF_HEADS ? heads.count() : heads.channels());
        all.weight(
            mixer + ".conv1d", Initializer.uniform(initial.convolution()), convolved(), 1, kernel);
        if (convolutionBias) {
          Initializer taps = Initializer.uniform(1 / StrictMath.sqrt(kernel));
          all.add(mixer + ".conv1d.bias", taps, convolved());
        }
        long projected = heads.channels() + convolved() + heads.count();
        all.weight(mixer + ".in_proj", StateSpaces.fanIn(hidden, 1), projected, hidden);
        if (projectionBias) {
          all.bias(mixer + ".in_proj", projected);
        }
        if (norm != Norm.NONE) {
          all.weight(mixer + ".norm", Initializer.constant(1), heads.channels());
        }
        double residuals = initial.rescale() ? StrictMath.sqrt(layers) : 1;
        Initializer back = StateSpaces.fanIn(heads.channels(), residuals);
        all.weight(mixer + ".out_proj", back, hidden, heads.channels());
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
              .put("architectures", List.of("Mamba2ForCausalLM"))
              .put("model_type", "mamba2")
              .put("vocab_size", rows)
              .put("hidden_size", hidden)
              .put("expand", 2)
              .put("num_heads", heads.count())
              .put("head_dim", heads.width())
              .put("n_groups", heads.groups())
              .put("state_size", state)
              .put("conv_kernel", kernel)
              .put("chunk_size", chunk)
              .put("num_hidden_layers", layers)
              .put("hidden_act", activation.text())
              .put("rms_norm", true)
              .put("time_step_limit", timeSteps.toJson())
              .put("use_bias", projectionBias)
              .put("use_conv_bias", convolutionBias)
              .put("tie_word_embeddings", tied)
              .put("layer_norm_epsilon", epsilon)
              .put("initializer_range", initial.deviation())
              .buildOrThrow());
    }

    private Value mixer(Network network, String module, Value input) {
      List<Value> projected =
          network.split(
              network.linear(module + ".in_proj", input),
              heads.channels(),
              convolved(),
              heads.count());
      Value convolved =
          activation.apply(network, network.causalConv(module + ".conv1d", projected.get(1)));
      long grouped = heads.groups() * state;
      List<Value> pieces = network.split(convolved, heads.channels(), grouped, grouped);
      Value x = pieces.get(0);
      Value decay = network.op("Neg", network.op("Exp", network.parameter(module + ".A_log")));
      Value scanned =
          network.own(
              "StateSpaceDual",
              Attributes.of("heads", heads.count())
                  .with("groups", heads.groups())
                  .with("chunk_size", chunk),
              x,
              timeSteps(network, module, projected.get(2)),
              decay,
              pieces.get(1),
              pieces.get(2));
      Value y = network.op("Add", scanned, network.op("Mul", x, skip(network, module)));
      Value gate = network.silu(projected.get(0));
      Value gated =
          norm == Norm.BEFORE_GATE
              ? network.op("Mul", normed(network, module + ".norm", y), gate)
              : network.op("Mul", y, gate);
      return network.linear(
          module + ".out_proj",
          norm == Norm.AFTER_GATE ? normed(network, module + ".norm", gated) : gated);
    }

    /** softplus(dt + dt_bias) within the limits, [batch,length,heads]. */
    private Value timeSteps(Network network, String module, Value dt) {
      Value step =
          network.op("Softplus", network.op("Add", dt, network.parameter(module + ".dt_bias")));
      if (timeSteps.least() > 0) {
        step = network.op("Max", step, network.constant(Tensor.scalar((float) timeSteps.least())));
      }
      return Double.isInfinite(timeSteps.most())
          ? step
          : network.op("Min", step, network.constant(Tensor.scalar((float) timeSteps.most())));
    }

    /** D for each channel. */
    private Value skip(Network network, String module) {
      Value factors = network.parameter(module + ".D");
      if (skip == Skip.OF_CHANNELS) {
        return factors;
      }
      Value shape = network.constant(Tensor.vector(heads.count(), heads.width()));
      return network.reshape(
          network.op("Expand", network.reshape(factors, heads.count(), 1), shape), -1);
    }

    /** RMS norm over the channels of each group. */
    private Value normed(Network network, String module, Value y) {
      if (heads.groups() == 1) {
        return network.rmsNorm(module, y, epsilon);
      }
      long width = heads.channels() / heads.groups();
      float[] ones = new float[(int) width];
      Arrays.fill(ones, 1);
      Value groups =
          network.rmsNorm(
              network.reshape(y, 0, 0, heads.groups(), width),
              network.constant(Tensor.ofFloats(Shape.of(width), ones)),
              epsilon);
      return network.op(
          "Mul",
          network.reshape(groups, 0, 0, heads.channels()),
          network.parameter(module + ".weight"));
    }
  }
}
