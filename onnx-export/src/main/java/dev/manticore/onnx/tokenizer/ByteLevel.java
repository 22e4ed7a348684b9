package dev.manticore.onnx.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
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

  /** The byte of each character of the alphabet; -1 for others. */
  private static final int[] VALUES = values();

  private ByteLevel() {}

  /** The character that stands for byte {@code value} of 0 to 255. */
  static char characterOf(int value) {
    return CHARACTERS.charAt(value);
  }

  /** {@code text} as UTF-8, each byte written as its character. */
  static String spell(String text) {
    return spell(text.getBytes(StandardCharsets.UTF_8));
  }

  /** Each byte written as its character. */
  static String spell(byte[] bytes) {
    StringBuilder spelled = new StringBuilder(bytes.length);
    for (byte value : bytes) {
      spelled.append(characterOf(Byte.toUnsignedInt(value)));
    }
    return spelled.toString();
  }

  /** The bytes that are spelled so; empty if a character stands for none. */
  static Optional<byte[]> bytes(String spelled) {
    byte[] bytes = new byte[spelled.length()];
    for (int i = 0; i < bytes.length; i++) {
      char character = spelled.charAt(i);
      int value = character < VALUES.length ? VALUES[character] : -1;
      if (value < 0) {
        return Optional.empty();
      }
      bytes[i] = (byte) value;
    }
    return Optional.of(bytes);
  }

  private static int[] values() {
    int[] values = new int[2 * BYTES];
    Arrays.fill(values, -1);
    for (int value = 0; value < BYTES; value++) {
      values[characterOf(value)] = value;
    }
    return values;
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
