package dev.manticore.onnx.tokenizer;

import com.google.common.collect.ImmutableMap;
import dev.manticore.onnx.tokenizer.BytePairVocabulary.Merge;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Byte-pair encoding of one word given in the byte-level alphabet: neighbours are merged, the most
 * urgent pair first, until none can be. For bytes that are no text, which the library does not
 * take.
 */
final class BytePairEncoder {

  private final ImmutableMap<String, Integer> ids;
  private final Map<Merge, Integer> ranks = new HashMap<>();

  BytePairEncoder(TokenizerContent content) {
    this.ids = content.ids();
    for (int i = 0; i < content.merges().size(); i++) {
      ranks.putIfAbsent(content.merges().get(i), i);
    }
  }

  /** The ids of a word; empty if a byte of it is in no token. */
  Optional<int[]> encode(String word) {
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < word.length(); i++) {
      parts.add(String.valueOf(word.charAt(i)));
    }
    while (true) {
      int best = -1;
      int bestRank = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        int rank = ranks.getOrDefault(new Merge(parts.get(i), parts.get(i + 1)), Integer.MAX_VALUE);
        if (rank < bestRank) {
          best = i;
          bestRank = rank;
        }
      }
      if (best < 0) {
        break;
      }
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
    int[] result = new int[parts.size()];
    for (int i = 0; i < result.length; i++) {
      Integer id = ids.get(parts.get(i));
      if (id == null) {
        return Optional.empty();
      }
      result[i] = id;
    }
    return Optional.of(result);
  }
}
