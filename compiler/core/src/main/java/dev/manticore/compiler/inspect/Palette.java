package dev.manticore.compiler.inspect;

import dev.manticore.compiler.inspect.Section.Kind;

/** The colours of diagrams: light fills that black text is read on, and a stroke for each. */
final class Palette {

  private Palette() {}

  static String fill(Kind kind) {
    return switch (kind) {
      case EMBEDDING, HEAD, POSITIONS -> "#fdf0d5";
      case ATTENTION -> "#dbe9fb";
      case STATE_SPACE -> "#d9f2e3";
      case MIXER -> "#dff1f3";
      case MLP -> "#ece3f8";
      case NORM -> "#eceff3";
      case PROJECTORS -> "#f1f1f1";
      case MIXTURE -> "#fbdfe4";
      case COMPONENT, LAYER -> "#f4f7fb";
      case SHARED, OTHER -> "#ffffff";
    };
  }

  static String stroke(Kind kind) {
    return switch (kind) {
      case EMBEDDING, HEAD, POSITIONS -> "#c08a2b";
      case ATTENTION -> "#3f74b5";
      case STATE_SPACE -> "#2f8a57";
      case MIXER -> "#2f838c";
      case MLP -> "#7b52ab";
      case NORM -> "#76818f";
      case PROJECTORS -> "#8a8a8a";
      case MIXTURE -> "#b9405a";
      case COMPONENT, LAYER -> "#5b7493";
      case SHARED, OTHER -> "#9aa3ad";
    };
  }
}
