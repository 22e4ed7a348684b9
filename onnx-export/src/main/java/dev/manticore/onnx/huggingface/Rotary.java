package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.List;

/**
 * Rotary positions ({@code paper.md} §3.2): of the first {@code size} entries of a head, entry j of
 * the first half and entry j of the second are turned by the position times {@code
 * base^(-2j/size)}.
 *
 * @param share of a head's entries that are turned
 * @param size how many those are; even
 * @param scaling how positions beyond those trained for are treated
 * @param factor of the scaling
 * @param positions how many positions the model was trained for
 */
record Rotary(
    double share, long size, double base, Scaling scaling, double factor, long positions) {

  /** Hugging Face's {@code rope_type}. */
  enum Scaling {
    NONE,
    /** Positions are divided by the factor. */
    LINEAR,
    /** The base grows with the length of sequences longer than the model was trained for. */
    DYNAMIC
  }

  private static final ImmutableList<String> SCALING_KEYS =
      ImmutableList.of(
          "type",
          "rope_type",
          "factor",
          "rope_theta",
          "partial_rotary_factor",
          "original_max_position_embeddings");

  /**
   * What a configuration says of rotary positions, in the spelling of any release: {@code
   * rotary_pct} or {@code partial_rotary_factor}, {@code rotary_emb_base} or {@code rope_theta},
   * {@code rope_scaling} or {@code rope_parameters}.
   *
   * @param width of a head
   * @param positions how many positions the model was trained for
   * @throws dev.manticore.ir.ManticoreException {@code MNT-CONFIG} for a value that is not
   *     supported
   */
  static Rotary of(ModelConfig config, long width, long positions) {
    ModelConfig scaled = config.object(config.either("rope_scaling", "rope_parameters"));
    for (String key : scaled.keys()) {
      if (!SCALING_KEYS.contains(key)) {
        throw scaled.refuse(key, "left out: there is no such setting of the types supported");
      }
    }
    String shareKey = config.either("rotary_pct", "partial_rotary_factor");
    double share = agreed(config, shareKey, scaled, "partial_rotary_factor", 0.25);
    String baseKey = config.either("rotary_emb_base", "rope_theta");
    double base = agreed(config, baseKey, scaled, "rope_theta", 10000);
    long size = (long) (share * width);
    if (size < 2 || size > width || size % 2 != 0) {
      throw config.refuse(
          shareKey, "a share of a head's width, " + width + ", that is an even number");
    }
    String type =
        scaled.choice(
            scaled.either("rope_type", "type"),
            "default",
            ImmutableList.of("default", "linear", "dynamic"));
    if (type.equals("default")) {
      return new Rotary(share, size, base, Scaling.NONE, 1, positions);
    }
    double factor = scaled.positive("factor", 0);
    if (factor < 1) {
      throw scaled.refuse("factor", "a number of at least 1");
    }
    if (scaled.extent("original_max_position_embeddings", positions) != positions) {
      throw scaled.refuse(
          "original_max_position_embeddings", positions + ", as max_position_embeddings says");
    }
    if (type.equals("linear")) {
      return new Rotary(share, size, base, Scaling.LINEAR, factor, positions);
    }
    if (size == 2) {
      throw config.refuse(shareKey, "larger: dynamic scaling needs more than 2 rotary entries");
    }
    return new Rotary(share, size, base, Scaling.DYNAMIC, factor, positions);
  }

  private static double agreed(
      ModelConfig config, String key, ModelConfig inner, String innerKey, double otherwise) {
    double outer = config.positive(key, otherwise);
    double value = inner.positive(innerKey, outer);
    if (config.has(key) && value != outer) {
      throw inner.refuse(innerKey, outer + ", as '" + key + "' says");
    }
    return value;
  }

  /** Cosines and sines of all positions, f32[length,1,size/2]. */
  record Table(Value cosines, Value sines) {}

  Table table(Network network, Positions range) {
    Value column = network.op("Unsqueeze", range.range(), network.constant(Tensor.vector(1, 2)));
    Value angles =
        network.op("Mul", asFloat(network, column), frequencies(network, range.length()));
    return new Table(network.op("Cos", angles), network.op("Sin", angles));
  }

  /** [batch,length,heads,width], its first entries turned by the angles of their positions. */
  Value turn(Network network, Table table, Value x, long width) {
    long half = size / 2;
    List<Value> parts =
        size == width ? network.split(x, half, half) : network.split(x, half, half, width - size);
    Value first =
        network.op(
            "Sub",
            network.op("Mul", parts.get(0), table.cosines()),
            network.op("Mul", parts.get(1), table.sines()));
    Value second =
        network.op(
            "Add",
            network.op("Mul", parts.get(1), table.cosines()),
            network.op("Mul", parts.get(0), table.sines()));
    return size == width
        ? network.concat(first, second)
        : network.concat(first, second, parts.get(2));
  }

  /** The angle between two positions for each pair of entries: f32[size/2]. */
  private Value frequencies(Network network, Value length) {
    int half = Math.toIntExact(size / 2);
    float[] values = new float[half];
    for (int j = 0; j < half; j++) {
      double exponent = -2.0 * j / size;
      values[j] =
          (float)
              switch (scaling) {
                case NONE -> StrictMath.pow(base, exponent);
                case LINEAR -> StrictMath.pow(base, exponent) / factor;
                case DYNAMIC -> exponent;
              };
    }
    Value constants = network.constant(Tensor.ofFloats(Shape.of(half), values));
    return scaling == Scaling.DYNAMIC
        ? network.op("Pow", dynamicBase(network, length), constants)
        : constants;
  }

  /**
   * The base for sequences of a length L beyond the P trained for, {@code base·(factor·L/P -
   * (factor - 1))^(size/(size-2))}, which up to P is the base itself.
   */
  private Value dynamicBase(Network network, Value length) {
    Value most = network.op("Max", length, network.constant(Tensor.scalar(positions)));
    Value ratio = network.scale(asFloat(network, most), factor / positions);
    Value stretch = network.op("Sub", ratio, network.constant(Tensor.scalar((float) (factor - 1))));
    Value power =
        network.op(
            "Pow", stretch, network.constant(Tensor.scalar((float) ((double) size / (size - 2)))));
    return network.scale(power, base);
  }

  private static Value asFloat(Network network, Value integers) {
    return network.op("Cast", Attributes.of("to", ElementType.FLOAT32.onnxNumber()), integers);
  }
}
