package dev.manticore.compiler.progress;

import java.time.Duration;
import java.util.Locale;

/** Durations as people read them. */
public final class Durations {

  private Durations() {}

  /** {@code 4:05} or {@code 1:02:03}. */
  static String clock(Duration duration) {
    long seconds = Math.max(0, duration.toSeconds());
    long hours = seconds / 3600;
    return hours == 0
        ? String.format("%d:%02d", seconds / 60, seconds % 60)
        : String.format("%d:%02d:%02d", hours, seconds / 60 % 60, seconds % 60);
  }

  /** {@code 0.4 s}, {@code 12 s}, {@code 4 min 5 s} or {@code 1 h 2 min}. */
  public static String words(Duration duration) {
    long seconds = duration.toSeconds();
    if (seconds < 10) {
      return String.format(Locale.ROOT, "%.1f s", duration.toMillis() / 1000.0);
    }
    if (seconds < 60) {
      return seconds + " s";
    }
    return seconds < 3600
        ? String.format("%d min %d s", seconds / 60, seconds % 60)
        : String.format("%d h %d min", seconds / 3600, seconds / 60 % 60);
  }
}
