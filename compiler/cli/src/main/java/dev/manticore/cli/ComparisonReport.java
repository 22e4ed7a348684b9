package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.bench.Comparison;
import dev.manticore.compiler.bench.Expectation;
import dev.manticore.compiler.bench.Samples;
import java.util.Locale;

/** A comparison and what comes of it, in words and as JSON. */
record ComparisonReport(Comparison comparison, ImmutableList<Expectation> expectations) {

  /** Whether a judgement can be passed, and is as expected. */
  boolean passes() {
    return comparison.unsteady().isEmpty() && comparison.unmet(expectations).isEmpty();
  }

  ImmutableList<String> lines() {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    lines.add(
        String.format(
            Locale.ROOT,
            "Medians of %d runs each, by turns; in brackets least, greatest and spread:",
            comparison.ours().size()));
    for (Comparison.Row row : comparison.rows()) {
      lines.add(
          String.format(
              Locale.ROOT,
              "  %-8s  %-8s  ours %-38s  peer %-38s  ratio %s",
              row.figure(),
              row.figure().unit(),
              words(row.ours()),
              words(row.peer()),
              row.isSteady() ? String.format(Locale.ROOT, "%.3f", row.ratio()) : "not told"));
    }
    comparison.differences().forEach(difference -> lines.add("note: " + difference));
    if (!comparison.unsteady().isEmpty()) {
      comparison.unsteady().forEach(why -> lines.add("not judged: " + why));
      lines.add("Measure again with nothing else running, or with more --rounds.");
    } else {
      comparison.unmet(expectations).forEach(unmet -> lines.add("not as expected: " + unmet));
    }
    return lines.build();
  }

  private static String words(Samples samples) {
    return String.format(
        Locale.ROOT,
        "%,.0f (%,.0f to %,.0f; %.1f %%)",
        samples.median(),
        samples.least(),
        samples.greatest(),
        100 * samples.spread());
  }

  ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("rounds", comparison.ours().size())
        .put("judged", comparison.unsteady().isEmpty())
        .put("passes", passes());
    ObjectNode figures = json.putObject("figures");
    for (Comparison.Row row : comparison.rows()) {
      ObjectNode figure = figures.putObject(row.figure().toString());
      figure.put("key", row.figure().key());
      if (row.isSteady()) {
        figure.put("ratio", row.ratio());
      } else {
        figure.putNull("ratio");
      }
      figure.set("ours", json(row.ours()));
      figure.set("peer", json(row.peer()));
    }
    put(json.putArray("differences"), comparison.differences());
    put(json.putArray("unsteady"), comparison.unsteady());
    put(
        json.putArray("unmet"),
        comparison.unsteady().isEmpty() ? comparison.unmet(expectations) : ImmutableList.of());
    json.putArray("ours").addAll(comparison.ours());
    json.putArray("peer").addAll(comparison.peer());
    return json;
  }

  private static void put(ArrayNode array, ImmutableList<String> lines) {
    lines.forEach(array::add);
  }

  private static ObjectNode json(Samples samples) {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("median", samples.median())
            .put("spread", samples.spread());
    samples.values().forEach(json.putArray("values")::add);
    return json;
  }
}
