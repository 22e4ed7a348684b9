package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import dev.manticore.ir.Tensor;
import java.util.Map;

/**
 * Mamba-2 written down a second time, as plainly as can be: one sequence, the recurrence token by
 * token, in double precision, straight from the configuration's keys, of either layout, and the
 * checkpoint's tensors.
 */
final class PlainMamba2 {

  private final JsonNode config;
  private final JsonNode settings;
  private final boolean huggingFace;
  private final Map<String, Tensor> tensors;

  private PlainMamba2(ModelConfig config, Map<String, Tensor> tensors) {
    this.config = config.json();
    this.huggingFace = this.config.has("model_type");
    this.settings = huggingFace ? this.config : this.config.get("ssm_cfg");
    this.tensors = tensors;
  }

  /** The logits of one sequence, [length][vocabulary]. */
  static double[][] logits(ModelConfig config, Map<String, Tensor> tensors, int... ids) {
    return new PlainMamba2(config, tensors).logits(ids);
  }

  private double[][] logits(int... ids) {
    String table = huggingFace ? "backbone.embeddings.weight" : "backbone.embedding.weight";
    boolean tied =
        huggingFace
            ? config.path("tie_word_embeddings").asBoolean(false)
            : config.path("tie_embeddings").asBoolean(true);
    int width = config.get(huggingFace ? "hidden_size" : "d_model").asInt();
    double[] rows = values(table);
    double[][] x = new double[ids.length][width];
    for (int t = 0; t < ids.length; t++) {
      System.arraycopy(rows, ids[t] * width, x[t], 0, width);
    }
    int layers = config.get(huggingFace ? "num_hidden_layers" : "n_layer").asInt();
    for (int i = 0; i < layers; i++) {
      String layer = "backbone.layers." + i;
      double[][] mixed = mixer(norm(x, layer + ".norm.weight", 1), layer + ".mixer", width);
      for (int t = 0; t < ids.length; t++) {
        for (int d = 0; d < width; d++) {
          x[t][d] += mixed[t][d];
        }
      }
    }
    return linear(norm(x, "backbone.norm_f.weight", 1), tied ? table : "lm_head.weight", "");
  }

  private double[][] mixer(double[][] u, String module, int width) {
    int inner = settings.path("expand").asInt(2) * width;
    int headWidth = number("head_dim", "headdim", 64);
    int groups = number("n_groups", "ngroups", huggingFace ? 8 : 1);
    int states = number("state_size", "d_state", 128);
    int heads = inner / headWidth;
    double[][] projected = linear(u, module + ".in_proj.weight", module + ".in_proj.bias");
    double[][] mixed = convolved(projected, inner, inner + 2 * groups * states, module + ".conv1d");
    double[] bias = values(module + ".dt_bias");
    double[] decays = values(module + ".A_log");
    double[] skips = values(module + ".D");
    double[][] y = new double[u.length][inner];
    for (int h = 0; h < heads; h++) {
      int b = inner + h / (heads / groups) * states;
      int c = b + groups * states;
      double[][] state = new double[headWidth][states];
      for (int t = 0; t < u.length; t++) {
        double raw = projected[t][projected[t].length - heads + h] + bias[h];
        double step = Math.max(limit(0, 0), Math.min(limit(1, 1e300), Math.log1p(Math.exp(raw))));
        for (int p = 0; p < headWidth; p++) {
          int at = h * headWidth + p;
          double skip = skips.length == heads ? skips[h] : skips[at];
          y[t][at] = skip * mixed[t][at];
          for (int n = 0; n < states; n++) {
            state[p][n] =
                Math.exp(-Math.exp(decays[h]) * step) * state[p][n]
                    + step * mixed[t][b + n] * mixed[t][at];
            y[t][at] += mixed[t][c + n] * state[p][n];
          }
        }
      }
    }
    boolean before = settings.path("norm_before_gate").asBoolean(false);
    boolean normed = huggingFace || settings.path("rmsnorm").asBoolean(true);
    if (normed && before) {
      y = norm(y, module + ".norm.weight", groups);
    }
    for (int t = 0; t < u.length; t++) {
      for (int d = 0; d < inner; d++) {
        y[t][d] *= projected[t][d] / (1 + Math.exp(-projected[t][d]));
      }
    }
    if (normed && !before) {
      y = norm(y, module + ".norm.weight", groups);
    }
    return linear(y, module + ".out_proj.weight", module + ".out_proj.bias");
  }

  /** Causal convolution of some channels, and the activation. */
  private double[][] convolved(double[][] x, int from, int channels, String module) {
    double[] weight = values(module + ".weight");
    int taps = weight.length / channels;
    double[][] y = new double[x.length][channels];
    for (int t = 0; t < x.length; t++) {
      for (int d = 0; d < channels; d++) {
        double sum = tensors.containsKey(module + ".bias") ? values(module + ".bias")[d] : 0;
        for (int j = 0; j < taps; j++) {
          int source = t - taps + 1 + j;
          sum += source < 0 ? 0 : weight[d * taps + j] * x[source][from + d];
        }
        y[t][d] = PlainGpt.activation(sum, settings.path("hidden_act").asText("silu"));
      }
    }
    return y;
  }

  private double[][] norm(double[][] x, String weight, int groups) {
    double[] scale = values(weight);
    int width = scale.length / groups;
    double[][] y = new double[x.length][scale.length];
    for (int t = 0; t < x.length; t++) {
      for (int g = 0; g < groups; g++) {
        double squares = 0;
        for (int d = g * width; d < (g + 1) * width; d++) {
          squares += x[t][d] * x[t][d];
        }
        double epsilon = config.path("layer_norm_epsilon").asDouble(1e-5);
        for (int d = g * width; d < (g + 1) * width; d++) {
          y[t][d] = x[t][d] / Math.sqrt(squares / width + epsilon) * scale[d];
        }
      }
    }
    return y;
  }

  private double[][] linear(double[][] x, String weight, String bias) {
    double[] w = values(weight);
    int in = x[0].length;
    double[][] y = new double[x.length][w.length / in];
    for (int t = 0; t < x.length; t++) {
      for (int o = 0; o < y[t].length; o++) {
        double sum = tensors.containsKey(bias) ? values(bias)[o] : 0;
        for (int i = 0; i < in; i++) {
          sum += w[o * in + i] * x[t][i];
        }
        y[t][o] = sum;
      }
    }
    return y;
  }

  private int number(String key, String stateSpacesKey, int otherwise) {
    return settings.path(huggingFace ? key : stateSpacesKey).asInt(otherwise);
  }

  private double limit(int index, double otherwise) {
    JsonNode limit = settings.path(huggingFace ? "time_step_limit" : "dt_limit").path(index);
    return limit.isNumber() ? limit.doubleValue() : otherwise;
  }

  private double[] values(String tensor) {
    return tensors.get(tensor).toDoubles();
  }
}
