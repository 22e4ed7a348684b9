package dev.manticore.ir.pass;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.OpId;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Replaces nodes by the bodies that the catalogue defines their operators with, within bodies and
 * subgraphs too. The outputs keep their names; the other names are fresh, under the node's; the
 * origin is the node's. Chosen operators that have no body stay.
 */
public final class InlineBodies implements Pass {

  private final Predicate<OpId> chosen;

  private InlineBodies(Predicate<OpId> chosen) {
    this.chosen = requireNonNull(chosen, "chosen");
  }

  /** Inlines every operator that has a body. */
  public static InlineBodies all() {
    return new InlineBodies(op -> true);
  }

  public static InlineBodies of(Predicate<OpId> chosen) {
    return new InlineBodies(chosen);
  }

  /** Inlines these operators, of any version. */
  public static InlineBodies of(OpId... operators) {
    ImmutableSet<OpId> wanted = ImmutableSet.copyOf(operators);
    return new InlineBodies(
        op -> wanted.stream().anyMatch(other -> op.is(other.domain(), other.name())));
  }

  @Override
  public String name() {
    return "inline-bodies";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of(GraphProperty.LIFTED, GraphProperty.STANDARD_OPERATORS);
  }

  @Override
  public Graph run(Graph graph) {
    return new Rebuild(name(), type -> type, this::body).run(graph);
  }

  private Optional<Graph> body(Call call) {
    return chosen.test(call.op())
        ? Catalogue.standard().find(call.op()).flatMap(operator -> operator.body(call))
        : Optional.empty();
  }
}
