package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import java.util.function.Function;

/** Collects the entries of one family of operators. */
final class Family {

  private final ImmutableMap.Builder<OpId, Operator> operators = ImmutableMap.builder();

  Family onnx(String name, Operator operator) {
    operators.put(OpId.onnx(name), operator);
    return this;
  }

  /** A standard operator of one output. */
  Family onnx(
      String name, Function<Call, TensorType> inference, Function<Evaluation, NdArray> kernel) {
    return onnx(name, Definition.of(inference, kernel));
  }

  Family microsoft(String name, Operator operator) {
    operators.put(OpId.microsoft(name), operator);
    return this;
  }

  ImmutableMap<OpId, Operator> build() {
    return operators.buildOrThrow();
  }
}
