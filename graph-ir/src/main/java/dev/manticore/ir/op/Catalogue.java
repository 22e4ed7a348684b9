package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableTable;
import dev.manticore.ir.OpId;
import java.util.Optional;

/** The operators that Manticore understands, by domain and name. */
public final class Catalogue {

  private static final class Holder {
    static final Catalogue STANDARD = new Catalogue(StandardOperators.all());
  }

  /** By domain and name. */
  private final ImmutableTable<String, String, Operator> operators;

  private final ImmutableSet<OpId> ids;

  private Catalogue(ImmutableMap<OpId, Operator> operators) {
    ImmutableTable.Builder<String, String, Operator> table = ImmutableTable.builder();
    operators.forEach((op, operator) -> table.put(op.domain(), op.name(), operator));
    this.operators = table.buildOrThrow();
    this.ids = operators.keySet();
  }

  public static Catalogue standard() {
    return Holder.STANDARD;
  }

  /** All operators, each under the version that its entry is of. */
  public ImmutableSet<OpId> operators() {
    return ids;
  }

  /** The entry of an operator; empty if it is outside the catalogue, as all overloads are. */
  public Optional<Operator> find(OpId op) {
    return !op.overload().isEmpty()
        ? Optional.empty()
        : Optional.ofNullable(operators.get(op.domain(), op.name()));
  }
}
