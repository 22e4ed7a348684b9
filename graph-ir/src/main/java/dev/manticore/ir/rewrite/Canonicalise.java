package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.pass.FoldConstants;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;

/**
 * Brings the ways in which exporters and builders spell things to one normal form: norms and
 * activations as the operators that they are, linear maps as {@code MatMul} and {@code Add},
 * attention decomposed with one additive mask, rotary positions turned half by half, extents read
 * from the graph's inputs, changes of shape written in one way. What is computed stays the same up
 * to rounding, and up to masks: a position that is hidden by a number below -1e9 is hidden by the
 * least float32.
 */
public final class Canonicalise implements Pass {

  private static final Rewrite RULES =
      new Rewrite(
          "canonicalise",
          ImmutableSet.of(GraphProperty.LIFTED, GraphProperty.FLAT, GraphProperty.STATIC_SHAPES),
          ImmutableList.<Rule>builder()
              .addAll(CleanUpRules.all())
              .addAll(NormalizationRules.all())
              .addAll(ActivationRules.all())
              .addAll(AttentionRules.all())
              .addAll(LinearRules.all())
              .addAll(ShapeRules.all())
              .build());

  /** The rules, in the order in which they are tried. */
  public static ImmutableList<Rule> rules() {
    return RULES.rules();
  }

  @Override
  public String name() {
    return RULES.name();
  }

  @Override
  public ImmutableSet<GraphProperty> requires() {
    return ImmutableSet.of(GraphProperty.LIFTED);
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return RULES.preserves();
  }

  @Override
  public Graph run(Graph graph) {
    return run(graph, Explanation.counting());
  }

  /** Runs, and tells which rules fired and where one did not. */
  public Graph run(Graph graph, Explanation explanation) {
    return RULES.run(new FoldConstants().run(graph), explanation);
  }
}
