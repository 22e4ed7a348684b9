package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.math.LongMath;
import dev.manticore.onnx.huggingface.Parameter.Initializer;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;

/**
 * What the families of Mamba share: the layout of their authors, {@code state-spaces}, with other
 * configuration keys than Hugging Face's, another name of the table, and a table whose rows are
 * padded to {@code pad_vocab_size_multiple}; and how their parameters are drawn.
 */
final class StateSpaces {

  static final long LAYER_LIMIT = 4096;

  /** The table in this layout; in Hugging Face's it is {@code backbone.embeddings}. */
  static final String TABLE = "backbone.embedding";

  private StateSpaces() {}

  /** Whether a configuration is of this layout. */
  static boolean isLayout(ModelConfig config) {
    return !config.has("model_type") && config.has("d_model") && config.has("n_layer");
  }

  /** Whether a configuration is of this layout and asks for Mamba-2. */
  static boolean isMamba2(ModelConfig config) {
    return isLayout(config)
        && config.value("ssm_cfg") != null
        && config.value("ssm_cfg").path("layer").asText().equals("Mamba2");
  }

  /**
   * The settings of the mixers, {@code ssm_cfg}, after a check that there are no others than these
   * keys, and that the model is made of nothing but such layers and RMS norms.
   *
   * @param family whose settings they are, for messages
   */
  static ModelConfig mixer(ModelConfig config, String family, ImmutableList<String> keys) {
    ModelConfig mixer = config.object("ssm_cfg");
    mixer.choice("layer", "Mamba1", ImmutableList.of("Mamba1", "Mamba2"));
    for (String key : mixer.keys()) {
      if (!keys.contains(key)) {
        throw mixer.refuse(key, "left out: " + family + " has no such setting");
      }
    }
    if (!config.flag("rms_norm", true)) {
      throw config.refuse("rms_norm", "true");
    }
    for (String key : List.of("d_intermediate", "attn_layer_idx")) {
      if (config.has(key) && !List.of("0", "[]").contains(config.value(key).toString())) {
        throw config.refuse(key, "left out: only Mamba layers are supported");
      }
    }
    return mixer;
  }

  /** The rows of the table. */
  static long rows(ModelConfig config) {
    long multiple = config.extent("pad_vocab_size_multiple", 8);
    long vocabulary = config.extent("vocab_size", 50277);
    return LongMath.divide(vocabulary, multiple, RoundingMode.CEILING) * multiple;
  }

  /**
   * The configuration to write: all else that is absent has the same default wherever this layout
   * is read.
   */
  static ModelConfig completed(ModelConfig config, long rows) {
    return config.withDefaults(
        ImmutableMap.of("vocab_size", rows, "pad_vocab_size_multiple", 8, "ssm_cfg", Map.of()));
  }

  /** The width of the mixers, {@code expand} times that of the model. */
  static long expanded(ModelConfig config, long hidden) {
    double inner = Math.floor(config.positive("expand", 2) * hidden);
    if (inner < 1 || inner > ModelConfig.EXTENT_LIMIT) {
      throw config.refuse("expand", "the ratio of the inner width to the width, " + hidden);
    }
    return (long) inner;
  }

  /** The inverse of softplus at time steps drawn uniformly in their logarithm. */
  static Initializer timeStepBias(double least, double largest, double floor) {
    return (index, draws) -> {
      double logarithm = draws.uniform(StrictMath.log(least), StrictMath.log(largest));
      double step = Math.max(StrictMath.exp(logarithm), floor);
      return step + StrictMath.log(-StrictMath.expm1(-step));
    };
  }

  /** PyTorch's default of Linear, made smaller by a divisor. */
  static Initializer fanIn(long in, double divisor) {
    return Initializer.uniform(1 / (StrictMath.sqrt(in) * divisor));
  }
}
