package dev.manticore.onnx.io;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;

/**
 * Writes whole files: into a temporary file in the same directory, flushed to the device, then
 * renamed over the target. After a failure the target is as it was and nothing is left beside it.
 */
public final class AtomicFiles {

  private static final int WINDOW_BYTES = 1 << 20;

  private AtomicFiles() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Content {
    /** Writes everything, in order, to the channel, which the caller closes. */
    void writeTo(WritableByteChannel channel) throws IOException;
  }

  /**
   * Replaces or creates a file. A target that is a device or a pipe is written directly.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public static void write(Path target, Content content) {
    try {
      if (Files.isDirectory(target)) {
        throw new FileSystemException(target.toString(), null, "it is a directory");
      }
      if (!Files.exists(target)) {
        replaceAll(ImmutableMap.of(target, content));
      } else if (Files.isRegularFile(target)) {
        // A symbolic link stays one: what it points to is replaced.
        replaceAll(ImmutableMap.of(target.toRealPath(), content));
      } else {
        // Renaming over a device such as /dev/full would replace the device itself.
        try (FileChannel channel = FileChannel.open(target, StandardOpenOption.WRITE)) {
          content.writeTo(channel);
        }
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          "cannot write "
              + target
              + ": "
              + reason(e)
              + "; free space there, or choose another place",
          e);
    }
  }

  /** Writes bytes; see {@link #write}. */
  public static void writeBytes(Path target, byte[] bytes) {
    write(target, channel -> writeFully(channel, ByteBuffer.wrap(bytes)));
  }

  /** Writes text as UTF-8; see {@link #write}. */
  public static void writeString(Path target, String text) {
    writeBytes(target, text.getBytes(UTF_8));
  }

  /** Writes all that remains of a buffer. */
  public static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Writes all of a tensor's data, little by little. */
  public static void writeFully(WritableByteChannel channel, TensorData data) throws IOException {
    long size = data.byteSize();
    ByteBuffer window = ByteBuffer.allocate((int) Math.min(WINDOW_BYTES, size));
    for (long offset = 0; offset < size; offset += WINDOW_BYTES) {
      window.clear().limit((int) Math.min(WINDOW_BYTES, size - offset));
      data.read(offset, window);
      writeFully(channel, window.flip());
    }
  }

  /**
   * Replaces or creates several files: all are complete on the device before the first takes its
   * name, and they take their names in the order given, so that a file may come after those that it
   * refers to. If one cannot be written, all targets are as they were.
   *
   * @param files what to write by target, each a regular file or not there yet; links are refused
   * @throws IOException if one cannot be written
   */
  public static void replace(ImmutableMap<Path, Content> files) throws IOException {
    for (Path target : files.keySet()) {
      if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)
          && !Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS)) {
        throw new IOException(target + " is there and is not a regular file");
      }
    }
    replaceAll(files);
  }

  private static void replaceAll(ImmutableMap<Path, Content> files) throws IOException {
    Deque<Temporary> complete = new ArrayDeque<>();
    try {
      for (Map.Entry<Path, Content> file : files.entrySet()) {
        try (Temporary temporary = Temporary.of(file.getKey().toAbsolutePath())) {
          complete.add(temporary);
          file.getValue().writeTo(temporary.channel());
          temporary.channel().force(true);
        }
      }
      while (!complete.isEmpty()) {
        Temporary next = complete.element();
        Files.move(
            next.path(),
            next.target(),
            StandardCopyOption.ATOMIC_MOVE,
            StandardCopyOption.REPLACE_EXISTING);
        complete.remove();
        flushDirectory(next.target().getParent());
      }
    } finally {
      for (Temporary temporary : complete) {
        Files.deleteIfExists(temporary.path());
      }
    }
  }

  private record Temporary(Path target, Path path, FileChannel channel) implements AutoCloseable {

    /** Beside the target. Not {@link Files#createTempFile}, whose files only the owner may read. */
    static Temporary of(Path target) throws IOException {
      long process = ProcessHandle.current().pid();
      for (int attempt = 0; ; attempt++) {
        Path path =
            target.resolveSibling("." + target.getFileName() + "." + process + "-" + attempt);
        try {
          return new Temporary(
              target,
              path,
              FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
        } catch (FileAlreadyExistsException e) {
          if (attempt == 10_000) {
            throw e;
          }
        }
      }
    }

    @Override
    public void close() throws IOException {
      channel.close();
    }
  }

  private static void flushDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Some platforms cannot flush a directory; the rename has happened all the same.
      return;
    }
  }

  private static String reason(IOException e) {
    return e instanceof NoSuchFileException
        ? "its directory does not exist"
        : FileProblems.reason(e);
  }
}
