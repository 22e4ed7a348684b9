package dev.manticore.compiler.experiment;

import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.Function;

/** One of the figures of {@link Measures}. */
public enum Measure {
  LOSS("loss", "nats an answer", Better.LOWER, m -> OptionalDouble.of(m.loss())),
  ACCURACY("accuracy", "share", Better.HIGHER, m -> OptionalDouble.of(m.accuracy())),
  MACRO_ACCURACY(
      "macro accuracy", "share", Better.HIGHER, m -> OptionalDouble.of(m.macroAccuracy())),
  EXACT_MATCH("exact match", "share", Better.HIGHER, m -> OptionalDouble.of(m.exactMatch())),
  BITS_PER_BYTE("bits per byte", "bits", Better.LOWER, Measures::bitsPerByte);

  /** Which of two values is the better one. */
  public enum Better {
    LOWER,
    HIGHER
  }

  private final String title;
  private final String unit;
  private final Better better;
  private final Function<Measures, OptionalDouble> value;

  Measure(String title, String unit, Better better, Function<Measures, OptionalDouble> value) {
    this.title = title;
    this.unit = unit;
    this.better = better;
    this.value = value;
  }

  /** As texts call it. */
  @Override
  public String toString() {
    return title;
  }

  /** As files call it. */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  public String unit() {
    return unit;
  }

  public Better better() {
    return better;
  }

  /** Its value; empty where it was not measured. */
  public OptionalDouble of(Measures measures) {
    return value.apply(measures);
  }

  /** A difference, turned so that it is positive where the first is the better one. */
  public double advantage(double difference) {
    return better == Better.LOWER ? -difference : difference;
  }
}
