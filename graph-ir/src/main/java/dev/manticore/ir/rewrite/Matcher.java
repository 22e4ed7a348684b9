package dev.manticore.ir.rewrite;

import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * Matches one rule at one node, with backtracking over alternatives and the order of operands. The
 * work is bounded by the size of the pattern, not of the graph.
 */
final class Matcher {

  private static final Set<String> COMMUTATIVE =
      Set.of("Add", "Mul", "And", "Or", "Xor", "Equal", "Max", "Min");

  private final Match match;
  private final Match.Knowledge knowledge;
  private final NearMiss miss;

  Matcher(Match match, Match.Knowledge knowledge, NearMiss miss) {
    this.match = match;
    this.knowledge = knowledge;
    this.miss = miss;
  }

  /** Whether the pattern, and then the rest, matches at a node whichever way. */
  boolean matches(Pattern.Operation pattern, Node node, BooleanSupplier rest) {
    return operation(pattern, node, node.output(), rest);
  }

  private boolean value(Pattern pattern, Value value, BooleanSupplier rest) {
    if (!value.isTensor()) {
      return fail(() -> describe(value) + " is not a tensor");
    }
    if (pattern instanceof Pattern.Any any) {
      return bound(any.name(), value, Optional.empty(), rest);
    }
    if (pattern instanceof Pattern.Constant constant) {
      return constant(constant, value, rest);
    }
    if (pattern instanceof Pattern.OneOf alternatives) {
      for (Pattern alternative : alternatives.alternatives()) {
        if (value(alternative, value, rest)) {
          return true;
        }
      }
      return false;
    }
    Pattern.Operation operation = (Pattern.Operation) pattern;
    Optional<Node> node = knowledge.producer(value);
    if (node.isEmpty() || node.get().output() != value) {
      return fail(() -> describe(value) + " is not made by " + operation.described());
    }
    return operation(operation, node.get(), value, rest);
  }

  private boolean bound(String name, Value value, Optional<Node> node, BooleanSupplier rest) {
    int mark = match.mark();
    if (!match.bind(name, value, node)) {
      return fail(() -> describe(value) + " is not the '" + name + "' found before");
    }
    if (rest.getAsBoolean()) {
      return true;
    }
    match.reset(mark);
    return false;
  }

  private boolean constant(Pattern.Constant pattern, Value value, BooleanSupplier rest) {
    Optional<Tensor> known =
        knowledge.constantOf(value).filter(tensor -> tensor.shape().elementCount() == 1);
    if (known.isEmpty()) {
      return fail(() -> describe(value) + " is no constant of one element");
    }
    double number = known.get().toDoubles()[0];
    if (!pattern.condition().test(number)) {
      return fail(() -> describe(value) + " is " + number + ", not " + pattern.description());
    }
    return bound(pattern.name(), value, Optional.empty(), rest);
  }

  private boolean operation(
      Pattern.Operation pattern, Node node, Value value, BooleanSupplier rest) {
    if (!pattern.accepts(node.op())) {
      return fail(() -> node + " is not " + pattern.described());
    }
    int wanted = pattern.operands().size();
    boolean enough =
        pattern.coverage() == Pattern.Operands.FIRST
            ? node.inputs().size() >= wanted
            : node.inputs().size() == wanted;
    if (!enough) {
      return fail(() -> node + " has " + node.inputs().size() + " operands, not " + wanted);
    }
    return bound(
        pattern.name(),
        value,
        Optional.of(node),
        () -> {
          BooleanSupplier last = () -> conditions(pattern, node) && rest.getAsBoolean();
          if (operands(pattern, node, 0, false, last)) {
            return true;
          }
          return wanted == 2
              && COMMUTATIVE.contains(node.op().name())
              && node.op().domain().isEmpty()
              && operands(pattern, node, 0, true, last);
        });
  }

  private boolean operands(
      Pattern.Operation pattern, Node node, int index, boolean swapped, BooleanSupplier rest) {
    if (index == pattern.operands().size()) {
      return rest.getAsBoolean();
    }
    int input = swapped ? 1 - index : index;
    if (!node.hasInput(input)) {
      return fail(() -> node + " has no operand " + input);
    }
    return value(
        pattern.operands().get(index),
        node.input(input),
        () -> operands(pattern, node, index + 1, swapped, rest));
  }

  private boolean conditions(Pattern.Operation pattern, Node node) {
    for (Pattern.NodeCondition condition : pattern.conditions()) {
      if (!condition.holds().test(match, node)) {
        return fail(() -> "at " + node + ": not so that " + condition.description());
      }
    }
    return true;
  }

  boolean fail(Supplier<String> reason) {
    miss.record(match.mark(), reason);
    return false;
  }

  private String describe(Value value) {
    return knowledge
        .producer(value)
        .map(node -> "%" + value.name() + " (" + node.op() + ")")
        .orElseGet(() -> "%" + value.name());
  }
}
