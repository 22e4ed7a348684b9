package dev.manticore.compiler.experiment;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.nio.file.Path;

/**
 * What came of one trial: a model, trained on a task or a data set from a seed. It holds nothing
 * that differs between two equal trials: no times, nothing of the machine. In a trial's directory
 * it is {@value #FILE}, beside the curves in {@code metrics.jsonl}.
 *
 * @param group the task or data set, such as {@code in-context-recall}; only outcomes of one group
 *     are compared
 * @param model such as {@code mamba} or {@code hybrid}
 * @param parameters the number of them that the model computes with
 * @param steps optimizer steps, those of a search among them
 * @param tokens trained on, those of a search among them
 * @param mixture weights that the model was left with, [block][component]; empty without a mixture
 * @param components the names of the mixture's columns; empty without a mixture
 * @param validation on the data that choices may be made by
 * @param test on the data that no choice was made by
 */
public record Outcome(
    String group,
    String model,
    int seed,
    long parameters,
    int steps,
    long tokens,
    ImmutableList<ImmutableList<Double>> mixture,
    ImmutableList<String> components,
    Measures validation,
    Measures test) {

  /** The name of the file. */
  public static final String FILE = "outcome.json";

  static final String CODE = "MNT-OUTCOME";

  public Outcome {
    checkArgument(!group.isBlank(), "the group has no name");
    checkArgument(!model.isBlank(), "the model has no name");
    checkArgument(parameters >= 0, "parameters is %s", parameters);
    checkArgument(steps >= 0, "steps is %s", steps);
    checkArgument(tokens >= 0, "tokens is %s", tokens);
    for (ImmutableList<Double> block : mixture) {
      checkArgument(
          block.size() == components.size(),
          "a block's mixture has %s weights for %s components",
          block.size(),
          components.size());
    }
    requireNonNull(validation, "validation");
    requireNonNull(test, "test");
  }

  /**
   * Reads the outcome in a trial's directory.
   *
   * @throws ManticoreException {@code MNT-OUTCOME} if there is none, or it is not well formed
   */
  public static Outcome read(Path directory) {
    StrictObject json = StrictObject.read(CODE, directory.resolve(FILE));
    try {
      Outcome outcome =
          new Outcome(
              json.text("group"),
              json.text("model"),
              json.integer("seed"),
              json.count("parameters"),
              Math.toIntExact(json.count("steps")),
              json.count("tokens"),
              json.rows("mixture"),
              json.texts("components"),
              Measures.of(json.object("validation")),
              Measures.of(json.object("test")));
      json.requireNothingElse();
      return outcome;
    } catch (IllegalArgumentException | ArithmeticException e) {
      throw json.failure(e.getMessage());
    }
  }

  /**
   * Writes {@value #FILE}; equal outcomes give equal bytes.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public void write(Path directory) {
    AtomicFiles.writeString(directory.resolve(FILE), PrettyJson.text(json()));
  }

  /** What {@link #write} writes. */
  public ObjectNode json() {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("group", group)
            .put("model", model)
            .put("seed", seed)
            .put("parameters", parameters)
            .put("steps", steps)
            .put("tokens", tokens);
    ArrayNode blocks = json.putArray("mixture");
    for (ImmutableList<Double> block : mixture) {
      block.forEach(blocks.addArray()::add);
    }
    components.forEach(json.putArray("components")::add);
    json.set("validation", validation.json());
    json.set("test", test.json());
    return json;
  }
}
