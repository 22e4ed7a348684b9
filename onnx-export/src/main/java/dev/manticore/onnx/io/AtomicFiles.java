package dev.manticore.onnx.io;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * Writes whole files: into a temporary file in the same directory, flushed to the device, then
 * renamed over the target. After a failure the target is as it was and nothing is left beside it.
 */
public final class AtomicFiles {

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
        replace(target.toAbsolutePath(), content);
      } else if (Files.isRegularFile(target)) {
        // A symbolic link stays one: what it points to is replaced.
        replace(target.toRealPath(), content);
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

  private static void replace(Path target, Content content) throws IOException {
    Path temporary = null;
    try {
      try (Temporary file = Temporary.beside(target)) {
        temporary = file.path();
        content.writeTo(file.channel());
        file.channel().force(true);
      }
      Files.move(
          temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      temporary = null;
      flushDirectory(target.getParent());
    } finally {
      if (temporary != null) {
        Files.deleteIfExists(temporary);
      }
    }
  }

  private record Temporary(Path path, FileChannel channel) implements AutoCloseable {

    /** Not {@link Files#createTempFile}, whose files only the owner may read. */
    static Temporary beside(Path target) throws IOException {
      long process = ProcessHandle.current().pid();
      for (int attempt = 0; ; attempt++) {
        Path path =
            target.resolveSibling("." + target.getFileName() + "." + process + "-" + attempt);
        try {
          return new Temporary(
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
    if (e instanceof NoSuchFileException) {
      return "its directory does not exist";
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    if (e instanceof FileSystemException failure && failure.getReason() != null) {
      return failure.getReason();
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
