package dev.manticore.compiler.pipeline;

import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Path;

/** SHA-256 of files. */
final class Hashes {

  private Hashes() {}

  /**
   * In lower-case hexadecimal.
   *
   * @throws ManticoreException {@code MNT-INPUT} when the file cannot be read
   */
  static String sha256(Path file) {
    try {
      return MoreFiles.asByteSource(file).hash(Hashing.sha256()).toString();
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-INPUT", String.format("%s: cannot be read: %s", file, e.getMessage()), e);
    }
  }
}
