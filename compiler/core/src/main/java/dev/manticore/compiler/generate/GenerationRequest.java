package dev.manticore.compiler.generate;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;

/**
 * What to generate.
 *
 * @param prompt what the text goes on from; if empty, a new document is begun
 * @param maxTokens the number of tokens after which generation stops at the latest
 * @param seed of the draws; the same request gives the same text
 * @param stops texts before the first of which generation ends; none of them empty
 */
public record GenerationRequest(
    String prompt, int maxTokens, Sampling sampling, long seed, ImmutableList<String> stops) {

  public GenerationRequest(String prompt, int maxTokens, Sampling sampling, long seed) {
    this(prompt, maxTokens, sampling, seed, ImmutableList.of());
  }

  public GenerationRequest {
    requireNonNull(prompt, "prompt");
    requireNonNull(sampling, "sampling");
    if (stops.contains("")) {
      throw new ManticoreException(
          "MNT-GENERATE", "a stop string is empty, which would end every text before it begins");
    }
    if (maxTokens < 1) {
      throw new ManticoreException(
          "MNT-GENERATE", "the number of tokens is " + maxTokens + ", but should be 1 or more");
    }
  }
}
