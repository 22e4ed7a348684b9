package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a model was found to be worth.
 *
 * @param parameterCount elements of all parameters
 * @param steps of the optimizer in its tuning
 * @param heldOutLoss in nats a token, over all held-out data
 * @param slices the same over each slice of the data
 * @param measures on the part that results are reported on
 */
record Scored(
    long parameterCount,
    int steps,
    double heldOutLoss,
    ImmutableMap<String, Double> slices,
    Measures measures) {

  private static final String RESULT = "result.json";
  private static final ObjectMapper JSON = new ObjectMapper();

  void write(Path directory) {
    ObjectNode json = JSON.createObjectNode();
    json.put("held_out_loss", heldOutLoss);
    ObjectNode bySlice = json.putObject("slices");
    slices.forEach(bySlice::put);
    json.set("measures", measures.json());
    json.put("parameters", parameterCount);
    json.put("steps", steps);
    AtomicFiles.writeString(directory.resolve(RESULT), PrettyJson.text(json));
  }

  static Scored read(Path directory) throws IOException {
    Path file = directory.resolve(RESULT);
    JsonNode json = JSON.readTree(Files.readAllBytes(file));
    ImmutableMap.Builder<String, Double> slices = ImmutableMap.builder();
    json.path("slices").properties().forEach(e -> slices.put(e.getKey(), e.getValue().asDouble()));
    return new Scored(
        json.path("parameters").asLong(),
        json.path("steps").asInt(),
        json.required("held_out_loss").asDouble(),
        slices.buildOrThrow(),
        Measures.of((ObjectNode) json.required("measures"), file));
  }
}
