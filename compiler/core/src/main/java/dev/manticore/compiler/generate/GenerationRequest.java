package dev.manticore.compiler.generate;

import static java.util.Objects.requireNonNull;

import dev.manticore.ir.ManticoreException;

/**
 * What to generate.
 *
 * @param prompt what the text goes on from; if empty, a new document is begun
 * @param maxTokens the number of tokens after which generation stops at the latest
 * @param seed of the draws; the same request gives the same text
 */
public record GenerationRequest(String prompt, int maxTokens, Sampling sampling, long seed) {

  public GenerationRequest {
    requireNonNull(prompt, "prompt");
    requireNonNull(sampling, "sampling");
    if (maxTokens < 1) {
      throw new ManticoreException(
          "MNT-GENERATE", "the number of tokens is " + maxTokens + ", but should be 1 or more");
    }
  }
}
