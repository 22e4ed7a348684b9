package dev.manticore.ir.rewrite;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Predicate;

/**
 * A rule: where {@code pattern} matches and all conditions hold, what {@code replacement} builds
 * takes the place of the root's outputs.
 *
 * <pre>{@code
 * Rule.named("silu")
 *     .matching(op("Mul", any("x"), op("Sigmoid", any("x"))))
 *     .provided("x is floating", match -> match.value("x").elementType().isFloating())
 *     .replacedBy((match, ops) -> ops.onnx("Swish", match.value("x")));
 * }</pre>
 *
 * @param patterns the roots; all of them must match, with one set of names. The first is tried at
 *     every node that it may match, the others at the nodes that read something captured before
 * @param replacement one value for each output of the roots, in order; empty where the rule finds
 *     on a closer look that there is nothing to do
 */
public record Rule(
    String name,
    ImmutableList<Pattern.Operation> patterns,
    ImmutableList<Condition> conditions,
    Replacement replacement) {

  public Rule {
    requireNonNull(name, "name");
    checkArgument(!patterns.isEmpty(), "rule '%s' has no pattern", name);
    requireNonNull(replacement, "replacement");
  }

  /** What must hold of a match, in words and as a test. */
  public record Condition(String description, Predicate<Match> holds) {}

  /** Builds what takes the place of a match. */
  @FunctionalInterface
  public interface Replacement {
    Optional<List<Value>> build(Match match, Ops ops);
  }

  public static Builder named(String name) {
    return new Builder(name);
  }

  /** A rule in the making. */
  public static final class Builder {

    private final String name;
    private final ImmutableList.Builder<Pattern.Operation> patterns = ImmutableList.builder();
    private final ImmutableList.Builder<Condition> conditions = ImmutableList.builder();

    private Builder(String name) {
      this.name = name;
    }

    /** Adds a root. */
    public Builder matching(Pattern.Operation pattern) {
      patterns.add(pattern);
      return this;
    }

    public Builder provided(String description, Predicate<Match> holds) {
      conditions.add(new Condition(description, holds));
      return this;
    }

    /** One value takes the place of the only output. */
    public Rule replacedBy(BiFunction<Match, Ops, Value> build) {
      return replacedIfPossible((match, ops) -> Optional.of(List.of(build.apply(match, ops))));
    }

    /** Several values take the places of several outputs. */
    public Rule replacedByAll(BiFunction<Match, Ops, List<Value>> build) {
      return replacedIfPossible((match, ops) -> Optional.of(build.apply(match, ops)));
    }

    public Rule replacedIfPossible(Replacement build) {
      return new Rule(name, patterns.build(), conditions.build(), build);
    }
  }
}
