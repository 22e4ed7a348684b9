package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Verifier;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** Passes run one after another, each held to what it declares. */
public record PassPipeline(ImmutableList<Pass> passes) {

  public static PassPipeline of(Pass... passes) {
    return new PassPipeline(ImmutableList.copyOf(passes));
  }

  /**
   * Runs all passes and verifies the graph after each that changed it.
   *
   * @throws ManticoreException with the cause's code, naming the pass and those run before it, if a
   *     pass fails or breaks what it declares
   */
  public Graph run(Graph graph) {
    Graph current = graph;
    List<String> finished = new ArrayList<>();
    for (Pass pass : passes) {
      current = run(pass, current, finished);
      finished.add(pass.name());
    }
    return current;
  }

  private static Graph run(Pass pass, Graph graph, List<String> finished) {
    try {
      Set<GraphProperty> before = holding(graph);
      if (!before.containsAll(pass.requires())) {
        throw new IrException("it needs " + missing(pass.requires(), before) + " of " + graph);
      }
      Graph result = pass.run(graph);
      if (result != graph) {
        Verifier.verify(result);
        Set<GraphProperty> promised = EnumSet.noneOf(GraphProperty.class);
        promised.addAll(pass.preserves());
        promised.retainAll(before);
        promised.addAll(pass.ensures());
        Set<GraphProperty> after = holding(result);
        if (!after.containsAll(promised)) {
          throw new IrException(
              "it should have left " + missing(promised, after) + " to " + result);
        }
      }
      return result;
    } catch (ManticoreException e) {
      throw new ManticoreException(e.code(), context(pass, finished) + e.getMessage(), e);
    } catch (RuntimeException e) {
      throw new IllegalStateException(context(pass, finished) + e, e);
    }
  }

  private static Set<GraphProperty> holding(Graph graph) {
    Set<GraphProperty> holding = EnumSet.noneOf(GraphProperty.class);
    for (GraphProperty property : GraphProperty.values()) {
      if (property.holds(graph)) {
        holding.add(property);
      }
    }
    return holding;
  }

  private static Set<GraphProperty> missing(Set<GraphProperty> wanted, Set<GraphProperty> present) {
    Set<GraphProperty> missing = EnumSet.noneOf(GraphProperty.class);
    missing.addAll(wanted);
    missing.removeAll(present);
    return missing;
  }

  private static String context(Pass pass, List<String> finished) {
    return "pass '"
        + pass.name()
        + "' failed"
        + (finished.isEmpty() ? "" : " after " + String.join(", ", finished))
        + ": ";
  }
}
