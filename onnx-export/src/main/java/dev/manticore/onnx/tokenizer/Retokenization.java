package dev.manticore.onnx.tokenizer;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The tokens of one byte-level tokenizer in those of another: for each id of the first, the ids
 * that the second gives for the same bytes.
 *
 * <p>A token is encoded as a text of its own. Where its bytes are not UTF-8 by themselves, part of
 * a longer character for one, or where the second tokenizer would change the text (put a space
 * before it, normalise it), its bytes are merged as they are. An added token stands for the one of
 * the same content, the end of a text for the end of a text; a special token that the second
 * tokenizer has nothing for, and an id that no token has, have no counterpart.
 */
public final class Retokenization {

  /** How a token is found in the other tokenizer. */
  public enum Kind {
    /** One token, of the same bytes or meaning. */
    SAME,
    /** Several tokens, which together have its bytes. */
    PIECES,
    /** Not at all. */
    NONE
  }

  private final ImmutableList<int[]> pieces;

  private Retokenization(ImmutableList<int[]> pieces) {
    this.pieces = pieces;
  }

  /**
   * @param segmenting the tokenizer whose ids shall be explained
   * @param own the one in whose ids
   * @throws ManticoreException {@code MNT-VOCABULARY} if one of them is not byte-level
   */
  public static Retokenization of(Tokenizer segmenting, Tokenizer own) {
    for (Tokenizer tokenizer : ImmutableList.of(segmenting, own)) {
      if (!tokenizer.content().isByteLevel()) {
        throw new ManticoreException(
            "MNT-VOCABULARY",
            "the tokenizer "
                + tokenizer.path()
                + " does not spell its tokens in bytes (its pre_tokenizer is not ByteLevel), so that"
                + " vocabularies cannot be merged; use fresh embeddings instead");
      }
    }
    Map<Integer, String> tokens = new HashMap<>();
    segmenting.content().ids().forEach((token, id) -> tokens.put(id, token));
    BytePairEncoder encoder = new BytePairEncoder(own.content());
    Map<Integer, byte[]> ownBytes = new HashMap<>();
    own.content()
        .ids()
        .forEach((token, id) -> own.bytes(token).ifPresent(bytes -> ownBytes.put(id, bytes)));
    ImmutableList.Builder<int[]> pieces = ImmutableList.builder();
    for (int id = 0; id < segmenting.vocabularySize(); id++) {
      String token = tokens.get(id);
      pieces.add(token == null ? new int[0] : pieces(segmenting, own, encoder, ownBytes, token));
    }
    return new Retokenization(pieces.build());
  }

  private static int[] pieces(
      Tokenizer segmenting,
      Tokenizer own,
      BytePairEncoder encoder,
      Map<Integer, byte[]> ownBytes,
      String token) {
    if (segmenting.content().added().containsKey(token)) {
      if (own.content().added().containsKey(token)) {
        return new int[] {own.idOf(token).orElseThrow()};
      }
      OptionalInt end = own.endOfText();
      if (end.isPresent() && segmenting.endOfText().equals(segmenting.idOf(token))) {
        return new int[] {end.getAsInt()};
      }
      if (segmenting.specialTokens().containsKey(token)) {
        return new int[0];
      }
    }
    Optional<byte[]> wanted = segmenting.bytes(token);
    if (wanted.isEmpty() || wanted.get().length == 0) {
      return new int[0];
    }
    Optional<String> text = text(wanted.get());
    if (text.isPresent()) {
      int[] ids = own.encode(text.get());
      if (Arrays.equals(joined(ids, ownBytes), wanted.get())) {
        return ids;
      }
    }
    return encoder.encode(ByteLevel.spell(wanted.get())).orElse(new int[0]);
  }

  private static Optional<String> text(byte[] bytes) {
    try {
      return Optional.of(
          StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
    } catch (CharacterCodingException e) {
      return Optional.empty();
    }
  }

  private static byte[] joined(int[] ids, Map<Integer, byte[]> bytes) {
    int length = 0;
    for (int id : ids) {
      length += bytes.getOrDefault(id, new byte[0]).length;
    }
    ByteBuffer joined = ByteBuffer.allocate(length);
    for (int id : ids) {
      joined.put(bytes.getOrDefault(id, new byte[0]));
    }
    return joined.array();
  }

  /** The number of ids of the first tokenizer. */
  public int size() {
    return pieces.size();
  }

  /** The ids of the second tokenizer for an id of the first, in order; none if it has none. */
  public int[] piecesOf(int id) {
    return pieces.get(id).clone();
  }

  public Kind kind(int id) {
    int count = pieces.get(id).length;
    return count == 0 ? Kind.NONE : count == 1 ? Kind.SAME : Kind.PIECES;
  }

  /** How many ids of the first tokenizer there are of each kind. */
  public ImmutableMap<Kind, Integer> counts() {
    Map<Kind, Integer> counts = new EnumMap<>(Kind.class);
    for (Kind kind : Kind.values()) {
      counts.put(kind, 0);
    }
    for (int id = 0; id < size(); id++) {
      counts.merge(kind(id), 1, Integer::sum);
    }
    return ImmutableMap.copyOf(counts);
  }
}
