package dev.manticore.compiler.lower;

import dev.manticore.ir.Node;
import dev.manticore.ir.Origin;

/**
 * Why a runtime will not run a node.
 *
 * @param rule short, for programs: {@code operator}, {@code type}, {@code constant-input}
 * @param reason what it demands, and what is so
 */
public record Objection(Node node, String rule, String reason) {

  /** The node, and where it comes from, if that is known. */
  public String place() {
    return Origin.NONE.equals(node.origin()) ? node.toString() : node + " from " + node.origin();
  }

  @Override
  public String toString() {
    return place() + ": " + reason;
  }
}
