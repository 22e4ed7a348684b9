package dev.manticore.compiler.data;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** What the readers of data files share. */
public final class TextFiles {

  private TextFiles() {}

  /**
   * Decodes UTF-8 strictly.
   *
   * @param where what the bytes are, for the message
   */
  public static String decode(byte[] bytes, int start, int length, String where) {
    CharBuffer text = CharBuffer.allocate(length);
    ByteBuffer in = ByteBuffer.wrap(bytes, start, length);
    CoderResult result =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .decode(in, text, true);
    if (result.isError()) {
      throw new ManticoreException(
          "MNT-DATA",
          where
              + " is not UTF-8: byte "
              + (in.position() - start)
              + " does not belong to a character. Convert it to UTF-8.");
    }
    return text.flip().toString();
  }

  /** SHA-256 of how a file is read and of its bytes. */
  public static String fingerprint(Path file, String reading) {
    try {
      Hasher hasher = Hashing.sha256().newHasher();
      hasher.putInt(reading.length()).putString(reading, StandardCharsets.UTF_8);
      hasher.putBytes(MoreFiles.asByteSource(file).hash(Hashing.sha256()).asBytes());
      return hasher.hash().toString();
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  /** A file that cannot be read, in words that name it. */
  public static ManticoreException unreadable(Path file, IOException cause) {
    String reason =
        cause instanceof NoSuchFileException
            ? "there is no such file"
            : cause instanceof AccessDeniedException
                ? "permission denied"
                : Files.isDirectory(file) ? "it is a directory" : cause.getMessage();
    return new ManticoreException(
        "MNT-DATA", "Cannot read the text file " + file + ": " + reason + ".", cause);
  }
}
