package dev.manticore.compiler.report;

import dev.manticore.compiler.experiment.Comparison.Extent;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.Sample;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/** Numbers as reports write them. */
final class Numbers {

  static final String NONE = "–";

  private static final int DECIMALS = 4;

  private Numbers() {}

  static String number(double value) {
    return number(value, DECIMALS);
  }

  static String number(double value, int decimals) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%." + decimals + "f", value)
        : Double.isNaN(value) ? NONE : "diverged";
  }

  /** A mean, and half its interval after ± where there is one. */
  static String mean(Sample sample) {
    if (sample.size() == 0) {
      return NONE;
    }
    String mean = Double.isFinite(sample.mean()) ? number(sample.mean()) : "diverged";
    return mean
        + sample.interval().map(interval -> " ± " + number(interval.halfWidth())).orElse("");
  }

  static String signed(double value) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%+." + DECIMALS + "f", value)
        : NONE;
  }

  static String interval(Optional<Interval> interval) {
    return interval
        .map(ends -> "[" + signed(ends.low()) + ", " + signed(ends.high()) + "]")
        .orElse(NONE);
  }

  static String p(OptionalDouble p) {
    if (p.isEmpty()) {
      return NONE;
    }
    return p.getAsDouble() < 1e-4 ? "< 0.0001" : number(p.getAsDouble());
  }

  static String extent(Extent extent) {
    return extent.least() == extent.greatest()
        ? String.format(Locale.ROOT, "%,d", extent.least())
        : String.format(Locale.ROOT, "%,d to %,d", extent.least(), extent.greatest());
  }

  static String parity(Parity parity) {
    if (Double.isNaN(parity.ratio())) {
      return NONE;
    }
    return parity.equal() ? "equal" : String.format(Locale.ROOT, "%.3g times", parity.ratio());
  }

  static String seeds(List<Integer> seeds) {
    return (seeds.size() == 1 ? "seed " : "seeds ") + list(seeds);
  }

  static String list(List<?> values) {
    return values.stream().map(Object::toString).collect(Collectors.joining(", "));
  }
}
