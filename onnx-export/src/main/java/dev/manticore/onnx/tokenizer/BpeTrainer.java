package dev.manticore.onnx.tokenizer;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.regex.Matcher;

/**
 * Trains a byte-level BPE vocabulary: words are those of GPT-2, the alphabet is the 256 bytes, and
 * the most frequent pair of neighbours within words is merged until the vocabulary is full.
 *
 * <p>Of pairs equally frequent the one with the smaller left id is taken, then the smaller right
 * id, so the same text always gives the same vocabulary. A trainer is used once.
 */
public final class BpeTrainer {

  /** The smallest vocabulary: every byte, and {@value Tokenizer#END_OF_TEXT}. */
  public static final int SMALLEST_VOCABULARY = ByteLevel.BYTES + 1;

  /** A pair seen once is not worth a token. */
  private static final long LEAST_COUNT = 2;

  private static final class Word {
    int[] symbols;
    final long count;

    Word(int[] symbols, long count) {
      this.symbols = symbols;
      this.count = count;
    }
  }

  /** Neighbours, how often they occur, and the words that hold them or once did. */
  private static final class Pair {
    final int left;
    final int right;
    long count;
    final List<Word> words = new ArrayList<>();

    Pair(int left, int right) {
      this.left = left;
      this.right = right;
    }
  }

  /** A pair with its count at the time it was queued; stale when the pair's count has changed. */
  private record Candidate(Pair pair, long count) {}

  private final List<String> tokens = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final List<BytePairVocabulary.Merge> merges = new ArrayList<>();
  private final Map<Long, Pair> pairs = new HashMap<>();
  private final PriorityQueue<Candidate> queue =
      new PriorityQueue<>(
          Comparator.comparingLong((Candidate candidate) -> -candidate.count())
              .thenComparingInt(candidate -> candidate.pair().left)
              .thenComparingInt(candidate -> candidate.pair().right));

  private BpeTrainer() {}

  /**
   * Trains on {@code documents}.
   *
   * @param vocabularySize the wanted number of tokens, {@value Tokenizer#END_OF_TEXT} included, at
   *     least {@link #SMALLEST_VOCABULARY}; the result is smaller when the text runs out of pairs
   *     that occur twice
   * @throws ManticoreException {@code MNT-TOKENIZER} if the size is too small
   */
  public static BytePairVocabulary train(Iterable<String> documents, int vocabularySize) {
    if (vocabularySize < SMALLEST_VOCABULARY) {
      throw new ManticoreException(
          "MNT-TOKENIZER",
          "A byte-level vocabulary holds 256 bytes and "
              + Tokenizer.END_OF_TEXT
              + ": the wanted size "
              + vocabularySize
              + " must be at least "
              + SMALLEST_VOCABULARY
              + ".");
    }
    return new BpeTrainer().run(documents, vocabularySize);
  }

  private BytePairVocabulary run(Iterable<String> documents, int vocabularySize) {
    idOf(Tokenizer.END_OF_TEXT);
    for (int value = 0; value < ByteLevel.BYTES; value++) {
      idOf(String.valueOf(ByteLevel.characterOf(value)));
    }
    countWords(documents).forEach((text, count) -> add(text, count[0]));
    pairs.values().forEach(this::enqueue);
    while (tokens.size() < vocabularySize && !queue.isEmpty()) {
      Candidate candidate = queue.poll();
      Pair pair = candidate.pair();
      if (candidate.count() == pair.count) {
        merge(pair);
      } else {
        enqueue(pair);
      }
    }
    return new BytePairVocabulary(ImmutableList.copyOf(tokens), ImmutableList.copyOf(merges));
  }

  private static Map<String, long[]> countWords(Iterable<String> documents) {
    Map<String, long[]> counts = new LinkedHashMap<>();
    for (String document : documents) {
      Matcher words = ByteLevel.WORDS.matcher(document);
      while (words.find()) {
        counts.computeIfAbsent(words.group(), text -> new long[1])[0]++;
      }
    }
    return counts;
  }

  private void add(String text, long count) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    int[] symbols = new int[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      symbols[i] = 1 + Byte.toUnsignedInt(bytes[i]);
    }
    Word word = new Word(symbols, count);
    for (int i = 0; i + 1 < symbols.length; i++) {
      change(word, symbols[i], symbols[i + 1], count);
    }
  }

  private int idOf(String token) {
    return ids.computeIfAbsent(
        token,
        missing -> {
          tokens.add(missing);
          return tokens.size() - 1;
        });
  }

  private void enqueue(Pair pair) {
    if (pair.count >= LEAST_COUNT) {
      queue.add(new Candidate(pair, pair.count));
    }
  }

  private Pair change(Word word, int left, int right, long difference) {
    Pair pair = pairs.computeIfAbsent((long) left << 32 | right, missing -> new Pair(left, right));
    pair.count += difference;
    if (difference > 0 && (pair.words.isEmpty() || pair.words.get(pair.words.size() - 1) != word)) {
      pair.words.add(word);
    }
    return pair;
  }

  private void merge(Pair pair) {
    String left = tokens.get(pair.left);
    String right = tokens.get(pair.right);
    merges.add(new BytePairVocabulary.Merge(left, right));
    // Two different pairs may spell the same token: it keeps its id.
    int merged = idOf(left + right);
    Set<Pair> grown = new LinkedHashSet<>();
    for (Word word : pair.words) {
      mergeIn(word, pair, merged, grown);
    }
    pairs.remove((long) pair.left << 32 | pair.right);
    pair.count = 0;
    // Only pairs with the merged token can have become more frequent; the others, having become
    // rarer, are queued again when they come up.
    grown.forEach(this::enqueue);
  }

  private void mergeIn(Word word, Pair pair, int merged, Set<Pair> grown) {
    int[] old = word.symbols;
    int[] joined = new int[old.length];
    int length = 0;
    for (int i = 0; i < old.length; i++) {
      if (i + 1 == old.length || old[i] != pair.left || old[i + 1] != pair.right) {
        joined[length++] = old[i];
        continue;
      }
      if (length > 0) {
        change(word, joined[length - 1], pair.left, -word.count);
        grown.add(change(word, joined[length - 1], merged, word.count));
      }
      if (i + 2 < old.length) {
        change(word, pair.right, old[i + 2], -word.count);
        grown.add(change(word, merged, old[i + 2], word.count));
      }
      joined[length++] = merged;
      i++;
    }
    word.symbols = Arrays.copyOf(joined, length);
  }
}
