package dev.manticore.compiler.data;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hashing;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The data set to train on and the one held out. No part of the text goes into both.
 *
 * <p>With {@value #MANY_DOCUMENTS} different documents or more, whole documents are held out, drawn
 * by the seed; equal documents stay together. With fewer, the end of the text is held out.
 *
 * <p>Of {@link Instructions} each example is a sequence of its own, whose prompt is not asked for.
 */
public record DatasetSplit(TokenDataset training, TokenDataset heldOut) {

  static final int MANY_DOCUMENTS = 20;

  /**
   * How documents become data sets.
   *
   * @param length tokens a sequence, at least 1
   * @param buckets lengths that batches of instructions may have, {@link TokenDataset#buckets()}
   * @param vocabularySize of the model that will read the tokens
   * @param heldOutFraction about which part of the tokens is held out, above 0 and below 1
   * @param seed chooses the documents that are held out
   */
  public record Options(
      int length, int buckets, int vocabularySize, double heldOutFraction, long seed) {

    /** All batches of one length. */
    public Options(int length, int vocabularySize, double heldOutFraction, long seed) {
      this(length, 1, vocabularySize, heldOutFraction, seed);
    }

    public Options {
      if (length < 1) {
        throw new ManticoreException(
            "MNT-DATA", "The sequence length " + length + " must be at least 1.");
      }
      if (buckets < 1) {
        throw new ManticoreException(
            "MNT-DATA", "The number of buckets " + buckets + " must be at least 1.");
      }
      if (!(heldOutFraction > 0 && heldOutFraction < 1)) {
        throw new ManticoreException(
            "MNT-DATA",
            "The held-out fraction " + heldOutFraction + " must be above 0 and below 1.");
      }
    }
  }

  /** The documents' tokens one after another, and where each distinct document lies. */
  static final class Stream {
    final Tokens tokens;
    final List<Integer> ends = new ArrayList<>();
    final List<Integer> groups = new ArrayList<>();
    final Map<HashCode, Integer> groupOf = new LinkedHashMap<>();

    Stream(int vocabularySize) {
      this.tokens = new Tokens(vocabularySize);
    }

    int start(int document) {
      return document == 0 ? 0 : ends.get(document - 1);
    }

    /** Ends a document; documents of equal content are one group. */
    void end(String document) {
      ends.add(tokens.size());
      HashCode content = Hashing.sha256().hashString(document, StandardCharsets.UTF_8);
      groups.add(groupOf.computeIfAbsent(content, c -> groupOf.size()));
    }
  }

  /**
   * Encodes the documents of {@code source}, each followed by the tokenizer's end-of-text token,
   * and divides them.
   *
   * @throws ManticoreException {@code MNT-DATA} if the source cannot be read, if its text is too
   *     short for one sequence in each part, or if a token's id is outside the model's vocabulary
   */
  public static DatasetSplit of(TextSource source, Tokenizer tokenizer, Options options) {
    if (source instanceof Instructions instructions) {
      return InstructionDataset.split(instructions, tokenizer, options);
    }
    int endOfText = endOfText(tokenizer);
    Stream stream = new Stream(options.vocabularySize());
    source.read(
        document -> {
          for (int id : tokenizer.encode(document)) {
            add(stream.tokens, id, tokenizer, options);
          }
          add(stream.tokens, endOfText, tokenizer, options);
          stream.end(document);
        });
    requireText(stream, source);
    Tokens training = new Tokens(options.vocabularySize());
    Tokens heldOut = new Tokens(options.vocabularySize());
    if (stream.groupOf.size() >= MANY_DOCUMENTS) {
      boolean[] held = heldOutGroups(stream, options);
      for (int document = 0; document < stream.ends.size(); document++) {
        Tokens part = held[stream.groups.get(document)] ? heldOut : training;
        part.addAll(stream.tokens, stream.start(document), stream.ends.get(document));
      }
    } else {
      int size = stream.tokens.size();
      int border = (int) Math.round(size * (1 - options.heldOutFraction()));
      training.addAll(stream.tokens, 0, border);
      heldOut.addAll(stream.tokens, border, size);
    }
    return new DatasetSplit(
        dataset(training, "training", source, options),
        dataset(heldOut, "held-out", source, options));
  }

  static void requireText(Stream stream, TextSource source) {
    if (stream.ends.isEmpty()) {
      throw new ManticoreException("MNT-DATA", "There is no text in " + source.description() + ".");
    }
  }

  static int endOfText(Tokenizer tokenizer) {
    return tokenizer
        .endOfText()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-DATA",
                    "The tokenizer has no end-of-text token to put between documents: add "
                        + Tokenizer.END_OF_TEXT
                        + " to its \"added_tokens\"."));
  }

  static void add(Tokens tokens, int id, Tokenizer tokenizer, Options options) {
    if (id >= options.vocabularySize()) {
      throw new ManticoreException(
          "MNT-DATA",
          "The tokenizer does not fit the model's vocabulary: it gives token id "
              + id
              + " (of "
              + tokenizer.vocabularySize()
              + "), and the model has ids 0 to "
              + (options.vocabularySize() - 1)
              + ". Use the tokenizer that the model was trained with.");
    }
    tokens.add(id);
  }

  /** Draws groups that fit into the wanted number of tokens; if none fits, the smallest. */
  static boolean[] heldOutGroups(Stream stream, Options options) {
    long[] sizes = new long[stream.groupOf.size()];
    for (int document = 0; document < stream.ends.size(); document++) {
      sizes[stream.groups.get(document)] += stream.ends.get(document) - stream.start(document);
    }
    long left = Math.round(stream.tokens.size() * options.heldOutFraction());
    boolean[] held = new boolean[sizes.length];
    boolean any = false;
    int smallest = 0;
    for (int group : new Draws(options.seed()).permutation(sizes.length)) {
      if (sizes[group] <= left) {
        held[group] = true;
        any = true;
        left -= sizes[group];
      }
      smallest = sizes[group] < sizes[smallest] ? group : smallest;
    }
    if (!any) {
      held[smallest] = true;
    }
    return held;
  }

  private static TokenDataset dataset(
      Tokens tokens, String part, TextSource source, Options options) {
    if (tokens.size() <= options.length()) {
      throw new ManticoreException(
          "MNT-DATA",
          "The "
              + part
              + " part of "
              + source.description()
              + " has "
              + tokens.size()
              + " tokens, too few for one sequence of length "
              + options.length()
              + ". Give more text, a shorter length or another held-out fraction (now "
              + options.heldOutFraction()
              + ").");
    }
    return new TokenStream(tokens, options.length());
  }
}
