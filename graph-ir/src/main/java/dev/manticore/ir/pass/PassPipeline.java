package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.ManticoreException;
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
   * Runs all passes and checks what each that changed the graph promises; that a graph is well
   * formed its editor has checked.
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
      Set<GraphProperty> needed = missing(pass.requires(), graph);
      if (!needed.isEmpty()) {
        throw new IrException("it needs " + needed + " of " + graph);
      }
      Graph result = pass.run(graph);
      if (result != graph) {
        Set<GraphProperty> lost = missing(pass.preserves(), result);
        lost.removeAll(missing(lost, graph));
        lost.addAll(missing(pass.ensures(), result));
        if (!lost.isEmpty()) {
          throw new IrException("it should have left " + lost + " to " + result);
        }
      }
      return result;
    } catch (ManticoreException e) {
      throw new ManticoreException(e.code(), context(pass, finished) + e.getMessage(), e);
    } catch (RuntimeException e) {
      throw new IllegalStateException(context(pass, finished) + e, e);
    }
  }

  private static Set<GraphProperty> missing(Set<GraphProperty> wanted, Graph graph) {
    Set<GraphProperty> missing = EnumSet.noneOf(GraphProperty.class);
    for (GraphProperty property : wanted) {
      if (!property.holds(graph)) {
        missing.add(property);
      }
    }
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
