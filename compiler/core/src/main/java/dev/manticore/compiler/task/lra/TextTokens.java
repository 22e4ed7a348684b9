package dev.manticore.compiler.task.lra;

import com.google.common.primitives.ImmutableIntArray;

/** The tokens of texts read byte by byte. */
final class TextTokens {

  static final int PAD = 0;
  static final int UNKNOWN = 1;
  static final int END = 2;

  /** The token of byte 0. */
  static final int FIRST = 3;

  static final int VOCABULARY = FIRST + 256;

  private TextTokens() {}

  /** Adds the bytes, as far as they fit, and the end. */
  static void add(ImmutableIntArray.Builder tokens, byte[] text, int start, int end, int longest) {
    int read = Math.min(end, start + longest - 1);
    for (int i = start; i < read; i++) {
      tokens.add(FIRST + (text[i] & 0xFF));
    }
    tokens.add(END);
  }

  static String symbol(int token) {
    if (token < FIRST) {
      return token == PAD ? "<pad>" : token == UNKNOWN ? "<unk>" : "<eos>";
    }
    int value = token - FIRST;
    return value > ' ' && value < 0x7F ? Character.toString(value) : String.format("x%02x", value);
  }
}
