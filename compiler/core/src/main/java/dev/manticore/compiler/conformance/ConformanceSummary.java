package dev.manticore.compiler.conformance;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;

/**
 * What became of conformance cases. Each case either passed the round trip, or is not supported by
 * ONNX Runtime, or has failed.
 *
 * @param cases all of them
 * @param roundTripPassed matched by ONNX Runtime before the round trip and after it
 * @param runtimeUnsupported not run, or not matched, by ONNX Runtime even before the round trip
 * @param interpreterCovered whose operators the catalogue covers
 * @param interpreterPassed of these, matched by the interpreter
 * @param failed cases in which a step has failed
 */
@JsonPropertyOrder({
  "cases",
  "round_trip_passed",
  "runtime_unsupported",
  "interpreter_covered",
  "interpreter_passed",
  "failed"
})
public record ConformanceSummary(
    @JsonProperty("cases") int cases,
    @JsonProperty("round_trip_passed") int roundTripPassed,
    @JsonProperty("runtime_unsupported") int runtimeUnsupported,
    @JsonProperty("interpreter_covered") int interpreterCovered,
    @JsonProperty("interpreter_passed") int interpreterPassed,
    @JsonProperty("failed") int failed) {}
