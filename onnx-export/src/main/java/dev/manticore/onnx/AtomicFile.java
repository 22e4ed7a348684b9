package dev.manticore.onnx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A file that is written under another name beside its own, and takes its own once it is complete
 * and on the disk: whoever looks sees the old file or the new one, nothing between.
 */
final class AtomicFile implements AutoCloseable {

  private final Path target;
  private final Path temporary;
  private final FileChannel channel;
  private boolean complete;

  private AtomicFile(Path target, Path temporary, FileChannel channel) {
    this.target = target;
    this.temporary = temporary;
    this.channel = channel;
  }

  static AtomicFile create(Path target) throws IOException {
    Path absolute = target.toAbsolutePath();
    if (Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)
        && !Files.isRegularFile(absolute, LinkOption.NOFOLLOW_LINKS)) {
      throw new IOException("it is there and is not a regular file");
    }
    Path temporary = absolute.resolveSibling("." + absolute.getFileName() + ".tmp");
    Files.deleteIfExists(temporary);
    return new AtomicFile(
        absolute,
        temporary,
        FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE));
  }

  void write(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Brings what was written to the disk. */
  void flush() throws IOException {
    channel.force(true);
  }

  /** Gives the file its name. */
  void commit() throws IOException {
    flush();
    channel.close();
    Files.move(
        temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    complete = true;
    if (Files.getFileStore(target).supportsFileAttributeView("posix")) {
      // Elsewhere directories cannot be opened.
      try (FileChannel directory = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
        directory.force(true);
      }
    }
  }

  /** Removes what is not complete. */
  @Override
  public void close() throws IOException {
    channel.close();
    if (!complete) {
      Files.deleteIfExists(temporary);
    }
  }
}
