package dev.manticore.compiler.experiment;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What an experiment is about, kept as {@value #FILE} in its directory: a table of its outcomes can
 * be made again, and of a part of them while trials are still to come.
 *
 * @param title the experiment's name
 * @param notes sentences on how it was made, which its report shows
 * @param trials that the table is of, by id; others in the directory served to choose among them
 */
public record ExperimentPlan(
    String title, ImmutableList<String> notes, ImmutableList<String> trials) {

  /** The name of the file. */
  public static final String FILE = "experiment.json";

  private static final String CODE = "MNT-EXPERIMENT";

  public ExperimentPlan {
    requireNonNull(title, "title");
    requireNonNull(notes, "notes");
    requireNonNull(trials, "trials");
  }

  /**
   * @throws ManticoreException {@code MNT-EXPERIMENT} if there is none, or it is not well formed
   */
  public static ExperimentPlan read(Path directory) {
    Path file = directory.resolve(FILE);
    if (!Files.exists(file)) {
      throw new ManticoreException(
          CODE, "there is no " + FILE + " in " + directory + ": run an experiment there first");
    }
    StrictObject json = StrictObject.read(CODE, file);
    ExperimentPlan plan =
        new ExperimentPlan(json.text("title"), json.texts("notes"), json.texts("trials"));
    json.requireNothingElse();
    return plan;
  }

  /**
   * Writes {@value #FILE} into the directory, which is made if need be.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public void write(Path directory) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", directory + " cannot be made: " + e.getMessage(), e);
    }
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("title", title);
    notes.forEach(json.putArray("notes")::add);
    trials.forEach(json.putArray("trials")::add);
    AtomicFiles.writeString(directory.resolve(FILE), PrettyJson.text(json));
  }

  /**
   * The trials that have an outcome.
   *
   * @throws ManticoreException {@code MNT-EXPERIMENT} if none has
   */
  public ImmutableList<FinishedTrial> finished(Path directory) {
    ImmutableList<FinishedTrial> finished =
        trials.stream()
            .map(id -> TrialDirectory.place(directory, id))
            .filter(trial -> Files.exists(trial.resolve(Outcome.FILE)))
            .map(FinishedTrial::read)
            .collect(ImmutableList.toImmutableList());
    if (finished.isEmpty()) {
      throw new ManticoreException(
          CODE, "no trial of the experiment in " + directory + " has come to its end yet");
    }
    return finished;
  }
}
