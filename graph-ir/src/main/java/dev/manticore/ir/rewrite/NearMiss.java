package dev.manticore.ir.rewrite;

import java.util.function.Supplier;

/** Where an attempt to match came farthest: the number of parts matched, and what stopped it. */
final class NearMiss {

  private int matched = -1;
  private Supplier<String> reason = () -> "";

  void record(int parts, Supplier<String> why) {
    if (parts > matched) {
      matched = parts;
      reason = why;
    }
  }

  int matched() {
    return matched;
  }

  String reason() {
    return reason.get();
  }
}
