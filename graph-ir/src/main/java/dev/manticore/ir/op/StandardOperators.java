package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.ir.OpId;

/** All entries of the standard catalogue, gathered from the families of operators. */
final class StandardOperators {

  private StandardOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    ImmutableMap.Builder<OpId, Operator> operators = ImmutableMap.builder();
    operators.putAll(CreationOperators.all());
    operators.putAll(ElementwiseOperators.all());
    operators.putAll(ReshapingOperators.all());
    operators.putAll(MovementOperators.all());
    operators.putAll(IndexingOperators.all());
    operators.putAll(ReductionOperators.all());
    operators.putAll(NormalizationOperators.all());
    operators.putAll(MatrixOperators.all());
    operators.putAll(ConvolutionOperators.all());
    operators.putAll(PoolingOperators.all());
    operators.putAll(AttentionOperators.all());
    operators.putAll(LossOperators.all());
    operators.putAll(RecurrentOperators.all());
    operators.putAll(QuantizationOperators.all());
    operators.putAll(RandomOperators.all());
    operators.putAll(SignalOperators.all());
    operators.putAll(ControlOperators.all());
    operators.putAll(ManticoreOperators.all());
    return ImmutableMap.copyOf(
        Maps.transformEntries(operators.buildOrThrow(), Decompositions::with));
  }
}
