package dev.manticore.compiler.pipeline;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;

/** SHA-256 of files and tensors. */
public final class Hashes {

  private static final int WINDOW = 1 << 16;

  private Hashes() {}

  /** Adds the bytes of a tensor, of whatever size. */
  private static void put(Hasher hasher, TensorData data) {
    ByteBuffer window = ByteBuffer.allocate((int) Math.min(WINDOW, data.byteSize()));
    for (long offset = 0; offset < data.byteSize(); offset += WINDOW) {
      data.read(offset, window.clear().limit((int) Math.min(WINDOW, data.byteSize() - offset)));
      hasher.putBytes(window.flip());
    }
  }

  /**
   * Of the names, types and values of tensors, in their order.
   *
   * @return in lower-case hexadecimal
   * @throws ManticoreException when they cannot be read
   */
  public static String sha256(Map<String, Tensor> tensors) {
    Hasher hasher = Hashing.sha256().newHasher();
    tensors.forEach(
        (name, tensor) -> {
          hasher.putString(name + " " + tensor.type() + "\n", StandardCharsets.UTF_8);
          put(hasher, tensor.data());
        });
    return hasher.hash().toString();
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
