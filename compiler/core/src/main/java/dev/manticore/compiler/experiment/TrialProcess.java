package dev.manticore.compiler.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.pipeline.WorkLock;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.GracefulStop;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;

/** The process of one trial, as {@link TrialRunner} starts it. */
public final class TrialProcess {

  /** More than the runner's own grace. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final int FAILED = 1;

  private TrialProcess() {}

  /** Computes the outcome of a trial. */
  @FunctionalInterface
  public interface Work {

    /**
     * @param directory the trial's own; what an interrupted run of the same spec has saved is still
     *     there
     * @param cancellation asks to save the state there and to throw {@link CancelledException}
     * @return the outcome; equal runs return equal ones
     */
    JsonNode run(ObjectNode spec, Path directory, Cancellation cancellation) throws IOException;
  }

  /**
   * Runs a trial, writes its outcome last of all, and ends the virtual machine. It is asked to stop
   * when the virtual machine is to terminate, and when its standard input ends, as it does with the
   * runner's process.
   *
   * @param args the last is the trial's directory
   */
  public static void main(String[] args, Work work) {
    Cancellation cancellation = new Cancellation();
    GracefulStop stop =
        GracefulStop.install(
            cancellation, PATIENCE, () -> System.err.println("stopped without saving"));
    Thread lifeline = new Thread(() -> awaitEndOfInput(cancellation), "manticore-lifeline");
    lifeline.setDaemon(true);
    lifeline.start();
    int status = run(Path.of(args[args.length - 1]), work, cancellation);
    stop.ended();
    System.exit(status);
  }

  private static void awaitEndOfInput(Cancellation cancellation) {
    try {
      System.in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      System.err.println("the runner is gone: " + e.getMessage());
    }
    cancellation.request();
  }

  private static int run(Path directory, Work work, Cancellation cancellation) {
    try {
      WorkLock lock = WorkLock.take(directory);
      try {
        ObjectNode spec =
            (ObjectNode)
                new ObjectMapper().readTree(directory.resolve(TrialDirectory.SPEC).toFile());
        JsonNode outcome = work.run(spec, directory, cancellation);
        AtomicFiles.writeString(
            directory.resolve(TrialDirectory.OUTCOME), PrettyJson.text(outcome));
        return 0;
      } finally {
        lock.close();
      }
    } catch (ManticoreException e) {
      System.err.println(String.format("%s [%s]", e.getMessage(), e.code()));
    } catch (CancelledException e) {
      System.err.println(e.getMessage());
    } catch (IOException | RuntimeException | Error e) {
      e.printStackTrace();
      // The runner shows the last lines.
      System.err.println(e);
    }
    return FAILED;
  }
}
