package dev.manticore.compiler.inspect;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.inspect.Section.Kind;

/**
 * Boxes and the arrows between them, before they have places. Arrows form no cycle.
 *
 * @param subtitle a line of facts
 */
public record Diagram(
    String title, String subtitle, ImmutableList<Box> boxes, ImmutableList<Arrow> arrows) {

  /** How much is drawn. */
  public enum Level {
    /** Layers and blocks, each as one box. */
    BLOCKS,
    /** Every node. */
    NODES
  }

  /**
   * A box.
   *
   * @param lines of text, the first one its title
   * @param rows what is in it, from top to bottom
   * @param group the section that it belongs to; empty if none
   * @param tooltip all that is known; may be empty
   */
  record Box(
      Kind kind,
      ImmutableList<String> lines,
      ImmutableList<Row> rows,
      String group,
      String tooltip) {
    Box(Kind kind, ImmutableList<String> lines) {
      this(kind, lines, ImmutableList.of(), "", "");
    }
  }

  /** A part that is drawn inside a box. */
  record Row(Kind kind, String text) {}

  /**
   * An arrow between boxes, by their places in the list.
   *
   * @param weight from 0 to 1: how strongly it is drawn
   * @param label may be empty
   */
  record Arrow(int from, int to, double weight, String label) {
    Arrow(int from, int to) {
      this(from, to, 0.4, "");
    }
  }
}
