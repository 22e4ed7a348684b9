package dev.manticore.compiler.experiment;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.OptionalDouble;

/**
 * What was measured on one part of the data. A value that is not finite, as of a training that
 * diverged, stays what it is.
 *
 * @param loss in nats an answer
 * @param accuracy the share of right answers
 * @param macroAccuracy the mean of the accuracy over classes
 * @param exactMatch the share of samples all of whose answers are right
 * @param bitsPerByte the loss in bits a byte of text; empty where the answers are not text
 */
public record Measures(
    double loss,
    double accuracy,
    double macroAccuracy,
    double exactMatch,
    OptionalDouble bitsPerByte) {

  public Measures {
    requireNonNull(bitsPerByte, "bitsPerByte");
  }

  static Measures of(StrictObject json) {
    Measures measures =
        new Measures(
            json.number("loss"),
            json.number("accuracy"),
            json.number("macro_accuracy"),
            json.number("exact_match"),
            json.optionalNumber("bits_per_byte"));
    json.requireNothingElse();
    return measures;
  }

  /**
   * What {@link #json} wrote.
   *
   * @param file that the object is from
   * @throws ManticoreException {@code MNT-OUTCOME} if it is not well formed
   */
  public static Measures of(ObjectNode json, Path file) {
    return of(StrictObject.of(Outcome.CODE, file, json));
  }

  public ObjectNode json() {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("loss", loss)
            .put("accuracy", accuracy)
            .put("macro_accuracy", macroAccuracy)
            .put("exact_match", exactMatch);
    bitsPerByte.ifPresent(bits -> json.put("bits_per_byte", bits));
    return json;
  }
}
