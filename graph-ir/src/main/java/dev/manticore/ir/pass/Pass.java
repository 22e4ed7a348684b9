package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;

/** A step from graph to graph. It holds no state: one object may be run on many graphs. */
public interface Pass {

  /** A name for messages, {@code fold-constants} for example. */
  String name();

  /** What must hold of the graph it is given. */
  default ImmutableSet<GraphProperty> requires() {
    return ImmutableSet.of();
  }

  /** What holds of the graph it returns, whatever it was given. */
  default ImmutableSet<GraphProperty> ensures() {
    return ImmutableSet.of();
  }

  /** What holds of the graph it returns if it held of the graph it was given. */
  ImmutableSet<GraphProperty> preserves();

  /**
   * The changed graph, or the same object if there is nothing to change.
   *
   * @throws dev.manticore.ir.ManticoreException if the graph cannot be brought to what the pass
   *     ensures
   */
  Graph run(Graph graph);
}
