package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.ir.Tensor;
import java.util.Arrays;
import java.util.Map;

/**
 * The GPTs written down a second time, as plainly as can be: one sequence, loops over positions, in
 * double precision, straight from the configuration's keys and the checkpoint's tensors. What the
 * graphs compute is compared with this where no reference values of the originals are at hand.
 */
final class PlainGpt {

  private final JsonNode config;
  private final Map<String, Tensor> tensors;
  private final int[] ids;

  private PlainGpt(ModelConfig config, Map<String, Tensor> tensors, int[] ids) {
    this.config = config.json();
    this.tensors = tensors;
    this.ids = ids;
  }

  /** The logits of one sequence, [length][vocabulary]. */
  static double[][] logits(ModelConfig config, Map<String, Tensor> tensors, int... ids) {
    PlainGpt model = new PlainGpt(config, tensors, ids);
    return switch (model.config.get("model_type").asText()) {
      case "gpt2" -> model.gpt2();
      case "gpt_neo" -> model.gptNeo();
      default -> model.gptNeoX();
    };
  }

  private double[][] gpt2() {
    int width = config.get("n_embd").asInt();
    int heads = config.get("n_head").asInt();
    String act = config.path("activation_function").asText("gelu_new");
    double[][] x = plus(rows("transformer.wte"), positions("transformer.wpe"));
    for (int i = 0; i < config.get("n_layer").asInt(); i++) {
      String layer = "transformer.h." + i + ".";
      double scale = flag("scale_attn_weights", true) ? Math.sqrt((double) width / heads) : 1;
      scale *= flag("scale_attn_by_inverse_layer_idx", false) ? i + 1 : 1;
      double[][] fused = conv1d(norm(x, layer + "ln_1"), layer + "attn.c_attn");
      double[][] mixed = new double[ids.length][width];
      for (int h = 0; h < heads; h++) {
        int w = width / heads;
        attend(
            columns(fused, h * w, w),
            columns(fused, width + h * w, w),
            columns(fused, 2 * width + h * w, w),
            scale,
            Integer.MAX_VALUE,
            mixed,
            h * w);
      }
      x = plus(x, conv1d(mixed, layer + "attn.c_proj"));
      double[][] inner = activate(conv1d(norm(x, layer + "ln_2"), layer + "mlp.c_fc"), act);
      x = plus(x, conv1d(inner, layer + "mlp.c_proj"));
    }
    return head(norm(x, "transformer.ln_f"), "transformer.wte", "lm_head", true);
  }

  private double[][] gptNeo() {
    int width = config.get("hidden_size").asInt();
    int heads = config.get("num_heads").asInt();
    String act = config.path("activation_function").asText("gelu_new");
    double[][] x = plus(rows("transformer.wte"), positions("transformer.wpe"));
    for (int i = 0; i < config.get("num_layers").asInt(); i++) {
      String layer = "transformer.h." + i + ".";
      String attention = layer + "attn.attention.";
      boolean local = config.get("attention_layers").get(i).asText().equals("local");
      double[][] normed = norm(x, layer + "ln_1");
      double[][] q = linear(normed, attention + "q_proj");
      double[][] k = linear(normed, attention + "k_proj");
      double[][] v = linear(normed, attention + "v_proj");
      double[][] mixed = new double[ids.length][width];
      for (int h = 0; h < heads; h++) {
        int w = width / heads;
        attend(
            columns(q, h * w, w),
            columns(k, h * w, w),
            columns(v, h * w, w),
            1,
            local ? config.path("window_size").asInt(256) : Integer.MAX_VALUE,
            mixed,
            h * w);
      }
      x = plus(x, linear(mixed, attention + "out_proj"));
      double[][] inner = activate(linear(norm(x, layer + "ln_2"), layer + "mlp.c_fc"), act);
      x = plus(x, linear(inner, layer + "mlp.c_proj"));
    }
    return head(norm(x, "transformer.ln_f"), "transformer.wte", "lm_head", true);
  }

  private double[][] gptNeoX() {
    int width = config.get("hidden_size").asInt();
    int heads = config.get("num_attention_heads").asInt();
    int w = width / heads;
    double[][] x = rows("gpt_neox.embed_in");
    for (int i = 0; i < config.get("num_hidden_layers").asInt(); i++) {
      String layer = "gpt_neox.layers." + i + ".";
      double[][] fused =
          linear(norm(x, layer + "input_layernorm"), layer + "attention.query_key_value");
      double[][] mixed = new double[ids.length][width];
      for (int h = 0; h < heads; h++) {
        attend(
            rotate(columns(fused, 3 * h * w, w)),
            rotate(columns(fused, (3 * h + 1) * w, w)),
            columns(fused, (3 * h + 2) * w, w),
            Math.sqrt(w),
            Integer.MAX_VALUE,
            mixed,
            h * w);
      }
      double[][] attended = linear(mixed, layer + "attention.dense");
      double[][] read = flag("use_parallel_residual", true) ? x : plus(x, attended);
      double[][] inner =
          activate(
              linear(norm(read, layer + "post_attention_layernorm"), layer + "mlp.dense_h_to_4h"),
              config.path("hidden_act").asText("gelu"));
      x = plus(plus(x, attended), linear(inner, layer + "mlp.dense_4h_to_h"));
    }
    return head(norm(x, "gpt_neox.final_layer_norm"), "gpt_neox.embed_in", "embed_out", false);
  }

  /** x·cos + rotate_half(x)·sin on the first entries of a head, angles repeated twice. */
  private double[][] rotate(double[][] x) {
    ObjectNode none = ModelConfig.JSON.createObjectNode();
    JsonNode scaling =
        config.hasNonNull("rope_scaling")
            ? config.get("rope_scaling")
            : config.hasNonNull("rope_parameters") ? config.get("rope_parameters") : none;
    double share = first("partial_rotary_factor", 0.25, config, scaling);
    share = first("rotary_pct", share, config);
    double base = first("rope_theta", 10000, config, scaling);
    base = first("rotary_emb_base", base, config);
    int size = (int) (share * x[0].length);
    String type = scaling.path("rope_type").asText(scaling.path("type").asText("default"));
    double factor = scaling.path("factor").asDouble(1);
    double trained = config.path("max_position_embeddings").asDouble(2048);
    if (type.equals("dynamic") && ids.length > trained) {
      base *= Math.pow(factor * ids.length / trained - (factor - 1), size / (size - 2.0));
    }
    double[][] rotated = new double[x.length][];
    for (int t = 0; t < x.length; t++) {
      rotated[t] = x[t].clone();
      for (int j = 0; j < size; j++) {
        double frequency = 1 / Math.pow(base, 2.0 * (j % (size / 2)) / size);
        double angle = t * frequency / (type.equals("linear") ? factor : 1);
        double half = j < size / 2 ? -x[t][j + size / 2] : x[t][j - size / 2];
        rotated[t][j] = x[t][j] * Math.cos(angle) + half * Math.sin(angle);
      }
    }
    return rotated;
  }

  private static double first(String key, double otherwise, JsonNode... places) {
    for (JsonNode place : places) {
      if (place.hasNonNull(key)) {
        return place.get(key).asDouble();
      }
    }
    return otherwise;
  }

  private void attend(
      double[][] q,
      double[][] k,
      double[][] v,
      double divisor,
      int window,
      double[][] into,
      int at) {
    for (int i = 0; i < q.length; i++) {
      double[] weights = new double[i + 1];
      double total = 0;
      for (int j = Math.max(0, i - window + 1); j <= i; j++) {
        double score = 0;
        for (int c = 0; c < q[i].length; c++) {
          score += q[i][c] * k[j][c];
        }
        weights[j] = Math.exp(score / divisor);
        total += weights[j];
      }
      for (int j = 0; j <= i; j++) {
        for (int c = 0; c < q[i].length; c++) {
          into[i][at + c] += weights[j] / total * v[j][c];
        }
      }
    }
  }

  private double[][] head(double[][] x, String table, String head, boolean tiedByDefault) {
    boolean tied = flag("tie_word_embeddings", tiedByDefault);
    double[][] weight = matrix((tied ? table : head) + ".weight");
    return product(x, weight);
  }

  private boolean flag(String key, boolean otherwise) {
    return config.path(key).asBoolean(otherwise);
  }

  private double[][] rows(String module) {
    double[][] table = matrix(module + ".weight");
    double[][] rows = new double[ids.length][];
    for (int t = 0; t < ids.length; t++) {
      rows[t] = table[ids[t]];
    }
    return rows;
  }

  private double[][] positions(String module) {
    return Arrays.copyOf(matrix(module + ".weight"), ids.length);
  }

  private double[][] norm(double[][] x, String module) {
    double epsilon =
        config.path("layer_norm_epsilon").asDouble(config.path("layer_norm_eps").asDouble(1e-5));
    double[] scale = vector(module + ".weight");
    double[] shift = vector(module + ".bias");
    double[][] result = new double[x.length][scale.length];
    for (int t = 0; t < x.length; t++) {
      double mean = Arrays.stream(x[t]).average().orElseThrow();
      double variance =
          Arrays.stream(x[t]).map(e -> (e - mean) * (e - mean)).average().orElseThrow();
      for (int c = 0; c < scale.length; c++) {
        result[t][c] = (x[t][c] - mean) / Math.sqrt(variance + epsilon) * scale[c] + shift[c];
      }
    }
    return result;
  }

  private double[][] linear(double[][] x, String module) {
    return biased(product(x, matrix(module + ".weight")), module);
  }

  private double[][] conv1d(double[][] x, String module) {
    double[][] stored = matrix(module + ".weight");
    double[][] weight = new double[stored[0].length][stored.length];
    for (int i = 0; i < stored.length; i++) {
      for (int j = 0; j < stored[0].length; j++) {
        weight[j][i] = stored[i][j];
      }
    }
    return biased(product(x, weight), module);
  }

  /** x·Wᵀ. */
  private static double[][] product(double[][] x, double[][] weight) {
    double[][] result = new double[x.length][weight.length];
    for (int t = 0; t < x.length; t++) {
      for (int o = 0; o < weight.length; o++) {
        for (int i = 0; i < x[t].length; i++) {
          result[t][o] += x[t][i] * weight[o][i];
        }
      }
    }
    return result;
  }

  private double[][] biased(double[][] x, String module) {
    if (tensors.containsKey(module + ".bias")) {
      double[] bias = vector(module + ".bias");
      for (double[] row : x) {
        for (int c = 0; c < row.length; c++) {
          row[c] += bias[c];
        }
      }
    }
    return x;
  }

  private static double[][] plus(double[][] a, double[][] b) {
    double[][] sum = new double[a.length][a[0].length];
    for (int t = 0; t < a.length; t++) {
      for (int c = 0; c < a[t].length; c++) {
        sum[t][c] = a[t][c] + b[t][c];
      }
    }
    return sum;
  }

  private static double[][] columns(double[][] x, int from, int count) {
    double[][] part = new double[x.length][];
    for (int t = 0; t < x.length; t++) {
      part[t] = Arrays.copyOfRange(x[t], from, from + count);
    }
    return part;
  }

  private static double[][] activate(double[][] x, String name) {
    for (double[] row : x) {
      for (int c = 0; c < row.length; c++) {
        row[c] = activation(row[c], name);
      }
    }
    return x;
  }

  static double activation(double x, String name) {
    if (name.equals("gelu") || name.equals("gelu_python")) {
      return x * normalDistribution(x);
    }
    if (name.startsWith("gelu_")) {
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }
    return switch (name) {
      case "quick_gelu" -> x / (1 + Math.exp(-1.702 * x));
      case "relu" -> Math.max(0, x);
      case "relu2" -> Math.max(0, x) * Math.max(0, x);
      case "silu", "swish" -> x / (1 + Math.exp(-x));
      case "mish" -> x * Math.tanh(Math.log1p(Math.exp(x)));
      case "tanh" -> Math.tanh(x);
      case "sigmoid" -> 1 / (1 + Math.exp(-x));
      default -> throw new IllegalArgumentException(name);
    };
  }

  /** By Simpson's rule. */
  private static double normalDistribution(double x) {
    int steps = 400;
    double h = x / steps;
    double sum = 0;
    for (int i = 0; i <= steps; i++) {
      double weight = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
      sum += weight * Math.exp(-0.5 * (i * h) * (i * h));
    }
    return 0.5 + sum * h / 3 / Math.sqrt(2 * Math.PI);
  }

  private double[] vector(String name) {
    return tensors.get(name).toDoubles();
  }

  private double[][] matrix(String name) {
    Tensor tensor = tensors.get(name);
    long[] extents = tensor.shape().extents();
    double[] values = tensor.toDoubles();
    double[][] rows = new double[(int) extents[0]][];
    for (int r = 0; r < rows.length; r++) {
      int columns = (int) extents[1];
      rows[r] = Arrays.copyOfRange(values, r * columns, (r + 1) * columns);
    }
    return rows;
  }
}
