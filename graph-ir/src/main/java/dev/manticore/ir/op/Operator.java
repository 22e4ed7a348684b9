package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.TensorType;
import java.util.List;
import java.util.Optional;

/** An entry of the catalogue: what an operator accepts, and what it computes. */
public interface Operator {

  /**
   * The types of the outputs, at least as many as the call asks for.
   *
   * @throws dev.manticore.ir.IrException if the operands do not fit; the message need not name the
   *     node
   */
  ImmutableList<TensorType> infer(Call call);

  /**
   * The outputs in double precision (integers exactly up to 2^53), by the operator's definition and
   * nothing faster.
   */
  List<NdArray> evaluate(Evaluation evaluation);

  /** Whether equal operands always give equal results, without effects; false for random ones. */
  default boolean isPure() {
    return true;
  }

  /**
   * The operator as a graph of simpler ones, for operators of our own: inputs and outputs in the
   * same order.
   *
   * @param call a use of it; the graph may depend on its attributes and on which inputs are there,
   *     not on their shapes
   */
  default Optional<Graph> body(Call call) {
    return Optional.empty();
  }

  /** Whether there are uses that {@link #body} gives a graph for. */
  default boolean hasBody() {
    return false;
  }
}
