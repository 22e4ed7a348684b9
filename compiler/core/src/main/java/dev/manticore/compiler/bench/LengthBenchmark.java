package dev.manticore.compiler.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.runtime.Device;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntFunction;

/**
 * Times training steps on sequences of several lengths, each length in a virtual machine of its
 * own: the largest resident size of a process never falls again.
 */
public final class LengthBenchmark {

  private LengthBenchmark() {}

  /**
   * Times steps of one length in this process.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-MEMORY} if the settings' budget is too
   *     small
   */
  public static LengthResult here(
      Device device, StepRequest request, StepBenchmark.Settings settings) {
    return StepBenchmark.train(device, request, settings);
  }

  /**
   * Times steps of each length.
   *
   * @param timing the process that prints what {@link #json} makes of the result for a length
   * @throws dev.manticore.ir.ManticoreException {@code MNT-BENCH} if a process fails
   */
  public static ImmutableList<LengthResult> run(
      List<Integer> lengths, IntFunction<Subprocess> timing, Cancellation cancellation) {
    ImmutableList.Builder<LengthResult> results = ImmutableList.builder();
    for (int length : lengths) {
      results.add(
          result(
              ComparisonBenchmark.measure(
                  "the process that trains on sequences of " + length + " tokens",
                  timing.apply(length),
                  cancellation)));
    }
    return results.build();
  }

  /** A result as an object with one key for each component. */
  public static ObjectNode json(LengthResult result) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("length", result.length())
        .put("steps", result.steps())
        .put("step_ms", result.milliseconds())
        .put("planned_bytes", result.plannedBytes().orElse(null))
        .put("recomputed", result.recomputed().orElse(null))
        .put("held_bytes", result.heldBytes())
        .put("peak_rss_mb", result.peakRssMebibytes())
        .put("loss", result.loss());
  }

  private static LengthResult result(JsonNode json) {
    return new LengthResult(
        json.path("length").asInt(),
        json.path("steps").asInt(),
        json.path("step_ms").asDouble(),
        optional(json.path("planned_bytes"), JsonNode::asLong),
        optional(json.path("recomputed"), JsonNode::asInt),
        json.path("held_bytes").asLong(),
        json.path("peak_rss_mb").asLong(),
        json.path("loss").asDouble());
  }

  private static <T> Optional<T> optional(JsonNode json, Function<JsonNode, T> value) {
    return json.isNumber() ? Optional.of(value.apply(json)) : Optional.empty();
  }
}
