package dev.manticore.compiler.data;

import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * A file of UTF-8 text, with or without a byte order mark. Line ends are kept as they are.
 *
 * @param file at most 1 GiB
 */
public record PlainText(Path file, Splitting splitting) implements TextSource {

  /** Where one document ends and the next begins. */
  public enum Splitting {
    /** At each {@code <|endoftext|>}; a file without it is one document. What users expect. */
    END_OF_TEXT("\\R?<\\|endoftext\\|>\\R?"),
    /** At each blank line. */
    BLANK_LINES("\\R(?:[ \\t]*\\R)+"),
    /** Nowhere: the file is one document. */
    NONE("(?!)");

    private final Pattern separator;

    Splitting(String separator) {
      this.separator = Pattern.compile(separator);
    }
  }

  private static final int LARGEST_FILE = 1 << 30;
  private static final String BYTE_ORDER_MARK = "\uFEFF";

  @Override
  public void read(Consumer<String> documents) {
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(LARGEST_FILE + 1);
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
    if (bytes.length > LARGEST_FILE) {
      throw new ManticoreException(
          "MNT-DATA",
          "The text file "
              + file
              + " is larger than 1 GiB, the most that is read as plain text. Make it JSON lines,"
              + " one document a line.");
    }
    String text = TextFiles.decode(bytes, 0, bytes.length, "The text file " + file);
    if (text.startsWith(BYTE_ORDER_MARK)) {
      text = text.substring(1);
    }
    splitting
        .separator
        .splitAsStream(text)
        .filter(document -> !document.isBlank())
        .forEach(documents);
  }

  @Override
  public String fingerprint() {
    return TextFiles.fingerprint(file, "plain " + splitting);
  }

  @Override
  public String description() {
    return "the text file " + file;
  }
}
