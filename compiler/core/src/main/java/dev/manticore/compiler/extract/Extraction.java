package dev.manticore.compiler.extract;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A region of a graph as a graph of its own: what leads from some values to others. The first
 * become its inputs, with their types; parameters and constants that it reads are carried along,
 * and so is what is computed from them alone. Names stay.
 *
 * @param graph the region
 * @param added inputs of the whole graph that the region reads too, past the values asked for
 */
public record Extraction(Graph graph, ImmutableList<Value> added) {

  /**
   * Extracts what leads from some values to others.
   *
   * <p>Where the region reads but the shape of something before it, and each dimension of that is
   * one of the values asked for too, by its symbol, the shape is taken from these.
   *
   * @param from values of the graph by name; if empty, its inputs
   * @param to values of the graph by name; if empty, its outputs
   * @throws ManticoreException {@code MNT-EXTRACT} if the graph has no such value, or a value asked
   *     for is not between the others
   */
  public static Extraction of(Graph graph, List<String> from, List<String> to) {
    Map<String, Value> values = new LinkedHashMap<>();
    graph.inputs().forEach(value -> values.put(value.name(), value));
    graph.parameters().keySet().forEach(value -> values.put(value.name(), value));
    graph
        .nodes()
        .forEach(node -> node.presentOutputs().forEach(value -> values.put(value.name(), value)));
    return new Extractor(
            graph,
            from.isEmpty() ? graph.inputs() : named(graph, from, values),
            to.isEmpty() ? graph.outputs() : named(graph, to, values),
            ImmutableMap.of())
        .extract();
  }

  /**
   * Extracts layers of a language model: from the residual stream before the first to that after
   * the last.
   *
   * @param last counted from 0, like {@code first}; included
   * @throws ManticoreException {@code MNT-EXTRACT} if the model has no such layers
   */
  public static Extraction layers(Component component, int first, int last) {
    int count = component.layers().size();
    if (first < 0 || last < first || last >= count) {
      throw failure(
          "'"
              + component.name()
              + "' has layers 0 to "
              + (count - 1)
              + ", not "
              + (first == last ? "" + first : first + " to " + last));
    }
    Value from = first == 0 ? component.entry() : component.layers().get(first - 1);
    // Batch and length are the same all along, whether or not an export names them.
    ImmutableMap.Builder<Value, ImmutableList<Integer>> axes = ImmutableMap.builder();
    axes.put(component.ids(), ImmutableList.of(0, 1));
    Set<Value> stream = new LinkedHashSet<>(component.layers());
    stream.add(component.embedding());
    stream.add(component.entry());
    stream.forEach(value -> axes.put(value, ImmutableList.of(0, 1, 2)));
    return new Extractor(
            component.graph(),
            ImmutableList.of(from),
            ImmutableList.of(component.layers().get(last)),
            axes.buildOrThrow())
        .extract();
  }

  private static List<Value> named(Graph graph, List<String> names, Map<String, Value> values) {
    List<Value> found = new ArrayList<>();
    for (String name : names) {
      Value value = values.get(name);
      if (value == null) {
        throw failure(
            graph
                + " has no value '"
                + name
                + "'"
                + Spelling.nearest(name, values.keySet())
                    .map(nearest -> "; did you mean '" + nearest + "'?")
                    .orElse("; 'manticore inspect --level nodes --dot FILE' writes their names"));
      }
      found.add(value);
    }
    return found;
  }

  static ManticoreException failure(String message) {
    return new ManticoreException("MNT-EXTRACT", message);
  }
}
