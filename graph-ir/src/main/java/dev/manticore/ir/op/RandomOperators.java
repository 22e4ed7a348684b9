package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.List;
import java.util.function.Function;

/**
 * Operators whose results are left to chance: their types are inferred, and there is nothing to
 * evaluate, since no two runtimes draw alike.
 */
final class RandomOperators {

  private RandomOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("RandomNormal", draw(RandomOperators::ofShape))
        .onnx("RandomUniform", draw(RandomOperators::ofShape))
        .onnx("RandomNormalLike", draw(RandomOperators::likeInput))
        .onnx("RandomUniformLike", draw(RandomOperators::likeInput))
        .onnx("Bernoulli", draw(RandomOperators::likeInput))
        .onnx("Multinomial", draw(RandomOperators::multinomialType))
        .build();
  }

  /** An operator whose results differ from use to use. */
  record Random(Operator operator) implements Operator {

    @Override
    public ImmutableList<TensorType> infer(Call call) {
      return operator.infer(call);
    }

    @Override
    public List<NdArray> evaluate(Evaluation evaluation) {
      return operator.evaluate(evaluation);
    }

    @Override
    public boolean isPure() {
      return false;
    }
  }

  private static Operator draw(Function<Call, TensorType> inference) {
    return new Random(
        Definition.of(
            inference,
            evaluation -> {
              throw new NotCoveredException(evaluation.op() + " is random and cannot be evaluated");
            }));
  }

  private static ElementType type(Attributes attributes, ElementType otherwise) {
    return attributes.has("dtype")
        ? ElementType.ofOnnxNumber(Math.toIntExact(attributes.intValue("dtype", 1)))
        : otherwise;
  }

  private static TensorType ofShape(Call call) {
    return TensorType.of(
        type(call.attributes(), ElementType.FLOAT32), call.attributes().intValues("shape"));
  }

  private static TensorType likeInput(Call call) {
    return call.type(0).withElementType(type(call.attributes(), call.type(0).elementType()));
  }

  private static TensorType multinomialType(Call call) {
    Inference.requireRank(call, 0, 2);
    Dim batch = call.shape(0).isRanked() ? call.shape(0).dim(0) : Dim.UNKNOWN;
    return new TensorType(
        type(call.attributes(), ElementType.INT32),
        Shape.of(batch, Dim.of(call.attributes().intValue("sample_size", 1))));
  }
}
