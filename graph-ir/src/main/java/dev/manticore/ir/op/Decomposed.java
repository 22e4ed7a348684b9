package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.TensorType;
import java.util.List;
import java.util.Optional;

/**
 * An operator that is evaluated by its own definition and has a body of simpler ones besides, save
 * for uses that the body does not cover.
 */
record Decomposed(Operator operator, BodyOperator simpler) implements Operator {

  /**
   * @param name of the body
   * @param weights the inputs whose extents the body may depend on
   */
  static Operator of(
      String name,
      Operator operator,
      ImmutableSet<Integer> weights,
      BodyOperator.Definition definition) {
    return new Decomposed(operator, new BodyOperator(name, weights, operator::infer, definition));
  }

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
    return operator.isPure();
  }

  @Override
  public boolean hasBody() {
    return true;
  }

  @Override
  public Optional<Graph> body(Call call) {
    try {
      return simpler.body(call);
    } catch (NotCoveredException e) {
      return Optional.empty();
    }
  }
}
