package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Bodies, in simpler standard operators, of operators that are not our own: what is differentiated
 * in their place, and what runtimes without them run.
 */
final class Decompositions {

  private record Body(ImmutableSet<Integer> weights, BodyOperator.Definition definition) {}

  private static final ImmutableMap<OpId, Body> BODIES =
      ImmutableMap.<OpId, Body>builder()
          .put(OpId.onnx("Attention"), body(Decompositions::attention, 0, 1, 2))
          .put(OpId.onnx("RotaryEmbedding"), body(Decompositions::rotaryEmbedding))
          .put(OpId.onnx("BatchNormalization"), body(Decompositions::batchNormalization))
          .put(OpId.onnx("InstanceNormalization"), body(Decompositions::instanceNormalization))
          .put(OpId.onnx("GroupNormalization"), body(Decompositions::groupNormalization))
          .put(OpId.onnx("LpNormalization"), body(Decompositions::lpNormalization))
          .put(OpId.onnx("MeanVarianceNormalization"), body(Decompositions::meanVariance))
          .put(OpId.onnx("LRN"), body(Decompositions::localResponse))
          .put(OpId.onnx("LpPool"), body(Decompositions::normPool))
          .put(OpId.onnx("GlobalLpPool"), body(Decompositions::globalNorm))
          .put(OpId.onnx("DequantizeLinear"), body(Decompositions::dequantized, 0, 1))
          .put(
              OpId.onnx("NegativeLogLikelihoodLoss"),
              body((o, call, in) -> List.of(negativeLogLikelihood(o, call, in.get(0), in))))
          .put(OpId.onnx("SoftmaxCrossEntropyLoss"), body(Decompositions::softmaxCrossEntropy))
          .put(OpId.microsoft("FusedMatMul"), body(Decompositions::fusedMatMul))
          .put(OpId.microsoft("Gelu"), body((o, call, in) -> List.of(o.onnx("Gelu", in.get(0)))))
          .put(OpId.microsoft("FastGelu"), body(Decompositions::fastGelu))
          .put(OpId.microsoft("QuickGelu"), body((o, call, in) -> swish(o, call, in, 1.702f)))
          .put(OpId.onnx("Swish"), body((o, call, in) -> swish(o, call, in, 1)))
          .buildOrThrow();

  private Decompositions() {}

  /** The operator with its body, if it has one here. */
  static Operator with(OpId op, Operator operator) {
    Body body = BODIES.get(op);
    return body == null
        ? operator
        : Decomposed.of(op.name(), operator, body.weights(), body.definition());
  }

  private static Body body(BodyOperator.Definition definition, Integer... weights) {
    return new Body(ImmutableSet.copyOf(weights), definition);
  }

  private static int rank(Call call, int index) {
    Shape shape = call.shape(index);
    if (!shape.isRanked()) {
      throw new NotCoveredException("the rank of input " + index + " must be known");
    }
    return shape.rank();
  }

  private static long[] range(int from, int end) {
    long[] values = new long[Math.max(0, end - from)];
    Arrays.setAll(values, i -> from + i);
    return values;
  }

  private static List<Value> fusedMatMul(Ops o, Call call, List<Value> in) {
    List<Value> operands = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      boolean turned = call.attributes().intValue(i == 0 ? "transA" : "transB", 0) != 0;
      operands.add(turned && rank(call, i) > 1 ? o.transposeLast(in.get(i)) : in.get(i));
    }
    Value product = o.matMul(operands.get(0), operands.get(1));
    float alpha = call.attributes().floatValue("alpha", 1);
    return List.of(alpha == 1 ? product : o.mul(product, alpha));
  }

  // ---- Activations

  private static List<Value> fastGelu(Ops o, Call call, List<Value> in) {
    Value x = in.size() > 1 ? o.add(in.get(0), in.get(1)) : in.get(0);
    return List.of(o.onnx("Gelu", Attributes.of("approximate", Attribute.of("tanh")), x));
  }

  private static List<Value> swish(Ops o, Call call, List<Value> in, float otherwise) {
    double alpha = call.attributes().floatValue("alpha", otherwise);
    return List.of(o.mul(in.get(0), o.sigmoid(o.mul(in.get(0), alpha))));
  }

  // ---- Normalisation

  private static float epsilon(Call call) {
    return call.attributes().floatValue("epsilon", 1e-5f);
  }

  /** A value a channel, [C], laid along axis 1 of operands of a rank. */
  private static Value perChannel(Ops o, Value value, int rank) {
    return rank == 2 ? value : o.unsqueeze(value, range(1, rank - 1));
  }

  private static Value normalised(Ops o, Value centred, Value variance, double epsilon) {
    return o.div(centred, o.sqrt(o.add(variance, epsilon)));
  }

  private static List<Value> batchNormalization(Ops o, Call call, List<Value> in) {
    int rank = rank(call, 0);
    ElementType type = in.get(0).elementType();
    Value x = in.get(0);
    Value scale = perChannel(o, o.cast(in.get(1), type), rank);
    Value bias = perChannel(o, o.cast(in.get(2), type), rank);
    Value mean = in.get(3);
    Value variance = in.get(4);
    if (call.attributes().intValue("training_mode", 0) == 0) {
      Value centred = o.sub(x, perChannel(o, o.cast(mean, type), rank));
      Value spread = perChannel(o, o.cast(variance, type), rank);
      Value y = o.add(o.mul(normalised(o, centred, spread, epsilon(call)), scale), bias);
      return List.of(y, mean, variance);
    }
    float momentum = call.attributes().floatValue("momentum", 0.9f);
    long[] others = range(1, rank);
    others[0] = 0;
    Value batchMean = o.reduceMeanKeep(x, others);
    Value centred = o.sub(x, batchMean);
    Value batchVariance = o.reduceMeanKeep(o.mul(centred, centred), others);
    Value y = o.add(o.mul(normalised(o, centred, batchVariance, epsilon(call)), scale), bias);
    return List.of(
        y,
        running(o, mean, o.squeeze(batchMean, others), momentum),
        running(o, variance, o.squeeze(batchVariance, others), momentum));
  }

  private static Value running(Ops o, Value old, Value current, double momentum) {
    return o.add(o.mul(old, momentum), o.mul(o.cast(current, old.elementType()), 1 - momentum));
  }

  /** x [..] to mean 0 and variance 1 over some axes. */
  private static Value standardised(Ops o, Value x, double epsilon, long... axes) {
    Value centred = o.sub(x, o.reduceMeanKeep(x, axes));
    return normalised(o, centred, o.reduceMeanKeep(o.mul(centred, centred), axes), epsilon);
  }

  private static Value scaled(Ops o, Value standard, List<Value> in, int rank) {
    return o.add(o.mul(standard, perChannel(o, in.get(1), rank)), perChannel(o, in.get(2), rank));
  }

  private static List<Value> instanceNormalization(Ops o, Call call, List<Value> in) {
    int rank = rank(call, 0);
    Value standard = standardised(o, in.get(0), epsilon(call), range(2, rank));
    return List.of(scaled(o, standard, in, rank));
  }

  private static List<Value> groupNormalization(Ops o, Call call, List<Value> in) {
    int rank = rank(call, 0);
    Value grouped = o.reshape(in.get(0), 0, call.attributes().intValue("num_groups", 1), -1);
    Value standard = standardised(o, grouped, epsilon(call), 2);
    return List.of(scaled(o, o.reshapeLike(standard, in.get(0)), in, rank));
  }

  private static List<Value> lpNormalization(Ops o, Call call, List<Value> in) {
    Value x = in.get(0);
    String norm = call.attributes().intValue("p", 2) == 1 ? "ReduceL1" : "ReduceL2";
    Value length =
        o.onnx(
            norm, Attributes.of("keepdims", 1), x, o.ints(call.attributes().intValue("axis", -1)));
    Value zero = o.scalar(x.elementType(), 0);
    // What is all zeros stays as it is.
    Value divisor = o.where(o.onnx("Equal", length, zero), o.scalar(x.elementType(), 1), length);
    return List.of(o.div(x, divisor));
  }

  private static List<Value> meanVariance(Ops o, Call call, List<Value> in) {
    long[] axes = call.attributes().intValues("axes", 0, 2, 3);
    Value x = in.get(0);
    Value centred = o.sub(x, o.reduceMeanKeep(x, axes));
    Value deviation = o.sqrt(o.reduceMeanKeep(o.mul(centred, centred), axes));
    return List.of(o.div(centred, o.add(deviation, 1e-9)));
  }

  /** The squares about each channel are an average pool along the channels. */
  private static List<Value> localResponse(Ops o, Call call, List<Value> in) {
    Attributes attributes = call.attributes();
    long size = attributes.intValue("size", 1);
    Value x = in.get(0);
    Value squares = o.unsqueeze(o.reshape(o.mul(x, x), 0, 0, -1), 1);
    Attributes window =
        Attributes.of("kernel_shape", Attribute.ofInts(size, 1))
            .with("pads", Attribute.ofInts((size - 1) / 2, 0, size / 2, 0))
            .with("count_include_pad", 1);
    Value mean = o.reshapeLike(o.squeeze(o.onnx("AveragePool", window, squares), 1), x);
    Value base =
        o.add(o.mul(mean, attributes.floatValue("alpha", 1e-4f)), attributes.floatValue("bias", 1));
    Value power = o.scalar(x.elementType(), attributes.floatValue("beta", 0.75f));
    return List.of(o.div(x, o.onnx("Pow", base, power)));
  }

  private static Value powered(Ops o, Value x, double exponent) {
    return o.onnx("Pow", x, o.scalar(x.elementType(), exponent));
  }

  private static List<Value> normPool(Ops o, Call call, List<Value> in) {
    double p = call.attributes().intValue("p", 2);
    long places = 1;
    for (long extent : call.attributes().intValues("kernel_shape")) {
      places *= extent;
    }
    Attributes window = call.attributes().without("p").with("count_include_pad", 1);
    Value powers = powered(o, o.onnx("Abs", in.get(0)), p);
    return List.of(powered(o, o.mul(o.onnx("AveragePool", window, powers), places), 1 / p));
  }

  private static List<Value> globalNorm(Ops o, Call call, List<Value> in) {
    double p = call.attributes().intValue("p", 2);
    Value powers = powered(o, o.onnx("Abs", in.get(0)), p);
    return List.of(powered(o, o.reduceSumKeep(powers, range(2, rank(call, 0))), 1 / p));
  }

  private static List<Value> dequantized(Ops o, Call call, List<Value> in) {
    Value scale = in.get(1);
    ElementType type = scale.elementType();
    int rank = rank(call, 0);
    if (!scale.shape().isStatic() || rank(call, 1) > 1) {
      throw new NotCoveredException("DequantizeLinear by blocks has no body");
    }
    int axis = Inference.axis(call.attributes().intValue("axis", 1), Math.max(2, rank));
    long[] after = range(1, rank - axis);
    boolean aligned = scale.shape().elementCount() == 1 || after.length == 0;
    Value shifted = o.cast(in.get(0), type);
    if (in.size() > 2) {
      Value zero = o.cast(in.get(2), type);
      shifted = o.sub(shifted, aligned ? zero : o.unsqueeze(zero, after));
    }
    return List.of(o.mul(shifted, aligned ? scale : o.unsqueeze(scale, after)));
  }

  // ---- Losses

  private static List<Value> softmaxCrossEntropy(Ops o, Call call, List<Value> in) {
    Value logProbabilities = o.onnx("LogSoftmax", Attributes.of("axis", 1), in.get(0));
    return List.of(negativeLogLikelihood(o, call, logProbabilities, in), logProbabilities);
  }

  private static Value negativeLogLikelihood(
      Ops o, Call call, Value logProbabilities, List<Value> in) {
    Attributes attributes = call.attributes();
    ElementType type = logProbabilities.elementType();
    Value targets = in.get(1);
    Value counted = null;
    if (attributes.has("ignore_index")) {
      Value ignored = o.scalar(targets.elementType(), attributes.intValue("ignore_index", 0));
      counted = o.onnx("Not", o.onnx("Equal", targets, ignored));
      targets = o.where(counted, targets, o.scalar(targets.elementType(), 0));
    }
    Value picked =
        o.squeeze(
            o.onnx(
                "GatherElements",
                Attributes.of("axis", 1),
                logProbabilities,
                o.unsqueeze(targets, 1)),
            1);
    Value weights =
        in.size() > 2
            ? o.gather(in.get(2), targets, 0)
            : o.expand(o.scalar(type, 1), o.onnx("Shape", targets));
    if (counted != null) {
      weights = o.mul(weights, o.cast(counted, type));
    }
    Value losses = o.neg(o.mul(picked, weights));
    return switch (attributes.stringValue("reduction", "mean")) {
      case "none" -> losses;
      case "sum" -> total(o, losses);
      default -> o.div(total(o, losses), total(o, weights));
    };
  }

  private static Value total(Ops o, Value values) {
    return o.onnx("ReduceSum", Attributes.of("keepdims", 0), values);
  }

  // ---- Attention

  /** [batch, heads, length, size] of what may be [batch, length, heads * size]. */
  private static Value byHead(Ops o, Value value, long heads) {
    return value.shape().rank() == 4
        ? value
        : o.transpose(o.reshape(value, 0, 0, heads, -1), 0, 2, 1, 3);
  }

  private static long heads(Call call, int index, String attribute) {
    if (rank(call, index) == 3) {
      return call.attributes().intValue(attribute, 0);
    }
    Dim heads = call.shape(index).dim(1);
    if (!heads.isKnown()) {
      throw new NotCoveredException("the number of heads of input " + index + " must be known");
    }
    return heads.extent();
  }

  private static List<Value> attention(Ops o, Call call, List<Value> in) {
    Attributes attributes = call.attributes();
    if (call.hasInput(6)) {
      throw new NotCoveredException("input 'nonpad_kv_seqlen' of Attention has no body");
    }
    List<Optional<Value>> operands = new ArrayList<>();
    int next = 0;
    for (int i = 0; i < 6; i++) {
      operands.add(call.hasInput(i) ? Optional.of(in.get(next++)) : Optional.empty());
    }
    long heads = heads(call, 0, "q_num_heads");
    long shared = heads(call, 1, "kv_num_heads");
    Value queries = byHead(o, in.get(0), heads);
    Value keys = joined(o, operands.get(4), byHead(o, in.get(1), shared));
    Value values = joined(o, operands.get(5), byHead(o, in.get(2), shared));
    ElementType type = queries.elementType();
    float given = attributes.floatValue("scale", 0);
    Value products = o.matMul(queries, o.transposeLast(repeated(o, keys, heads, shared)));
    Value scores =
        given != 0
            ? o.mul(products, given)
            : o.div(
                products, o.sqrt(o.cast(o.reshape(o.shapeOf(queries, 3, 4), new long[0]), type)));
    float cap = attributes.floatValue("softcap", 0);
    Value biased = cap > 0 ? o.mul(o.tanh(o.mul(scores, 1 / (double) cap)), cap) : scores;
    Value infinite = o.scalar(type, Double.NEGATIVE_INFINITY);
    if (operands.get(3).isPresent()) {
      Value mask = operands.get(3).get();
      biased =
          o.add(
              biased,
              mask.elementType() == ElementType.BOOL
                  ? o.where(mask, o.scalar(type, 0), infinite)
                  : mask);
    }
    if (attributes.intValue("is_causal", 0) == 1) {
      Value past =
          operands.get(4).isPresent()
              ? o.reshape(o.shapeOf(operands.get(4).get(), 2, 3), new long[0])
              : o.scalar(ElementType.INT64, 0);
      Value rows = o.unsqueeze(o.add(places(o, queries), past), 1);
      biased = o.where(o.onnx("LessOrEqual", places(o, keys), rows), biased, infinite);
    }
    Value weights = o.softmax(biased, -1);
    Value result = o.matMul(weights, repeated(o, values, heads, shared));
    Value output =
        rank(call, 0) == 4 ? result : o.reshape(o.transpose(result, 0, 2, 1, 3), 0, 0, -1);
    boolean probabilities = attributes.intValue("qk_matmul_output_mode", 0) == 3;
    return List.of(output, keys, values, probabilities ? weights : scores);
  }

  private static Value joined(Ops o, Optional<Value> past, Value present) {
    return past.isPresent() ? o.concat(2, past.get(), present) : present;
  }

  /** 0, 1, .. for the positions of [batch, heads, length, size]. */
  private static Value places(Ops o, Value value) {
    Value length = o.reshape(o.shapeOf(value, 2, 3), new long[0]);
    return o.onnx("Range", o.scalar(ElementType.INT64, 0), length, o.scalar(ElementType.INT64, 1));
  }

  /** Keys or values with each head as often as queries share it. */
  private static Value repeated(Ops o, Value value, long heads, long shared) {
    if (heads == shared) {
      return value;
    }
    Value batch = o.shapeOf(value, 0, 1);
    Value rest = o.shapeOf(value, 2, 4);
    Value wide =
        o.expand(o.unsqueeze(value, 2), o.concat(0, batch, o.ints(shared, heads / shared), rest));
    return o.onnx("Reshape", wide, o.concat(0, batch, o.ints(heads), rest));
  }

  private static List<Value> rotaryEmbedding(Ops o, Call call, List<Value> in) {
    Attributes attributes = call.attributes();
    Value rows = byHead(o, in.get(0), attributes.intValue("num_heads", 0));
    Value cosines = o.unsqueeze(angles(o, in, 1), 1);
    Value sines = o.unsqueeze(angles(o, in, 2), 1);
    long turned = attributes.intValue("rotary_embedding_dim", 0);
    Value part = turned == 0 ? rows : o.slice(rows, 3, 0, turned);
    boolean interleaved = attributes.intValue("interleaved", 0) == 1;
    Value pairs = interleaved ? o.reshape(part, 0, 0, 0, -1, 2) : part;
    int axis = interleaved ? 4 : 3;
    List<Value> halves =
        o.editor()
            .add(
                OpId.onnx("Split"),
                "Split",
                Attributes.of("axis", axis).with("num_outputs", 2),
                List.of(Optional.of(pairs)),
                2);
    Value first = interleaved ? o.squeeze(halves.get(0), 4) : halves.get(0);
    Value second = interleaved ? o.squeeze(halves.get(1), 4) : halves.get(1);
    Value real = o.sub(o.mul(cosines, first), o.mul(sines, second));
    Value imaginary = o.add(o.mul(sines, first), o.mul(cosines, second));
    Value result =
        interleaved
            ? o.reshapeLike(o.concat(4, o.unsqueeze(real, 4), o.unsqueeze(imaginary, 4)), part)
            : o.concat(3, real, imaginary);
    Value whole =
        turned == 0 ? result : o.concat(3, result, o.slice(rows, 3, turned, Long.MAX_VALUE));
    return List.of(
        rank(call, 0) == 4 ? whole : o.reshape(o.transpose(whole, 0, 2, 1, 3), 0, 0, -1));
  }

  /** Cosines or sines a position, [batch, length, half]. */
  private static Value angles(Ops o, List<Value> in, int index) {
    return in.size() > 3 ? o.gather(in.get(index), in.get(3), 0) : in.get(index);
  }
}
