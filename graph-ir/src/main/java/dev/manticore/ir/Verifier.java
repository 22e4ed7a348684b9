package dev.manticore.ir;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Checks that a graph is well formed; all that is wrong is reported together. */
public final class Verifier {

  private static final int REPORTED = 10;

  private final List<String> problems = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  private Verifier() {}

  /**
   * Checks a graph that stands alone: every value is defined before it is read, once, under a name
   * of its own.
   *
   * @throws IrException if it is not so
   */
  public static void verify(Graph graph) {
    Verifier verifier = new Verifier();
    verifier.check(graph, new HashSet<>());
    if (!verifier.problems.isEmpty()) {
      int more = verifier.problems.size() - REPORTED;
      throw new IrException(
          graph
              + " is not well formed: "
              + String.join(
                  "; ", verifier.problems.subList(0, Math.min(REPORTED, verifier.problems.size())))
              + (more > 0 ? "; and " + more + " more" : ""));
    }
  }

  private void check(Graph graph, Set<Value> visible) {
    Set<Value> defined = new HashSet<>(visible);
    graph.inputs().forEach(input -> define(input, "input", defined));
    graph.parameters().keySet().forEach(parameter -> define(parameter, "parameter", defined));
    for (Node node : graph.nodes()) {
      for (Value input : node.presentInputs()) {
        if (!defined.contains(input)) {
          problems.add(node + " reads " + input + ", which nothing before it defines");
        }
      }
      for (Graph subgraph : node.attributes().graphs()) {
        check(subgraph, defined);
      }
      for (Value output : node.presentOutputs()) {
        define(output, node, defined);
      }
    }
    for (Value output : graph.outputs()) {
      if (!defined.contains(output)) {
        problems.add("output " + output + " of " + graph + " is not defined");
      }
    }
  }

  /**
   * @param by what to say that it is defined by
   */
  private void define(Value value, Object by, Set<Value> defined) {
    if (!defined.add(value)) {
      problems.add(value + " is defined twice, the second time by " + by);
    } else if (!names.add(value.name())) {
      problems.add("two values are called '" + value.name() + "', the second from " + by);
    }
  }
}
