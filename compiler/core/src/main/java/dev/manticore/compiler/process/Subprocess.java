package dev.manticore.compiler.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A command to be run to its end, with nothing on its standard input.
 *
 * @param command the program and its arguments
 * @param without variables of this process' environment that it does not get
 * @param environment variables that it gets besides
 * @param directory what it runs in
 * @param limit how long it may take
 */
public record Subprocess(
    ImmutableList<String> command,
    ImmutableSet<String> without,
    ImmutableMap<String, String> environment,
    Path directory,
    Duration limit) {

  /** A limit for what may take as long as it does. */
  public static final Duration NO_LIMIT = Duration.ofNanos(Long.MAX_VALUE);

  /** Of what a command writes, at most the last of so many bytes are kept, for each stream. */
  private static final int KEPT = 4 << 20;

  /** How often it is asked whether this process shall stop, in milliseconds. */
  private static final long LOOK = 100;

  /**
   * How a run ended, and what it wrote.
   *
   * @param status empty if it took too long
   */
  public record Outcome(OptionalInt status, String output, String errors) {}

  public Subprocess {
    requireNonNull(command, "command");
    requireNonNull(without, "without");
    requireNonNull(environment, "environment");
    requireNonNull(directory, "directory");
    requireNonNull(limit, "limit");
  }

  /** A command in the environment of this process. */
  public Subprocess(List<String> command, Path directory, Duration limit) {
    this(ImmutableList.copyOf(command), ImmutableSet.of(), ImmutableMap.of(), directory, limit);
  }

  /** The same with another bound on its time. */
  public Subprocess within(Duration changed) {
    return new Subprocess(command, without, environment, directory, changed);
  }

  /**
   * Runs it. However this ends, neither the command nor a process that it has started goes on.
   *
   * @throws IOException if it cannot be started
   * @throws CancelledException if a stop is asked for, or the thread is interrupted
   */
  public Outcome run(Cancellation cancellation) throws IOException {
    cancellation.throwIfRequested();
    // Into files: a pipe that nobody reads would stop it.
    Path output = Files.createTempFile("manticore-", ".out");
    Path errors = Files.createTempFile("manticore-", ".err");
    try {
      Process process =
          start(builder -> builder.redirectOutput(output.toFile()).redirectError(errors.toFile()));
      OptionalInt status;
      try {
        process.getOutputStream().close();
        status = await(process, cancellation);
      } finally {
        end(process);
      }
      return new Outcome(status, end(output), end(errors));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException();
    } finally {
      Files.deleteIfExists(output);
      Files.deleteIfExists(errors);
    }
  }

  /**
   * Runs it with all that it writes in a file, and its standard input open for as long as this
   * process lives. When a stop is asked for, it is asked to terminate, and has some time to save
   * its state. However this ends, neither the command nor a process that it has started goes on.
   *
   * @param log the file, which is replaced
   * @param grace the time to come to an end when asked to
   * @return how it ended, with the end of the file as its output
   * @throws IOException if it cannot be started
   * @throws CancelledException if a stop is asked for, or the thread is interrupted
   */
  public Outcome run(Path log, Duration grace, Cancellation cancellation) throws IOException {
    cancellation.throwIfRequested();
    Process process =
        start(builder -> builder.redirectErrorStream(true).redirectOutput(log.toFile()));
    try {
      OptionalInt status = await(process, cancellation);
      return new Outcome(status, end(log), "");
    } catch (CancelledException e) {
      process.destroy();
      awaitEnd(process, grace);
      throw e;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException();
    } finally {
      end(process);
    }
  }

  private static void awaitEnd(Process process, Duration grace) {
    try {
      process.waitFor(grace.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Process start(Consumer<ProcessBuilder> redirection) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
    redirection.accept(builder);
    builder.environment().keySet().removeAll(without);
    builder.environment().putAll(environment);
    return builder.start();
  }

  private static void end(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  private OptionalInt await(Process process, Cancellation cancellation)
      throws InterruptedException {
    long start = System.nanoTime();
    long left = limit.toNanos();
    while (left > 0) {
      if (process.waitFor(
          Math.min(left, TimeUnit.MILLISECONDS.toNanos(LOOK)), TimeUnit.NANOSECONDS)) {
        return OptionalInt.of(process.exitValue());
      }
      cancellation.throwIfRequested();
      left = limit.toNanos() - (System.nanoTime() - start);
    }
    return OptionalInt.empty();
  }

  private static String end(Path file) throws IOException {
    try (SeekableByteChannel channel = Files.newByteChannel(file)) {
      long size = channel.size();
      ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(size, KEPT));
      channel.position(size - bytes.capacity());
      while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
        // Goes on until all is read.
      }
      return UTF_8.decode(bytes.flip()).toString();
    }
  }
}
