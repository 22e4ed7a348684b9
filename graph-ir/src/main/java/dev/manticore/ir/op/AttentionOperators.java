package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.List;

/** Attention and rotary positions, as ONNX defines them from opset 23 on. */
final class AttentionOperators {

  private AttentionOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx(
            "Attention",
            new Definition(AttentionOperators::attentionTypes, AttentionOperators::attention))
        .onnx("RotaryEmbedding", AttentionOperators::rotaryType, AttentionOperators::rotary)
        .build();
  }

  /** [batch, heads, length, head size] of an operand that may be [batch, length, hidden]. */
  private static Shape byHead(Shape shape, Attributes attributes, String headsAttribute) {
    if (shape.rank() == 4) {
      return shape;
    }
    if (shape.rank() != 3) {
      throw new IrException(shape + " should have rank 3 or 4");
    }
    long heads = headCount(attributes, headsAttribute);
    Dim hidden = shape.dim(2);
    if (hidden.isKnown() && hidden.extent() % heads != 0) {
      throw new IrException("the width of " + shape + " is not a multiple of " + heads + " heads");
    }
    Dim size = hidden.isKnown() ? Dim.of(hidden.extent() / heads) : Dim.UNKNOWN;
    return Shape.of(shape.dim(0), Dim.of(heads), shape.dim(1), size);
  }

  private static int headCount(Attributes attributes, String name) {
    long heads = attributes.intValue(name, 0);
    if (heads < 1) {
      throw new IrException("operands of rank 3 need attribute '" + name + "'");
    }
    return Math.toIntExact(heads);
  }

  private static NdArray byHead(NdArray array, Attributes attributes, String headsAttribute) {
    if (array.rank() == 4) {
      return array;
    }
    int heads = headCount(attributes, headsAttribute);
    return Views.permute(
        array.reshape(array.dim(0), array.dim(1), heads, array.dim(2) / heads), 0, 2, 1, 3);
  }

  private static ImmutableList<TensorType> attentionTypes(Call call) {
    TensorType query = call.type(0);
    ElementType type = query.elementType();
    if (!query.shape().isRanked() || !call.shape(1).isRanked() || !call.shape(2).isRanked()) {
      TensorType unknown = query.withShape(Shape.unranked());
      return ImmutableList.of(
          unknown,
          unknown.withElementType(call.type(1).elementType()),
          unknown.withElementType(call.type(2).elementType()),
          unknown);
    }
    Shape queries = byHead(query.shape(), call.attributes(), "q_num_heads");
    Shape keys = present(call, 1, 4);
    Shape values = present(call, 2, 5);
    Inference.same(queries.dim(3), keys.dim(3), "the head sizes of queries and keys");
    Inference.same(keys.dim(1), values.dim(1), "the numbers of heads of keys and values");
    if (queries.dim(1).isKnown()
        && keys.dim(1).isKnown()
        && queries.dim(1).extent() % keys.dim(1).extent() != 0) {
      throw new IrException(
          queries.dim(1) + " heads of queries do not share " + keys.dim(1) + " of keys");
    }
    Shape scores = Shape.of(queries.dim(0), queries.dim(1), queries.dim(2), keys.dim(2));
    if (call.hasInput(3)) {
      Inference.broadcast(call.shape(3), scores);
    }
    Shape result =
        query.shape().rank() == 4
            ? queries.withDim(3, values.dim(3))
            : Shape.of(
                queries.dim(0), queries.dim(2), Inference.times(queries.dim(1), values.dim(3)));
    return ImmutableList.of(
        new TensorType(type, result),
        new TensorType(call.type(1).elementType(), keys),
        new TensorType(call.type(2).elementType(), values),
        new TensorType(type, scores));
  }

  /** Keys or values by head, behind those of the past. */
  private static Shape present(Call call, int index, int past) {
    Shape shape = byHead(call.shape(index), call.attributes(), "kv_num_heads");
    if (!call.hasInput(past)) {
      return shape;
    }
    return shape.withDim(
        2,
        call.shape(past).isRanked()
            ? Inference.plus(call.shape(past).dim(2), shape.dim(2))
            : Dim.UNKNOWN);
  }

  private static NdArray present(Evaluation evaluation, int index, int past) {
    NdArray array = byHead(evaluation.input(index), evaluation.attributes(), "kv_num_heads");
    return evaluation.hasInput(past)
        ? Views.concat(List.of(evaluation.input(past), array), 2)
        : array;
  }

  private static List<NdArray> attention(Evaluation evaluation) {
    Attributes attributes = evaluation.attributes();
    if (evaluation.hasInput(6)) {
      throw new IrException("input 'nonpad_kv_seqlen' of Attention is not supported");
    }
    NdArray queries = byHead(evaluation.input(0), attributes, "q_num_heads");
    NdArray keys = present(evaluation, 1, 4);
    NdArray values = present(evaluation, 2, 5);
    int batch = queries.dim(0);
    int heads = queries.dim(1);
    int length = queries.dim(2);
    int groups = keys.dim(1);
    int total = keys.dim(2);
    double scale = attributes.floatValue("scale", 0);
    double factor = scale == 0 ? 1 / Math.sqrt(queries.dim(3)) : scale;
    ElementType type = queries.elementType();

    // Several heads of queries share one of keys: an axis of theirs, broadcast.
    NdArray products =
        MatrixOperators.product(
                queries.reshape(batch, groups, heads / groups, length, queries.dim(3)),
                MatrixOperators.transposed(
                    keys.reshape(batch, groups, 1, total, keys.dim(3)), true))
            .reshape(batch, heads, length, total);
    NdArray scores = ElementwiseOperators.map(products, type, x -> factor * x);
    double cap = attributes.floatValue("softcap", 0);
    NdArray capped =
        cap > 0 ? ElementwiseOperators.map(scores, type, x -> cap * Math.tanh(x / cap)) : scores;
    NdArray weights =
        NormalizationOperators.softmax(
            ElementwiseOperators.combine(
                capped, bias(evaluation, length, total), type, Double::sum),
            3);
    NdArray result =
        MatrixOperators.product(
                weights.reshape(batch, groups, heads / groups, length, total),
                values.reshape(batch, groups, 1, total, values.dim(3)))
            .reshape(batch, heads, length, values.dim(3));
    NdArray joined =
        evaluation.input(0).rank() == 4
            ? result
            : Views.permute(result, 0, 2, 1, 3).reshape(batch, length, heads * values.dim(3));
    return List.of(joined, keys, values, scoresOutput(evaluation, scores, weights));
  }

  private static NdArray scoresOutput(Evaluation evaluation, NdArray scores, NdArray weights) {
    long mode = evaluation.attributes().intValue("qk_matmul_output_mode", 0);
    if (evaluation.outputCount() > 3 && mode != 0 && mode != 3) {
      // What the modes between give has changed with the place of the cap.
      throw new IrException("attribute 'qk_matmul_output_mode' should be 0 or 3, not " + mode);
    }
    return mode == 3 ? weights : scores;
  }

  /** What is added to the scores: the mask, and minus infinity where a query may not look. */
  private static NdArray bias(Evaluation evaluation, int length, int total) {
    NdArray causal = NdArray.zeros(ElementType.FLOAT64, length, total);
    if (evaluation.attributes().intValue("is_causal", 0) == 1) {
      int past = evaluation.hasInput(4) ? evaluation.input(4).dim(2) : 0;
      for (int row = 0; row < length; row++) {
        int from = Math.min(total, past + row + 1);
        Arrays.fill(causal.data(), row * total + from, (row + 1) * total, Double.NEGATIVE_INFINITY);
      }
    }
    if (!evaluation.hasInput(3)) {
      return causal;
    }
    NdArray mask = evaluation.input(3);
    NdArray added =
        mask.elementType() == ElementType.BOOL
            ? ElementwiseOperators.map(
                mask, ElementType.FLOAT64, x -> x != 0 ? 0 : Double.NEGATIVE_INFINITY)
            : mask;
    return ElementwiseOperators.combine(added, causal, ElementType.FLOAT64, Double::sum);
  }

  private static TensorType rotaryType(Call call) {
    if (call.shape(0).isRanked()) {
      byHead(call.shape(0), call.attributes(), "num_heads");
      Inference.same(call.shape(1), call.shape(2), "the caches");
    }
    return call.type(0);
  }

  private static NdArray rotary(Evaluation evaluation) {
    Attributes attributes = evaluation.attributes();
    NdArray input = evaluation.input(0);
    NdArray rows = byHead(input, attributes, "num_heads");
    NdArray cosines = evaluation.input(1);
    NdArray sines = evaluation.input(2);
    int heads = rows.dim(1);
    int length = rows.dim(2);
    int size = rows.dim(3);
    int given = Math.toIntExact(attributes.intValue("rotary_embedding_dim", 0));
    int half = (given == 0 ? size : given) / 2;
    boolean interleaved = attributes.intValue("interleaved", 0) == 1;
    double[] values = rows.data().clone();
    for (int row = 0; row < rows.size() / Math.max(1, size); row++) {
      int place = row / (heads * length) * length + row % length;
      int angle = half * (evaluation.hasInput(3) ? (int) evaluation.input(3).data()[place] : place);
      for (int i = 0; i < half; i++) {
        int first = row * size + (interleaved ? 2 * i : i);
        int second = row * size + (interleaved ? 2 * i + 1 : half + i);
        double cosine = cosines.data()[angle + i];
        double sine = sines.data()[angle + i];
        values[first] = cosine * rows.data()[first] - sine * rows.data()[second];
        values[second] = sine * rows.data()[first] + cosine * rows.data()[second];
      }
    }
    NdArray turned = NdArray.of(input.elementType(), rows.shape(), values);
    return input.rank() == 4 ? turned : Views.permute(turned, 0, 2, 1, 3).reshape(input.shape());
  }
}
