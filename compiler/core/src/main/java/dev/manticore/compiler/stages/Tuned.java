package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A tuned model.
 *
 * @param parameters its parameters, a safetensors file
 * @param metrics the losses along the way, JSON lines
 * @param parameterCount elements of all parameters
 * @param heldOutLoss in nats a token, over all held-out data
 * @param slices the same over each slice of the data
 */
record Tuned(
    Path parameters,
    Path metrics,
    long parameterCount,
    int steps,
    double heldOutLoss,
    ImmutableMap<String, Double> slices) {

  static final String PARAMETERS = "parameters.safetensors";
  private static final String RESULT = "result.json";
  private static final ObjectMapper JSON = new ObjectMapper();

  static void write(Path directory, TrainingRun.Result result, long parameterCount, int steps) {
    ObjectNode json = JSON.createObjectNode();
    json.put("held_out_loss", result.heldOutLoss());
    ObjectNode slices = json.putObject("slices");
    result.slices().forEach(slices::put);
    json.put("parameters", parameterCount);
    json.put("steps", steps);
    AtomicFiles.writeString(directory.resolve(RESULT), json.toPrettyString() + "\n");
  }

  static Tuned read(Path directory) throws IOException {
    JsonNode json = JSON.readTree(Files.readAllBytes(directory.resolve(RESULT)));
    ImmutableMap.Builder<String, Double> slices = ImmutableMap.builder();
    json.path("slices").properties().forEach(e -> slices.put(e.getKey(), e.getValue().asDouble()));
    return new Tuned(
        directory.resolve(PARAMETERS),
        directory.resolve(Stages.METRICS),
        json.path("parameters").asLong(),
        json.path("steps").asInt(),
        json.path("held_out_loss").asDouble(),
        slices.buildOrThrow());
  }
}
