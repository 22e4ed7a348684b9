package dev.manticore.compiler.generate;

import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.onnx.tokenizer.Tokenizer.SpecialTokens;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Turns a growing sequence of tokens into pieces of text. A character may be spread over several
 * tokens: it is given out when its last byte has come, and never if that does not come.
 */
final class TextStream {

  /** A few tokens before the new ones are decoded with them, for tokenizers that look back. */
  private static final int CONTEXT = 4;

  private static final String INCOMPLETE = "\uFFFD";

  private final Tokenizer tokenizer;
  private final Consumer<String> pieces;
  private int[] ids;
  private int start;
  private int given;

  /**
   * @param prompt what has been said before
   */
  TextStream(Tokenizer tokenizer, int[] prompt, Consumer<String> pieces) {
    this.tokenizer = tokenizer;
    this.pieces = pieces;
    this.ids = prompt.clone();
    this.given = ids.length;
    this.start = Math.max(0, given - CONTEXT);
  }

  void add(int id) {
    ids = Arrays.copyOf(ids, ids.length + 1);
    ids[ids.length - 1] = id;
    String before = decode(given);
    String now = decode(ids.length);
    if (now.length() > before.length() && !now.endsWith(INCOMPLETE)) {
      pieces.accept(now.substring(before.length()));
      start = given;
      given = ids.length;
    }
  }

  /** Gives out what was held back up to the character that has not been completed. */
  void finish() {
    String before = decode(given);
    String now = decode(ids.length);
    int end = now.length();
    while (end > before.length() && now.startsWith(INCOMPLETE, end - 1)) {
      end--;
    }
    if (end > before.length()) {
      pieces.accept(now.substring(before.length(), end));
    }
    given = ids.length;
    start = given;
  }

  private String decode(int end) {
    return start == end
        ? ""
        : tokenizer.decode(Arrays.copyOfRange(ids, start, end), SpecialTokens.SKIP);
  }
}
