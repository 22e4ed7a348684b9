package dev.manticore.compiler.progress;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Metric records as JSON Lines, the format of {@value #FILE}. */
public final class Metrics {

  /** The name of the file in the directory of what was run. */
  public static final String FILE = "metrics.jsonl";

  private static final ObjectMapper JSON = new ObjectMapper();

  private Metrics() {}

  /**
   * Reads all records of a file. A last line without its line feed, as a killed run leaves it, is
   * left out.
   *
   * @throws ManticoreException {@code MNT-METRICS} when the file cannot be read or a line is not a
   *     record
   */
  public static ImmutableList<MetricRecord> read(Path file) {
    try {
      String text = Files.readString(file, StandardCharsets.UTF_8);
      ImmutableList.Builder<MetricRecord> records = ImmutableList.builder();
      int number = 1;
      for (int start = 0, end; (end = text.indexOf('\n', start)) >= 0; start = end + 1) {
        records.add(parse(text.substring(start, end), file, number));
        number++;
      }
      return records.build();
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-METRICS", String.format("%s: cannot be read: %s", file, e.getMessage()), e);
    }
  }

  static String line(MetricRecord entry) {
    ObjectNode object =
        JsonNodeFactory.instance
            .objectNode()
            .put("stage", entry.stage())
            .put("run", entry.run())
            .put("seed", entry.seed())
            .put("step", entry.step())
            .put("split", entry.split().name().toLowerCase(Locale.ROOT))
            .put("loss", entry.loss());
    if (!entry.alpha().isEmpty()) {
      ArrayNode blocks = object.putArray("alpha");
      for (ImmutableList<Double> block : entry.alpha()) {
        block.forEach(blocks.addArray()::add);
      }
    }
    if (entry.split() == Split.TRAIN) {
      object.put("learning_rate", entry.learningRate());
    }
    return object.put("tokens", entry.tokens()) + "\n";
  }

  private static MetricRecord parse(String line, Path file, int number) {
    try {
      JsonNode object = JSON.readTree(line);
      ImmutableList.Builder<ImmutableList<Double>> alpha = ImmutableList.builder();
      for (JsonNode block : object.path("alpha")) {
        ImmutableList.Builder<Double> weights = ImmutableList.builder();
        block.forEach(weight -> weights.add(weight.asDouble()));
        alpha.add(weights.build());
      }
      return new MetricRecord(
          object.required("stage").asText(),
          object.required("run").asText(),
          object.required("seed").asInt(),
          object.required("step").asLong(),
          Split.valueOf(object.required("split").asText().toUpperCase(Locale.ROOT)),
          object.required("loss").asDouble(),
          alpha.build(),
          object.path("learning_rate").asDouble(),
          object.required("tokens").asLong());
    } catch (JsonProcessingException | IllegalArgumentException e) {
      throw new ManticoreException(
          "MNT-METRICS",
          String.format("%s:%d: is not a metrics record: %s", file, number, e.getMessage()),
          e);
    }
  }
}
