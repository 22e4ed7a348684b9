package dev.manticore.onnx.tokenizer;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.hash.Hashing;
import dev.manticore.ir.ManticoreException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;

/**
 * A tokenizer as a Hugging Face {@code tokenizer.json} with a BPE model defines it, run by the
 * {@code tokenizers} library through DJL.
 *
 * <p>Works offline: DJL is told so before its first class is loaded. DJL copies its native library
 * (15 MB) once from its own jar to {@code .djl.ai/tokenizers/} in the home directory, in the
 * temporary directory where the home cannot be written, or in the directory named by the
 * environment variable {@code DJL_CACHE_DIR}.
 *
 * <p>Safe for use by several threads at once, up to {@link #close}.
 */
public final class Tokenizer implements AutoCloseable {

  /** The special token between documents, as GPT-2, GPT-Neo, Pythia and Mamba spell it. */
  public static final String END_OF_TEXT = "<|endoftext|>";

  /** The largest text that is encoded in one piece, in UTF-16 units. */
  public static final int LONGEST_TEXT = 32 << 20;

  private static final ImmutableList<String> ENDS_OF_TEXT =
      ImmutableList.of(END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>");

  /** What becomes of special tokens when ids are turned into text. */
  public enum SpecialTokens {
    KEEP,
    SKIP
  }

  private final TokenizerFile file;
  private final int vocabularySize;
  private final HuggingFaceTokenizer library;
  private final Supplier<TokenizerContent> content;

  private Tokenizer(TokenizerFile file, HuggingFaceTokenizer library) {
    this.file = file;
    this.vocabularySize = Collections.max(file.ids().values()) + 1;
    this.library = library;
    this.content = Suppliers.memoize(() -> TokenizerContent.of(file));
  }

  /**
   * Reads {@code file}. Nothing beside it is read, and truncation and padding that it asks for are
   * switched off.
   *
   * @throws ManticoreException {@code MNT-TOKENIZER} if it is not a usable tokenizer; {@code
   *     MNT-TOKENIZER-NATIVE} if the native library cannot be loaded
   */
  public static Tokenizer load(Path file) {
    TokenizerFile checked = TokenizerFile.read(file);
    System.setProperty("ai.djl.offline", "true");
    try {
      return new Tokenizer(
          checked,
          HuggingFaceTokenizer.newInstance(
              new ByteArrayInputStream(checked.bytes()),
              ImmutableMap.of(
                  "addSpecialTokens", "false", "truncation", "false", "padding", "false")));
    } catch (EngineException | LinkageError e) {
      throw new ManticoreException(
          "MNT-TOKENIZER-NATIVE",
          "Cannot load the native tokenizer library on this machine: "
              + e.getMessage()
              + ". DJL copies it to ~/.djl.ai; set DJL_CACHE_DIR to a directory that can be"
              + " written and holds executable files.",
          e);
    } catch (IOException | RuntimeException e) {
      throw TokenizerFile.bad(file, e.getMessage());
    }
  }

  /**
   * The ids of {@code text}; no special token is put around it, but one spelled in it is
   * recognised. The ids of a sequence of documents are those of each document one after another.
   *
   * @throws ManticoreException {@code MNT-TOKENIZER} if the text is longer than {@link
   *     #LONGEST_TEXT} or has a surrogate without its partner
   */
  public int[] encode(String text) {
    if (text.length() > LONGEST_TEXT) {
      throw new ManticoreException(
          "MNT-TOKENIZER",
          "A text of "
              + text.length()
              + " characters is too long to be encoded in one piece; at most "
              + LONGEST_TEXT
              + " go. Divide it into documents.");
    }
    checkSurrogates(text);
    // DJL's own encode also copies each token's text and place, most of the time and memory.
    long encoding = TokenizersLibrary.LIB.encode(library.getHandle(), text, false);
    try {
      long[] ids = TokenizersLibrary.LIB.getTokenIds(encoding);
      int[] result = new int[ids.length];
      for (int i = 0; i < ids.length; i++) {
        result[i] = (int) ids[i];
      }
      return result;
    } finally {
      TokenizersLibrary.LIB.deleteEncoding(encoding);
    }
  }

  /** The text of {@code ids}, special tokens included; bytes that are not UTF-8 become U+FFFD. */
  public String decode(int[] ids) {
    return decode(ids, SpecialTokens.KEEP);
  }

  /**
   * The text of {@code ids}; bytes that are not UTF-8 become U+FFFD.
   *
   * @throws ManticoreException {@code MNT-TOKENIZER} for an id outside the vocabulary
   */
  public String decode(int[] ids, SpecialTokens specialTokens) {
    for (int id : ids) {
      if (id < 0 || id >= vocabularySize) {
        throw new ManticoreException(
            "MNT-TOKENIZER",
            "Token id "
                + id
                + " is outside the tokenizer's vocabulary of ids 0 to "
                + (vocabularySize - 1)
                + ": the tokenizer does not fit the model.");
      }
    }
    return library.decode(
        Arrays.stream(ids).asLongStream().toArray(), specialTokens == SpecialTokens.SKIP);
  }

  /** One more than the largest id, added tokens included. */
  public int vocabularySize() {
    return vocabularySize;
  }

  /** The id of the token spelled {@code token} in the file, added tokens included. */
  public OptionalInt idOf(String token) {
    Integer id = file.ids().get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** The tokens that the file marks special, with their ids, in its order. */
  public ImmutableMap<String, Integer> specialTokens() {
    return file.special();
  }

  /**
   * How many bytes of text, in UTF-8, each id stands for: none for special tokens, and for ids that
   * no token has. Empty if the tokenizer is not byte-level: a token's text then depends on where it
   * stands.
   */
  public Optional<int[]> byteLengths() {
    if (!content().isByteLevel()) {
      return Optional.empty();
    }
    int[] lengths = new int[vocabularySize];
    content()
        .ids()
        .forEach(
            (token, id) -> {
              if (!specialTokens().containsKey(token)) {
                lengths[id] = bytes(token).orElse(new byte[0]).length;
              }
            });
    return Optional.of(lengths);
  }

  /**
   * The bytes that a token of a byte-level tokenizer stands for; empty if it is not spelled in the
   * alphabet.
   */
  Optional<byte[]> bytes(String token) {
    return content().added().containsKey(token)
        ? Optional.of(token.getBytes(StandardCharsets.UTF_8))
        : ByteLevel.bytes(token);
  }

  /**
   * The id of the token that ends a document: {@value #END_OF_TEXT}, else {@code <|end_of_text|>},
   * {@code </s>} or {@code <eos>}.
   */
  public OptionalInt endOfText() {
    return ENDS_OF_TEXT.stream()
        .map(this::idOf)
        .filter(OptionalInt::isPresent)
        .findFirst()
        .orElse(OptionalInt.empty());
  }

  /**
   * In what another tokenizer gives other ids for a text, or may; empty if they are the same,
   * however their files are written. Compared are tokens, merges, added tokens and all settings
   * that encoding follows.
   */
  public Optional<String> differenceFrom(Tokenizer other) {
    return Arrays.equals(file.bytes(), other.file.bytes())
        ? Optional.empty()
        : content.get().differenceFrom(other.content.get());
  }

  TokenizerContent content() {
    return content.get();
  }

  /** The file that it was read from. */
  public Path path() {
    return file.path();
  }

  /** The bytes of the file. */
  public byte[] json() {
    return file.bytes().clone();
  }

  /** SHA-256 of the file, in hexadecimal. */
  public String hash() {
    return Hashing.sha256().hashBytes(file.bytes()).toString();
  }

  /** Frees the native tokenizer; using this one afterwards is an error. */
  @Override
  public void close() {
    library.close();
  }

  private static void checkSurrogates(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (!Character.isSurrogate(text.charAt(i))) {
        continue;
      }
      if (!Character.isHighSurrogate(text.charAt(i))
          || i + 1 == text.length()
          || !Character.isLowSurrogate(text.charAt(i + 1))) {
        throw new ManticoreException(
            "MNT-TOKENIZER",
            "The text is not Unicode: the surrogate at character "
                + i
                + " has no partner, so it cannot be written as UTF-8.");
      }
      i++;
    }
  }
}
