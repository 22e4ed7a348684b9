package dev.manticore.compiler.inspect;

import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.inspect.ModelSummary.Part;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** Divides the parameters of models by what they are for. */
final class Parts {

  private Parts() {}

  /** By where a parameter is first read along the residual stream; names decide nothing. */
  static List<Part> of(Component component) {
    Map<Value, String> places = new LinkedHashMap<>();
    claim(component, component.ids(), component.embedding(), "embedding", places);
    if (component.entry() != component.embedding()) {
      claim(component, component.embedding(), component.entry(), "positions", places);
    }
    Value from = component.entry();
    for (int i = 0; i < component.layers().size(); i++) {
      claim(component, from, component.layers().get(i), "layer " + i, places);
      from = component.layers().get(i);
    }
    claim(component, from, component.normed(), "final norm", places);
    claim(component, component.normed(), component.logits(), "head", places);
    component.graph().parameters().keySet().forEach(value -> places.putIfAbsent(value, "other"));
    return counted(places.keySet(), places::get);
  }

  /** By the names that a hybrid gives its parameters. */
  static List<Part> of(Hybrid hybrid) {
    return counted(
        hybrid.graph().parameters().keySet(),
        value -> {
          String name = value.name();
          for (int k = 0; k < hybrid.names().size(); k++) {
            if (name.startsWith(Hybrid.component(k))) {
              return "component " + hybrid.names().get(k);
            }
          }
          if (Hybrid.isAlpha(name)) {
            return "mixture weights";
          }
          if (name.startsWith("embeddings.")) {
            return "fresh tables";
          }
          return name.contains(".gate_") ? "gates" : "projectors";
        });
  }

  /** Nothing is known of the graph. */
  static List<Part> of(Graph graph) {
    return counted(graph.parameters().keySet(), value -> "all");
  }

  /** Parts in the order of their first parameters. */
  private static List<Part> counted(Set<Value> parameters, Function<Value, String> place) {
    Map<String, Long> counts = new LinkedHashMap<>();
    parameters.forEach(
        value -> counts.merge(place.apply(value), value.shape().elementCount(), Long::sum));
    List<Part> parts = new ArrayList<>();
    counts.forEach((name, count) -> parts.add(new Part(name, count)));
    return parts;
  }

  private static void claim(
      Component component, Value from, Value to, String place, Map<Value, String> places) {
    Graph graph = component.graph();
    Set<Value> seen = new HashSet<>(Set.of(from));
    Deque<Value> open = new ArrayDeque<>(List.of(to));
    while (!open.isEmpty()) {
      Value next = open.pop();
      if (!seen.add(next)) {
        continue;
      }
      if (graph.parameters().containsKey(next)) {
        places.putIfAbsent(next, place);
      }
      graph.producer(next).map(Node::reads).ifPresent(open::addAll);
    }
  }
}
