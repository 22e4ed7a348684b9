package dev.manticore.compiler.experiment;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.hash.Hashing;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.compiler.pipeline.WorkLock;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/**
 * What is kept of a trial: {@code trial.json}, its spec; {@code trial.log}, what its process wrote;
 * {@code outcome.json}; and what the outcome depends on, in {@code started.json}, which becomes
 * {@code done.json} when the process has ended well.
 */
final class TrialDirectory {

  static final String SPEC = "trial.json";
  static final String OUTCOME = Outcome.FILE;
  private static final String LOG = "trial.log";
  private static final String STARTED = "started.json";
  private static final String DONE = "done.json";

  private final Path path;
  private final String spec;
  private final String identity;

  /**
   * @param experiment the directory of the experiment
   * @param arguments that the trial's process has, and its threads
   */
  TrialDirectory(Path experiment, Trial trial, List<String> arguments, int threads) {
    this.path = place(experiment, trial.id());
    this.spec = PrettyJson.text(trial.spec());
    this.identity =
        PrettyJson.text(
            JsonNodeFactory.instance
                .objectNode()
                .put("spec_sha256", Hashing.sha256().hashString(spec, UTF_8).toString())
                .put("arguments", String.join(" ", arguments))
                .put("threads", threads)
                .put("manticore", ToolVersion.current()));
  }

  static Path place(Path experiment, String trial) {
    return experiment.resolve("trials").resolve(trial);
  }

  Path path() {
    return path;
  }

  Path log() {
    return path.resolve(LOG);
  }

  Path outcome() {
    return path.resolve(OUTCOME);
  }

  /** Whether the outcome of this very trial is there. */
  boolean isDone() {
    return hasOutcome() && isOf(DONE);
  }

  boolean hasOutcome() {
    return Files.isRegularFile(outcome());
  }

  /**
   * Makes it ready for the trial's process: as an interrupted one left it, or, where that was of
   * another spec, empty but for the spec.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-BUSY} if a process uses it that an
   *     earlier run has left behind, {@code MNT-WRITE} if it cannot be written
   */
  void prepare() throws IOException {
    WorkLock lock = WorkLock.take(path);
    try {
      if (!isOf(STARTED)) {
        lock.clear();
        AtomicFiles.writeString(path.resolve(SPEC), spec);
        AtomicFiles.writeString(path.resolve(STARTED), identity);
      }
    } finally {
      lock.close();
    }
  }

  /** The trial's process has ended well. */
  void complete() throws IOException {
    Files.move(path.resolve(STARTED), path.resolve(DONE), StandardCopyOption.ATOMIC_MOVE);
  }

  private boolean isOf(String file) {
    try {
      return Files.readString(path.resolve(file)).equals(identity);
    } catch (IOException e) {
      // None, or not one of ours.
      return false;
    }
  }
}
