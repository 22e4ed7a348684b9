package dev.manticore.ir.rewrite;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import java.util.function.BiPredicate;
import java.util.function.DoublePredicate;

/**
 * What a value may look like: how it is made, from what. A name captures what was matched; a name
 * that is used twice stands for the same value both times. The operands of {@code Add}, {@code Mul}
 * and the like are matched in either order.
 *
 * <pre>{@code
 * Pattern silu = op("Mul", any("x"), op("Sigmoid", any("x")));
 * }</pre>
 */
public sealed interface Pattern {

  /** How far a constant may be off, relatively: that of a constant written with few digits. */
  double TOLERANCE = 1e-4;

  /** Any value. */
  static Pattern any(String name) {
    return new Any(name);
  }

  /** The result of a standard operator of these operands, and no more. */
  static Operation op(String name, Pattern... operands) {
    return new Operation(
        ImmutableSet.of(OpId.onnx(name)),
        ImmutableList.copyOf(operands),
        Operands.EXACT,
        "",
        ImmutableList.of());
  }

  /** The result of any of some standard operators of these operands. */
  static Operation opOf(ImmutableSet<String> names, Pattern... operands) {
    return new Operation(
        names.stream().map(OpId::onnx).collect(ImmutableSet.toImmutableSet()),
        ImmutableList.copyOf(operands),
        Operands.EXACT,
        "",
        ImmutableList.of());
  }

  /** The result of an operator of another domain. */
  static Operation op(OpId op, Pattern... operands) {
    return new Operation(
        ImmutableSet.of(op),
        ImmutableList.copyOf(operands),
        Operands.EXACT,
        "",
        ImmutableList.of());
  }

  /** A constant of one element near a number. */
  static Pattern constant(double value) {
    return new Constant(
        "",
        number -> Math.abs(number - value) <= TOLERANCE * Math.abs(value),
        "the constant " + value);
  }

  /** Any constant of one element. */
  static Pattern constant(String name) {
    return new Constant(name, number -> true, "a constant");
  }

  /** A constant of one element that fulfils a condition. */
  static Pattern constant(String name, DoublePredicate condition, String description) {
    return new Constant(name, condition, description);
  }

  /** What any of some patterns matches; the first that does. */
  static Pattern oneOf(Pattern... alternatives) {
    return new OneOf(ImmutableList.copyOf(alternatives));
  }

  /** What a pattern matches, or that passed through an operator of one operand. */
  static Pattern optionally(String op, Pattern inner) {
    return oneOf(op(op, inner), inner);
  }

  /** Any value. */
  record Any(String name) implements Pattern {}

  /** A constant of one element. */
  record Constant(String name, DoublePredicate condition, String description) implements Pattern {}

  /** Alternatives. */
  record OneOf(ImmutableList<Pattern> alternatives) implements Pattern {}

  /** How the operands of a pattern stand for those of a node. */
  enum Operands {
    /** One for each, and each is there. */
    EXACT,
    /** The first ones; there may be more. */
    FIRST
  }

  /** A condition on the node that an operator's pattern matched. */
  record NodeCondition(String description, BiPredicate<Match, Node> holds) {}

  /** The first output of an operator. */
  record Operation(
      ImmutableSet<OpId> ops,
      ImmutableList<Pattern> operands,
      Operands coverage,
      String name,
      ImmutableList<NodeCondition> conditions)
      implements Pattern {

    public Operation {
      requireNonNull(name, "name");
    }

    /** Captures the node, and its first output, under a name. */
    public Operation as(String captured) {
      return new Operation(ops, operands, coverage, captured, conditions);
    }

    /** Leaves open what operands the node has after those of the pattern. */
    public Operation andMore() {
      return new Operation(ops, operands, Operands.FIRST, name, conditions);
    }

    /** Wants an integer attribute to be this, or left out where that is its default. */
    public Operation with(String attribute, long value, long otherwise) {
      return where(
          "attribute " + attribute + " is " + value,
          (match, node) -> node.attributes().intValue(attribute, otherwise) == value);
    }

    /** Wants a text attribute to be this, or left out where that is its default. */
    public Operation with(String attribute, String value, String otherwise) {
      return where(
          "attribute " + attribute + " is '" + value + "'",
          (match, node) -> node.attributes().stringValue(attribute, otherwise).equals(value));
    }

    /** Wants something of the node, given what was captured before it. */
    public Operation where(String description, BiPredicate<Match, Node> holds) {
      return new Operation(
          ops,
          operands,
          coverage,
          name,
          ImmutableList.<NodeCondition>builder()
              .addAll(conditions)
              .add(new NodeCondition(description, holds))
              .build());
    }

    boolean accepts(OpId op) {
      for (OpId wanted : ops) {
        if (op.is(wanted.domain(), wanted.name())) {
          return true;
        }
      }
      return false;
    }

    String described() {
      return ops.size() == 1 ? ops.iterator().next().toString() : "one of " + ops;
    }
  }
}
