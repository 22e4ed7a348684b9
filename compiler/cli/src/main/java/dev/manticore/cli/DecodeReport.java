package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.bench.DecodeBenchmark;
import dev.manticore.compiler.bench.Samples;
import dev.manticore.compiler.bench.StepRequest;
import java.util.Locale;

/** What tokens cost while decoding, in words and as JSON. */
record DecodeReport(StepRequest request, DecodeBenchmark.Report report) {

  ImmutableList<String> lines() {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    lines.add(
        line(
            "%s: %,.1f MB of weights are read for a token",
            request.model(), report.weightBytes() / 1e6));
    for (DecodeBenchmark.Result result : report.results()) {
      double step = result.stepMilliseconds().median();
      lines.add(
          line(
              "after %,6d tokens: %7.2f ms a token%s; %9.2f ms by reading all again; prompt %,9.0f"
                  + " tokens a second",
              result.position(),
              step,
              result.readMilliseconds().isEmpty() ? "" : besideReading(step, result),
              result.recomputeMilliseconds(),
              result.prefillTokensPerSecond()));
    }
    return lines.build();
  }

  private String besideReading(double step, DecodeBenchmark.Result result) {
    double read = read(result);
    return line(
        ", %.2f times the %.2f ms that reading the weights takes (%.1f GB/s)",
        step / read, read, bytesPerSecond(read) / 1e9);
  }

  private static double read(DecodeBenchmark.Result result) {
    return Samples.of(result.readMilliseconds()).median();
  }

  private double bytesPerSecond(double milliseconds) {
    return 1e3 * report.weightBytes() / milliseconds;
  }

  ArrayNode json() {
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    for (DecodeBenchmark.Result result : report.results()) {
      Samples step = result.stepMilliseconds();
      ObjectNode described =
          array
              .addObject()
              .put("model", request.model().toString())
              .put("width", request.width())
              .put("layers", request.layers())
              .put("vocab", request.vocabulary())
              .put("threads", request.threads())
              .put("position", result.position())
              .put("prefill_tokens_per_s", result.prefillTokensPerSecond())
              .put("step_ms", step.median())
              .put("best_step_ms", step.least())
              .put("recompute_ms", result.recomputeMilliseconds())
              .put("weight_bytes", report.weightBytes());
      if (!result.readMilliseconds().isEmpty()) {
        double read = read(result);
        described
            .put("read_ms", read)
            .put("best_read_ms", Samples.of(result.readMilliseconds()).least())
            .put("read_bytes_per_s", bytesPerSecond(read))
            .put("step_to_read", step.median() / read);
      }
    }
    return array;
  }

  private static String line(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
