package dev.manticore.compiler.progress;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Predicate;

/**
 * Appends records to a JSON Lines file; each record is written out before {@link #write} returns.
 */
public final class MetricsWriter implements AutoCloseable {

  private final Path file;
  private final FileChannel channel;

  private MetricsWriter(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * Opens a file for appending, keeping those of its records, if it has any, that {@code keep}
   * accepts: a run that resumes at step s keeps what came up to s and writes the rest again.
   *
   * @throws ManticoreException {@code MNT-WRITE} when it cannot be written, {@code MNT-METRICS}
   *     when its records cannot be read
   */
  public static MetricsWriter open(Path file, Predicate<MetricRecord> keep) {
    StringBuilder kept = new StringBuilder();
    ImmutableList<MetricRecord> earlier =
        Files.exists(file) ? Metrics.read(file) : ImmutableList.of();
    earlier.stream().filter(keep).map(Metrics::line).forEach(kept::append);
    AtomicFiles.writeString(file, kept.toString());
    try {
      return new MetricsWriter(file, FileChannel.open(file, StandardOpenOption.APPEND));
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  /**
   * Appends a record.
   *
   * @throws ManticoreException {@code MNT-WRITE} when it cannot be written
   */
  public void write(MetricRecord entry) {
    try {
      ByteBuffer line = ByteBuffer.wrap(Metrics.line(entry).getBytes(StandardCharsets.UTF_8));
      AtomicFiles.writeFully(channel, line);
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  @Override
  public void close() {
    try {
      channel.force(true);
      channel.close();
    } catch (IOException e) {
      throw failure(file, e);
    }
  }

  private static ManticoreException failure(Path file, IOException e) {
    return new ManticoreException(
        "MNT-WRITE",
        String.format(
            "cannot write %s: %s; free space there, or choose another place", file, e.getMessage()),
        e);
  }
}
