package dev.manticore.onnx;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Objects;

/**
 * Bytes at a place in a file, read when they are asked for. The file must still be the one that was
 * looked at when the region was made; another one under its name, or a changed one, is refused.
 */
final class FileRegion implements TensorData {

  /** What makes a file the same file, unchanged. */
  record Identity(String key, long size, FileTime modified) {

    static Identity of(BasicFileAttributes attributes) {
      return new Identity(
          Objects.toString(attributes.fileKey()), attributes.size(), attributes.lastModifiedTime());
    }

    static Identity of(Path file) throws IOException {
      return of(Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS));
    }
  }

  private final Path file;
  private final Identity identity;
  private final long start;
  private final long length;

  FileRegion(Path file, Identity identity, long start, long length) {
    this.file = file;
    this.identity = identity;
    this.start = start;
    this.length = length;
  }

  @Override
  public long byteSize() {
    return length;
  }

  @Override
  public void read(long offset, ByteBuffer target) {
    Objects.checkFromIndexSize(offset, target.remaining(), length);
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
      if (!Identity.of(file).equals(identity)) {
        throw new ManticoreException(
            "MNT-ONNX-CHANGED",
            "file " + file + " has changed since it was imported; import it again");
      }
      long position = start + offset;
      while (target.hasRemaining()) {
        int count = channel.read(target, position);
        if (count < 0) {
          throw new IOException("it ends at byte " + position);
        }
        position += count;
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-READ", "file " + file + " cannot be read: " + Problems.reason(e), e);
    }
  }
}
