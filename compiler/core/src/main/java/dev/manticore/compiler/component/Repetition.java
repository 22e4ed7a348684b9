package dev.manticore.compiler.component;

import java.util.List;
import java.util.Optional;

/**
 * A run that repeats in a sequence.
 *
 * @param start the index at which it begins
 * @param period how many elements repeat
 * @param count how often
 */
record Repetition(int start, int period, int count) {

  /**
   * The repetition that covers most of the sequence, of the shortest period among those that do; at
   * least two times.
   */
  static Optional<Repetition> longest(List<String> sequence) {
    Optional<Repetition> best = Optional.empty();
    for (int period = 1; 2 * period <= sequence.size(); period++) {
      for (int start = 0; start + 2 * period <= sequence.size(); start++) {
        int count = 1;
        while (repeats(sequence, start, period, count)) {
          count++;
        }
        int covered = period * count;
        if (count >= 2
            && best.map(other -> covered > other.period() * other.count()).orElse(true)) {
          best = Optional.of(new Repetition(start, period, count));
        }
      }
    }
    return best;
  }

  private static boolean repeats(List<String> sequence, int start, int period, int count) {
    int at = start + period * count;
    return at + period <= sequence.size()
        && sequence.subList(start, start + period).equals(sequence.subList(at, at + period));
  }
}
