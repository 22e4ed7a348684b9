package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.OpId;
import java.util.Optional;

/** The operators that Manticore understands, by domain and name. */
public final class Catalogue {

  private static final class Holder {
    static final Catalogue STANDARD = new Catalogue(StandardOperators.all());
  }

  private record Key(String domain, String name) {}

  private final ImmutableMap<Key, Operator> operators;
  private final ImmutableSet<OpId> ids;

  private Catalogue(ImmutableMap<OpId, Operator> operators) {
    ImmutableMap.Builder<Key, Operator> builder = ImmutableMap.builder();
    operators.forEach((op, operator) -> builder.put(new Key(op.domain(), op.name()), operator));
    this.operators = builder.buildOrThrow();
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
        : Optional.ofNullable(operators.get(new Key(op.domain(), op.name())));
  }
}
