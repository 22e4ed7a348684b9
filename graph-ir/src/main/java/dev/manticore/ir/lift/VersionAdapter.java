package dev.manticore.ir.lift;

import dev.manticore.ir.Node;
import dev.manticore.ir.build.Ops;

/** Rewrites a node for a version in which its operator changed. */
@FunctionalInterface
interface VersionAdapter {

  /**
   * The node that takes the place of one from before the change, with the same outputs: of the same
   * version where later changes may still apply, else of the version lifted to.
   *
   * @param ops adds the nodes that are needed besides, of the version lifted to
   * @throws dev.manticore.ir.IrException if what the node computes has no such form; the message
   *     need not name the node
   */
  Node adapt(Ops ops, Node node);
}
