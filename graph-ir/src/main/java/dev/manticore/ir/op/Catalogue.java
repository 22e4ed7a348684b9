package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.OpId;
import java.util.Optional;

/** The operators that Manticore understands, by domain and name. */
public final class Catalogue {

  private static final class Holder {
    static final Catalogue STANDARD = new Catalogue(StandardOperators.all());
  }

  private record Key(String domain, String name) {}

  private final ImmutableMap<Key, Operator> operators;

  private Catalogue(ImmutableMap<OpId, Operator> operators) {
    ImmutableMap.Builder<Key, Operator> builder = ImmutableMap.builder();
    operators.forEach((op, operator) -> builder.put(new Key(op.domain(), op.name()), operator));
    this.operators = builder.buildOrThrow();
  }

  public static Catalogue standard() {
    return Holder.STANDARD;
  }

  /** The entry of an operator; empty if it is outside the catalogue, as all overloads are. */
  public Optional<Operator> find(OpId op) {
    return !op.overload().isEmpty()
        ? Optional.empty()
        : Optional.ofNullable(operators.get(new Key(op.domain(), op.name())));
  }
}
