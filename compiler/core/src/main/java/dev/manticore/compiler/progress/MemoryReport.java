package dev.manticore.compiler.progress;

import static java.util.Objects.requireNonNull;

import dev.manticore.compiler.memory.ByteSize;
import java.util.Locale;

/**
 * How the steps of a run keep within their budget of memory.
 *
 * @param run what is trained; may be empty
 * @param plannedBytes the most that values of a step take at a time
 * @param keptBytes the same if nothing were computed twice
 * @param recomputed operators of a step that run twice
 * @param recomputation the estimated share of their second runs in a step's work
 */
public record MemoryReport(
    String run, long plannedBytes, long keptBytes, int recomputed, double recomputation) {

  public MemoryReport {
    requireNonNull(run, "run");
  }

  /** {@code A step's values take 610 MB instead of 870 MB: 96 operators run twice (+8.1 %)}. */
  String text() {
    String text = "A step's values take " + ByteSize.text(plannedBytes);
    if (recomputed > 0) {
      text +=
          String.format(
              Locale.ROOT,
              " instead of %s: %d operators run twice, about %.1f %% more work",
              ByteSize.text(keptBytes),
              recomputed,
              100 * recomputation);
    }
    return run.isEmpty() ? text : text + " (" + run + ")";
  }
}
