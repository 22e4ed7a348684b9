package dev.manticore.compiler.lower;

import dev.manticore.ir.Node;

/**
 * Why a runtime will not run a node.
 *
 * @param rule short, for programs: {@code operator}, {@code type}, {@code constant-input}
 * @param reason what it demands, and what is so
 */
public record Objection(Node node, String rule, String reason) {

  @Override
  public String toString() {
    return node + ": " + reason;
  }
}
