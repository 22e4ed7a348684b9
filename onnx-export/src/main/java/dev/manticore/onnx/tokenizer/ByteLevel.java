package dev.manticore.onnx.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;

/**
 * The two halves of GPT-2's byte-level pre-tokenization: how text is cut into words, and the
 * printable character that stands for each byte in a vocabulary.
 */
final class ByteLevel {

  /** Number of byte values, and of characters in the alphabet. */
  static final int BYTES = 256;

  /**
   * GPT-2's words: contractions, letters, numbers and other signs with one space before, spaces.
   */
  static final Pattern WORDS =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          Pattern.UNICODE_CHARACTER_CLASS);

  private static final String CHARACTERS = characters();

  private ByteLevel() {}

  /** The character that stands for byte {@code value} of 0 to 255. */
  static char characterOf(int value) {
    return CHARACTERS.charAt(value);
  }

  /** {@code text} as UTF-8, each byte written as its character. */
  static String spell(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    StringBuilder spelled = new StringBuilder(bytes.length);
    for (byte value : bytes) {
      spelled.append(characterOf(Byte.toUnsignedInt(value)));
    }
    return spelled.toString();
  }

  /** Printable bytes of Latin-1 stand for themselves; the others follow from U+0100 on. */
  private static String characters() {
    StringBuilder result = new StringBuilder(BYTES);
    int next = BYTES;
    for (int value = 0; value < BYTES; value++) {
      boolean printable =
          (value >= '!' && value <= '~')
              || (value >= 0xA1 && value <= 0xAC)
              || (value >= 0xAE && value <= 0xFF);
      result.append((char) (printable ? value : next++));
    }
    return result.toString();
  }
}
