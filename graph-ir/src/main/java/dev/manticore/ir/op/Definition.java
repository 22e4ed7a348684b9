package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.TensorType;
import java.util.List;
import java.util.function.Function;

/** An operator given by two functions. */
record Definition(
    Function<Call, ImmutableList<TensorType>> inference, Function<Evaluation, List<NdArray>> kernel)
    implements Operator {

  /** An operator of one output. */
  static Operator of(Function<Call, TensorType> inference, Function<Evaluation, NdArray> kernel) {
    return new Definition(
        call -> ImmutableList.of(inference.apply(call)),
        evaluation -> List.of(kernel.apply(evaluation)));
  }

  @Override
  public ImmutableList<TensorType> infer(Call call) {
    return inference.apply(call);
  }

  @Override
  public List<NdArray> evaluate(Evaluation evaluation) {
    return kernel.apply(evaluation);
  }
}
