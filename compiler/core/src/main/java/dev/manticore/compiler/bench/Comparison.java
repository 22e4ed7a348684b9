package dev.manticore.compiler.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Two sides that were measured by turns.
 *
 * @param rows the figures that both have, at least one
 * @param ours what we printed, run by run
 * @param peer what the peer printed, run by run
 */
public record Comparison(
    ImmutableList<Row> rows, ImmutableList<JsonNode> ours, ImmutableList<JsonNode> peer) {

  /** Values of a side that lie farther apart, as a part of their median, are not compared. */
  public static final double MOST_SPREAD = 0.2;

  /** What both sides may say about what they ran; it should be the same. */
  private static final ImmutableList<String> SUBJECT =
      ImmutableList.of("model", "width", "layers", "batch", "length", "vocab", "threads");

  /** A figure of both sides. */
  public record Row(Figure figure, Samples ours, Samples peer) {

    /** Our median over the peer's. */
    public double ratio() {
      return ours.median() / peer.median();
    }

    /** Whether the values of both sides lie close enough together for the ratio to mean much. */
    public boolean isSteady() {
      return Math.max(ours.spread(), peer.spread()) <= MOST_SPREAD;
    }
  }

  /**
   * Finds the figures that all runs of both sides have.
   *
   * @throws ManticoreException {@code MNT-BENCH} if there are none, or one is no positive number
   */
  public static Comparison of(List<? extends JsonNode> ours, List<? extends JsonNode> peer) {
    ImmutableList.Builder<Row> rows = ImmutableList.builder();
    for (Figure figure : Figure.values()) {
      Optional<Samples> left = samples(figure, ours);
      Optional<Samples> right = samples(figure, peer);
      if (left.isPresent() && right.isPresent()) {
        rows.add(new Row(figure, left.get(), right.get()));
      }
    }
    Comparison comparison =
        new Comparison(rows.build(), ImmutableList.copyOf(ours), ImmutableList.copyOf(peer));
    if (comparison.rows.isEmpty()) {
      throw new ManticoreException(
          "MNT-BENCH",
          "there is nothing to compare: the peer's JSON object has none of "
              + ImmutableList.copyOf(Figure.values()).stream().map(Figure::key).toList());
    }
    return comparison;
  }

  private static Optional<Samples> samples(Figure figure, List<? extends JsonNode> runs) {
    List<Double> values = new ArrayList<>();
    for (JsonNode run : runs) {
      OptionalDouble value = value(figure, run);
      if (value.isEmpty()) {
        return Optional.empty();
      }
      values.add(value.getAsDouble());
    }
    return Optional.of(Samples.of(values));
  }

  /** Empty where it is not said; a size of memory is 0 where the operating system has none. */
  private static OptionalDouble value(Figure figure, JsonNode run) {
    JsonNode value = run.path(figure.key());
    if (value.isMissingNode()
        || value.isNull()
        || figure == Figure.MEMORY && value.isNumber() && value.asDouble() == 0) {
      return OptionalDouble.empty();
    }
    if (!value.isNumber() || !(value.asDouble() > 0) || Double.isInfinite(value.asDouble())) {
      throw new ManticoreException(
          "MNT-BENCH", figure.key() + " must be a positive number, not " + value);
    }
    return OptionalDouble.of(value.asDouble());
  }

  /** What the two sides did not do alike, as both say, in words. */
  public ImmutableList<String> differences() {
    ImmutableList.Builder<String> differences = ImmutableList.builder();
    for (String key : SUBJECT) {
      JsonNode left = ours.get(0).path(key);
      JsonNode right = peer.get(0).path(key);
      if (!left.isMissingNode()
          && !right.isMissingNode()
          && !left.asText().equals(right.asText())) {
        differences.add(key + " is " + left.asText() + " here, " + right.asText() + " there");
      }
    }
    return differences.build();
  }

  /** Why no judgement is passed: what does not lie close enough together. Empty if all does. */
  public ImmutableList<String> unsteady() {
    ImmutableList.Builder<String> unsteady = ImmutableList.builder();
    for (Row row : rows) {
      unsteady(unsteady, row.figure(), "ours", row.ours());
      unsteady(unsteady, row.figure(), "the peer's", row.peer());
    }
    return unsteady.build();
  }

  private static void unsteady(
      ImmutableList.Builder<String> unsteady, Figure figure, String whose, Samples samples) {
    if (samples.spread() > MOST_SPREAD) {
      unsteady.add(
          String.format(
              Locale.ROOT,
              "%s: the spread of %s is %.1f %%, more than %.0f %%",
              figure,
              whose,
              100 * samples.spread(),
              100 * MOST_SPREAD));
    }
  }

  /** What was expected and is not so, or was not measured. */
  public ImmutableList<String> unmet(List<Expectation> expectations) {
    ImmutableList.Builder<String> unmet = ImmutableList.builder();
    for (Expectation expectation : expectations) {
      Optional<Row> row =
          rows.stream().filter(one -> one.figure() == expectation.figure()).findFirst();
      if (row.isEmpty()) {
        unmet.add(expectation.figure() + ": not measured on both sides");
      } else if (!expectation.isMetBy(row.get().ratio())) {
        unmet.add(
            String.format(
                Locale.ROOT,
                "%s: the ratio is %.3f; expected is %s %s",
                expectation.figure(),
                row.get().ratio(),
                expectation.side(),
                expectation.ratio()));
      }
    }
    return unmet.build();
  }
}
