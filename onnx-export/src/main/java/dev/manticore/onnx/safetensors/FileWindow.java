package dev.manticore.onnx.safetensors;

import static java.util.Objects.checkFromIndexSize;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Optional;

/**
 * Bytes at a place in a file, read when asked for. The file is opened for each read, so that there
 * is nothing to close and an interrupted thread cannot close it for others; a file that was
 * replaced since is refused.
 */
record FileWindow(Path path, Stamp stamp, long start, long byteSize) implements TensorData {

  /** What tells one version of a file from another. */
  record Stamp(long size, FileTime modified, Optional<Object> key) {
    static Stamp of(Path path) throws IOException {
      BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
      return new Stamp(
          attributes.size(),
          attributes.lastModifiedTime(),
          Optional.ofNullable(attributes.fileKey()));
    }
  }

  @Override
  public void read(long offset, ByteBuffer target) {
    checkFromIndexSize(offset, (long) target.remaining(), byteSize);
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      if (!Stamp.of(path).equals(stamp)) {
        throw failure("it was changed after it was opened; start again");
      }
      long position = start + offset;
      while (target.hasRemaining()) {
        int count = channel.read(target, position);
        if (count < 0) {
          throw failure("it ended at byte " + position + "; start again with the whole file");
        }
        position += count;
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-SAFETENSORS", "cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private ManticoreException failure(String what) {
    return new ManticoreException("MNT-SAFETENSORS", "cannot read " + path + ": " + what);
  }
}
