package dev.manticore.compiler.hybrid;

import dev.manticore.compiler.component.Component;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * Copies parts of one component into a hybrid. What several parts read besides the residual stream
 * (masks, tables of positions) is copied once and shared.
 */
final class Region {

  private final Graph source;
  private final GraphEditor target;
  private final String prefix;
  private final BiFunction<Value, Tensor, Tensor> parameters;
  private final Map<Value, Value> copied = new HashMap<>();

  /**
   * @param prefix what the names of parameters are prefixed with
   * @param parameters what a parameter's tensor becomes on the way
   */
  Region(
      Component component,
      GraphEditor target,
      String prefix,
      Value ids,
      BiFunction<Value, Tensor, Tensor> parameters) {
    this.source = component.graph();
    this.target = target;
    this.prefix = prefix;
    this.parameters = parameters;
    copied.put(component.ids(), ids);
  }

  /** Copies what leads from one value to another, reading {@code input} in place of the first. */
  Value copy(Value from, Value input, Value to) {
    copied.put(from, input);
    return copy(to);
  }

  /** Copies what a value depends on, down to what was copied before. */
  Value copy(Value to) {
    Set<Value> needed = new HashSet<>(Set.of(to));
    Set<Node> nodes = new HashSet<>();
    for (Node node : source.nodes().reverse()) {
      boolean wanted =
          node.presentOutputs().stream()
              .anyMatch(v -> needed.contains(v) && !copied.containsKey(v));
      if (wanted) {
        nodes.add(node);
        needed.addAll(node.reads());
      }
    }
    source
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (needed.contains(value) && !copied.containsKey(value)) {
                copied.put(
                    value,
                    target.parameter(prefix + value.name(), parameters.apply(value, tensor)));
              }
            });
    for (Node node : source.nodes()) {
      if (nodes.contains(node)) {
        target.withOrigin(node.origin());
        Copies.copy(target, node, copied);
      }
    }
    return copied.get(to);
  }
}
