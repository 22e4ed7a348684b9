package dev.manticore.compiler.pipeline;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/** SHA-256 of files and tensors. */
public final class Hashes {

  private static final int WINDOW = 1 << 16;

  private Hashes() {}

  /** Adds the bytes of a tensor, of whatever size. */
  static void put(Hasher hasher, TensorData data) {
    ByteBuffer window = ByteBuffer.allocate((int) Math.min(WINDOW, data.byteSize()));
    for (long offset = 0; offset < data.byteSize(); offset += WINDOW) {
      data.read(offset, window.clear().limit((int) Math.min(WINDOW, data.byteSize() - offset)));
      hasher.putBytes(window.flip());
    }
  }

  /**
   * In lower-case hexadecimal.
   *
   * @throws ManticoreException {@code MNT-INPUT} when the file cannot be read
   */
  public static String sha256(Path file) {
    try {
      return MoreFiles.asByteSource(file).hash(Hashing.sha256()).toString();
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-INPUT", String.format("%s: cannot be read: %s", file, e.getMessage()), e);
    }
  }
}
