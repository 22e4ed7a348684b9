package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.OpId;

/** All entries of the standard catalogue, gathered from the families of operators. */
final class StandardOperators {

  private StandardOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    ImmutableMap.Builder<OpId, Operator> operators = ImmutableMap.builder();
    return operators.buildOrThrow();
  }
}
