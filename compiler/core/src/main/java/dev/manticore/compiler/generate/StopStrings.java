package dev.manticore.compiler.generate;

import com.google.common.collect.ImmutableList;
import java.util.function.Consumer;

/**
 * Passes a growing text on up to the first of some strings. What may be the beginning of one is
 * held back until that is known.
 */
final class StopStrings implements Consumer<String> {

  private final ImmutableList<String> stops;
  private final Consumer<String> pieces;
  private final StringBuilder text = new StringBuilder();
  private int given;
  private boolean found;

  StopStrings(ImmutableList<String> stops, Consumer<String> pieces) {
    this.stops = stops;
    this.pieces = pieces;
  }

  /** Whether one of the strings has come; nothing is passed on any more. */
  boolean found() {
    return found;
  }

  @Override
  public void accept(String piece) {
    if (found) {
      return;
    }
    int searched = text.length();
    text.append(piece);
    int first = text.length() + 1;
    for (String stop : stops) {
      int at = text.indexOf(stop, Math.max(given, searched - stop.length() + 1));
      first = at >= 0 && at < first ? at : first;
    }
    if (first <= text.length()) {
      found = true;
      text.setLength(first);
      give(first);
    } else {
      give(text.length() - held());
    }
  }

  /** Passes on what was held back: no more is coming. */
  void finish() {
    give(text.length());
  }

  /** All that was passed on. */
  String text() {
    return text.substring(0, given);
  }

  /** The length of the longest end of the text that one of the strings begins with. */
  private int held() {
    int longest = 0;
    for (String stop : stops) {
      int most = Math.min(stop.length() - 1, text.length() - given);
      for (int length = most; length > longest; length--) {
        if (stop.startsWith(text.substring(text.length() - length))) {
          longest = length;
        }
      }
    }
    return longest;
  }

  private void give(int end) {
    if (end > given) {
      String piece = text.substring(given, end);
      given = end;
      pieces.accept(piece);
    }
  }
}
