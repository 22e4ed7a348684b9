package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.bench.LengthBenchmark;
import dev.manticore.compiler.bench.LengthResult;
import dev.manticore.compiler.bench.StepBenchmark;
import dev.manticore.compiler.bench.StepRequest;
import dev.manticore.compiler.memory.ByteSize;
import dev.manticore.compiler.report.TextTable;
import dev.manticore.runtime.Device;
import java.util.Locale;

/**
 * Training steps on sequences of several lengths, in words and as JSON.
 *
 * @param request what was trained, of any of the lengths
 * @param memory the budget in bytes, 0 for none
 */
record LengthReport(StepRequest request, long memory, ImmutableList<LengthResult> results) {

  private static final double MEGABYTE = 1e6;

  /** The arguments by which another process trains on one length. */
  static ImmutableList<String> arguments(
      StepRequest request, Device device, StepBenchmark.Settings settings) {
    ImmutableList.Builder<String> arguments = ImmutableList.builder();
    arguments.add(
        "bench",
        "length",
        "--here",
        "--model=" + request.model(),
        "--width=" + request.width(),
        "--layers=" + request.layers(),
        "--vocab=" + request.vocabulary(),
        "--batch=" + request.batch(),
        "--lengths=" + request.length(),
        "--steps=" + request.steps(),
        "--seconds=" + request.limit().toSeconds(),
        "--threads=" + request.threads(),
        "--device=" + device.name());
    if (settings.memory() > 0) {
      arguments.add("--memory=" + ByteSize.exactText(settings.memory()));
    }
    return arguments.build();
  }

  ImmutableList<String> lines() {
    TextTable table =
        new TextTable()
            .numbers("length")
            .numbers("ms a step")
            .numbers("us a token")
            .numbers("planned MB")
            .numbers("held MB")
            .numbers("resident MiB");
    for (LengthResult result : results) {
      table.row(
          Integer.toString(result.length()),
          String.format(Locale.ROOT, "%.1f", result.milliseconds()),
          String.format(Locale.ROOT, "%.1f", microsecondsPerToken(result)),
          result
              .plannedBytes()
              .map(bytes -> String.format(Locale.ROOT, "%.0f", bytes / MEGABYTE))
              .orElse("-"),
          String.format(Locale.ROOT, "%.0f", result.heldBytes() / MEGABYTE),
          Long.toString(result.peakRssMebibytes()));
    }
    return table.lines();
  }

  private double microsecondsPerToken(LengthResult result) {
    return 1e3 * result.milliseconds() / ((double) request.batch() * result.length());
  }

  ObjectNode json() {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("model", request.model().toString())
            .put("width", request.width())
            .put("layers", request.layers())
            .put("batch", request.batch())
            .put("vocab", request.vocabulary())
            .put("threads", request.threads());
    if (memory > 0) {
      json.put("memory_bytes", memory);
    }
    json.putArray("lengths")
        .addAll(
            results.stream()
                .map(
                    result ->
                        LengthBenchmark.json(result)
                            .put("us_per_token", microsecondsPerToken(result)))
                .toList());
    return json;
  }
}
