package dev.manticore.compiler.pipeline;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * The right to write to a directory, held by one process at a time. The operating system gives it
 * back when the process ends, however it ends.
 */
public final class WorkLock {

  private static final String FILE = ".lock";

  private final Path directory;
  private final FileChannel channel;
  private final FileLock lock;

  private WorkLock(Path directory, FileChannel channel, FileLock lock) {
    this.directory = directory;
    this.channel = channel;
    this.lock = lock;
  }

  /**
   * @throws ManticoreException {@code MNT-BUSY} when another run holds it, {@code MNT-WRITE} when
   *     the directory cannot be written
   */
  public static WorkLock take(Path directory) {
    Path file = directory.resolve(FILE);
    try {
      Files.createDirectories(directory);
      FileChannel channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      FileLock lock = tryLock(channel);
      if (lock == null) {
        String holder = holder(channel);
        channel.close();
        throw new ManticoreException(
            "MNT-BUSY",
            String.format(
                "another run%s is using %s; wait for it to end, or give this one another"
                    + " directory",
                holder, directory));
      }
      String process = Long.toString(ProcessHandle.current().pid());
      channel.truncate(0);
      channel.write(ByteBuffer.wrap(process.getBytes(StandardCharsets.US_ASCII)), 0);
      return new WorkLock(directory, channel, lock);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          String.format(
              "cannot write to the directory %s: %s; give another one",
              directory, WriteErrors.reason(e)),
          e);
    }
  }

  private static FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock(0, Long.MAX_VALUE, false);
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  private static String holder(FileChannel channel) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(20);
    channel.read(bytes, 0);
    String process = new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII);
    return process.matches("[0-9]+") ? " (process " + process + ")" : "";
  }

  /** Deletes all that is in the directory; the right stays with this process. */
  public void clear() throws IOException {
    for (Path entry : MoreFiles.listFiles(directory)) {
      if (!entry.getFileName().toString().equals(FILE)) {
        MoreFiles.deleteRecursively(entry, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    }
  }

  /** Gives the right back. */
  public void close() {
    try {
      lock.release();
      channel.close();
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", "cannot release the directory: " + e.getMessage(), e);
    }
  }
}
