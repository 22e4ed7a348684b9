package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import java.util.Map;
import java.util.Optional;

/**
 * Binds symbolic dimensions to extents, {@code batch} to 8 for example, and infers all types again,
 * subgraphs included. Names and parameters stay. Symbols that the graph does not have are ignored,
 * so that one binding fits all graphs of a run; with no symbols at all it only infers types again.
 */
public record Specialise(ImmutableMap<String, Dim> bindings) implements Pass {

  /**
   * @throws IllegalArgumentException if an extent is negative
   */
  public static Specialise of(Map<String, Long> extents) {
    ImmutableMap.Builder<String, Dim> bindings = ImmutableMap.builder();
    extents.forEach((symbol, extent) -> bindings.put(symbol, Dim.of(extent)));
    return new Specialise(bindings.buildOrThrow());
  }

  @Override
  public String name() {
    return "specialise";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.copyOf(GraphProperty.values());
  }

  @Override
  public Graph run(Graph graph) {
    return new Rebuild(name(), type -> Rebuild.withDims(type, this::bind), call -> Optional.empty())
        .run(graph);
  }

  private Dim bind(Dim dim) {
    return dim instanceof Dim.Symbolic symbol ? bindings.getOrDefault(symbol.name(), dim) : dim;
  }
}
