package dev.manticore.compiler.generate;

/**
 * What has been generated.
 *
 * @param text without the prompt, and without the token or the stop string that ended it
 * @param promptTokens the number of tokens of the prompt
 * @param tokens the number of tokens generated, the one that ended the text included
 */
public record GenerationResult(String text, int promptTokens, int tokens, Stop stop) {

  /** Why generation stopped. */
  public enum Stop {
    END_OF_TEXT,
    STOP_STRING,
    MAX_TOKENS
  }
}
