package dev.manticore.compiler.diff;

import dev.manticore.ir.compare.GraphComparison.Count;
import dev.manticore.ir.compare.GraphComparison.ParameterDifference;
import dev.manticore.ir.compare.GraphComparison.Place;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes what a comparison found, for people and as JSON. */
public final class DiffReport {

  /** Places and parameters that are listed; of others the text tells the number. */
  private static final int LISTED = 5;

  private DiffReport() {}

  /** Lines of text, the last of which is the verdict. */
  public static String text(DiffResult result) {
    StringBuilder text = new StringBuilder();
    result.notes().forEach(note -> line(text, "Note: %s", note));
    if (result.verdict() == DiffResult.Verdict.SAME_NORMAL_FORM) {
      line(text, "Same normal form: one structure on equal parameters.");
      return text.toString();
    }
    line(
        text,
        "Normal forms of %d and %d nodes differ in %d places and %d parameters.",
        result.firstNodes(),
        result.secondNodes(),
        result.places().size(),
        result.parameters().size());
    for (Count count : result.operators()) {
      line(text, "  %-24s %6d %6d", count.operator(), count.first(), count.second());
    }
    for (Place place : result.places().stream().limit(LISTED).toList()) {
      line(text, "A  %s", place.first());
      line(text, "B  %s", place.second());
      place.readers().forEach(reader -> line(text, "     read by %s", reader));
    }
    more(text, result.places().size(), "places");
    for (ParameterDifference parameter : result.parameters().stream().limit(LISTED).toList()) {
      line(
          text,
          "Parameter %s and %s differ by up to %.3e",
          parameter.first(),
          parameter.second(),
          parameter.largest());
    }
    more(text, result.parameters().size(), "parameters");
    if (result.samples() > 0) {
      line(
          text,
          "Run on %d random inputs: largest difference %.3e, largest value %.3e.",
          result.samples(),
          result.largestDifference(),
          result.largestValue());
    }
    line(
        text,
        result.verdict() == DiffResult.Verdict.EQUAL_ON_SAMPLES
            ? "Equal in computed values on " + result.samples() + " samples."
            : "Different.");
    return text.toString();
  }

  private static void more(StringBuilder text, int count, String what) {
    if (count > LISTED) {
      line(text, "and %d more %s", count - LISTED, what);
    }
  }

  private static void line(StringBuilder text, String format, Object... arguments) {
    text.append(String.format(Locale.ROOT, format, arguments)).append('\n');
  }

  /** The same as maps and lists, in the order of the keys. */
  public static Map<String, Object> json(DiffResult result) {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("verdict", result.verdict().name().toLowerCase(Locale.ROOT));
    json.put("equal", result.isEqual());
    json.put("nodes", List.of(result.firstNodes(), result.secondNodes()));
    json.put(
        "places",
        result.places().stream()
            .map(
                place ->
                    Map.of(
                        "first", place.first(),
                        "second", place.second(),
                        "readers", place.readers()))
            .toList());
    json.put(
        "parameters",
        result.parameters().stream()
            .map(
                parameter ->
                    Map.of(
                        "first", parameter.first(),
                        "second", parameter.second(),
                        "largest", finite(parameter.largest())))
            .toList());
    json.put(
        "operators",
        result.operators().stream()
            .map(
                count ->
                    Map.of(
                        "operator", count.operator(),
                        "first", count.first(),
                        "second", count.second()))
            .toList());
    json.put("notes", result.notes());
    json.put("samples", result.samples());
    json.put("largest_difference", finite(result.largestDifference()));
    json.put("largest_value", finite(result.largestValue()));
    return json;
  }

  /** JSON has no infinity. */
  private static Object finite(double value) {
    return Double.isFinite(value) ? value : "infinity";
  }
}
