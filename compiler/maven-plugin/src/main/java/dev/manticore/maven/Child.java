package dev.manticore.maven;

import static java.util.Objects.requireNonNull;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.maven.plugin.logging.Log;

/**
 * A run of Manticore in a JVM of its own. What it says goes to a log line by line, but for what
 * went wrong, which is kept for the one message that the build ends with.
 */
final class Child {

  /** Manticore itself waits a minute for the step that it is at. */
  private static final Duration PATIENCE = Duration.ofSeconds(75);

  /** The JVM's line about modules that are asked for on purpose; no option turns it off. */
  private static final String INCUBATOR = "WARNING: Using incubator modules: jdk.incubator.vector";

  /** Lines of the JVM, of logging libraries and of ONNX Runtime, which are no part of a message. */
  private static final Pattern WARNING =
      Pattern.compile("(WARNING: |WARN |ERROR |OpenJDK ).*|.*\\[[VIWEF]:onnxruntime:.*");

  private final List<String> command;
  private final Path directory;
  private final Log log;

  /** How a run ended, and what it said was wrong. */
  record Outcome(int status, String message) {
    Outcome {
      requireNonNull(message, "message");
    }
  }

  private enum Kind {
    OUT,
    ERR,
    END
  }

  private record Line(Kind kind, String text) {}

  /**
   * @param command the program and its arguments
   * @param directory what it runs in
   */
  Child(List<String> command, Path directory, Log log) {
    this.command = List.copyOf(command);
    this.directory = requireNonNull(directory, "directory");
    this.log = requireNonNull(log, "log");
  }

  /**
   * Runs it to its end. When the thread is interrupted, or Maven's JVM ends, so does the run, at a
   * place where a later one can go on.
   *
   * @throws IOException if it cannot be started
   * @throws InterruptedException if the thread was interrupted
   */
  Outcome run() throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
    Map<String, String> environment = builder.environment();
    environment.remove("MANTICORE_COLUMNS");
    environment.put("MANTICORE_PROGRESS", "out");
    // As the launcher sets it: Manticore's kernels share their work out themselves.
    environment.put("OMP_NUM_THREADS", "1");
    Process process = builder.start();
    Thread hook = new Thread(() -> endWithMaven(process), "manticore-stop");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      process.getOutputStream().close();
      return follow(process);
    } catch (InterruptedException e) {
      stop(process);
      throw e;
    } finally {
      process.destroy();
      remove(hook);
    }
  }

  /** Passes its lines on from this thread, by which Maven tells modules apart. */
  private Outcome follow(Process process) throws InterruptedException {
    BlockingQueue<Line> lines = new LinkedBlockingQueue<>();
    pump(process.getInputStream(), Kind.OUT, lines);
    pump(process.getErrorStream(), Kind.ERR, lines);
    List<String> message = new ArrayList<>();
    int open = 2;
    while (open > 0) {
      Line line = lines.take();
      switch (line.kind()) {
        case OUT -> log.info(line.text());
        case ERR -> {
          if (WARNING.matcher(line.text()).matches()) {
            warn(line.text());
          } else {
            message.add(line.text());
          }
        }
        case END -> open--;
      }
    }
    int status = process.waitFor();
    if (status == 0) {
      message.forEach(this::warn);
    }
    return new Outcome(status, String.join(System.lineSeparator(), message).strip());
  }

  private void warn(String line) {
    if (!line.equals(INCUBATOR) && !line.isBlank()) {
      log.warn(line);
    }
  }

  private static void pump(InputStream stream, Kind kind, BlockingQueue<Line> lines) {
    Thread thread =
        new Thread(
            () -> {
              try (BufferedReader reader =
                  new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                reader.lines().forEach(text -> lines.add(new Line(kind, text)));
              } catch (IOException | UncheckedIOException e) {
                // The process was ended while it wrote.
              } finally {
                lines.add(new Line(Kind.END, ""));
              }
            },
            "manticore-" + kind);
    thread.setDaemon(true);
    thread.start();
  }

  /** Asks the run to end, and makes it when it does not; lasts however often one interrupts it. */
  private static void stop(Process process) {
    process.destroy();
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    boolean ended = !process.isAlive();
    while (!ended && System.nanoTime() - deadline < 0) {
      try {
        ended = process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      } catch (InterruptedException e) {
        // The caller is on its way out already.
        ended = !process.isAlive();
      }
    }
    if (!ended) {
      process.destroyForcibly();
    }
  }

  private static void endWithMaven(Process process) {
    if (process.isAlive()) {
      stop(process);
    }
  }

  private static void remove(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Maven is ending: the hook is what ended the run.
      return;
    }
  }
}
