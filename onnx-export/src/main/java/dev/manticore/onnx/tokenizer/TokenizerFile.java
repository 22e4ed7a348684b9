package dev.manticore.onnx.tokenizer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A {@code tokenizer.json} whose size, nesting, vocabulary and merges have been checked; only such
 * a file is given to native code.
 *
 * @param path where it was
 * @param bytes the file
 * @param ids every token by its text, added tokens included
 * @param special the tokens marked special, in the file's order
 */
record TokenizerFile(
    Path path,
    byte[] bytes,
    ImmutableMap<String, Integer> ids,
    ImmutableMap<String, Integer> special) {

  /** The largest file read, in bytes: about twice the largest in use. */
  private static final int LARGEST_FILE = 64 << 20;

  private static final int LARGEST_VOCABULARY = 1 << 21;

  /**
   * What a tokenizer may be made of, by its key: all that BPE models use. The library ends the
   * process on some of what else it knows, {@code Precompiled} without its map for example.
   */
  private static final ImmutableMap<String, ImmutableSet<String>> PARTS =
      ImmutableMap.of(
          "normalizer",
          ImmutableSet.of(
              "Sequence",
              "NFC",
              "NFD",
              "NFKC",
              "NFKD",
              "Nmt",
              "Lowercase",
              "Strip",
              "StripAccents",
              "Replace",
              "Prepend",
              "ByteLevel",
              "BertNormalizer"),
          "pre_tokenizer",
          ImmutableSet.of(
              "Sequence",
              "ByteLevel",
              "Split",
              "Whitespace",
              "WhitespaceSplit",
              "Digits",
              "Punctuation",
              "Metaspace",
              "BertPreTokenizer",
              "CharDelimiterSplit",
              "UnicodeScripts"),
          "post_processor",
          ImmutableSet.of(
              "Sequence", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"),
          "decoder",
          ImmutableSet.of(
              "Sequence",
              "ByteLevel",
              "ByteFallback",
              "Fuse",
              "Strip",
              "Replace",
              "Metaspace",
              "BPEDecoder",
              "WordPiece",
              "CTC"));

  /** Keys under which a part lists others. */
  private static final ImmutableList<String> SEQUENCES =
      ImmutableList.of("normalizers", "pretokenizers", "processors", "decoders");

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(32)
                          .maxStringLength(1 << 16)
                          .maxNameLength(1 << 12)
                          .maxDocumentLength(LARGEST_FILE)
                          .build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  static TokenizerFile read(Path file) {
    byte[] bytes = bytes(file);
    JsonNode root = parse(file, bytes);
    JsonNode model = root.path("model");
    if (!model.path("type").asText("BPE").equals("BPE") || !model.path("vocab").isObject()) {
      throw bad(file, "it has no BPE model with a vocabulary (\"model\": \"type\", \"vocab\")");
    }
    PARTS.forEach((key, types) -> checkParts(file, key, root.path(key), types));
    // With dropout two runs would see different tokens.
    if (model.path("dropout").asDouble(0) != 0) {
      throw bad(file, "its \"dropout\" makes encoding random; set it to null");
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    Map<Integer, String> tokens = new HashMap<>();
    for (Map.Entry<String, JsonNode> entry : model.path("vocab").properties()) {
      put(file, entry.getKey(), entry.getValue(), ids, tokens);
    }
    ImmutableMap.Builder<String, Integer> special = ImmutableMap.builder();
    for (JsonNode added : root.path("added_tokens")) {
      JsonNode content = added.path("content");
      if (!content.isTextual() || content.textValue().isEmpty()) {
        throw bad(file, "an entry of \"added_tokens\" has no \"content\"");
      }
      put(file, content.textValue(), added.path("id"), ids, tokens);
      if (added.path("special").asBoolean()) {
        special.put(content.textValue(), added.path("id").intValue());
      }
    }
    if (ids.isEmpty()) {
      throw bad(file, "its vocabulary is empty");
    }
    checkMerges(file, model, ids);
    return new TokenizerFile(file, bytes, ImmutableMap.copyOf(ids), special.buildKeepingLast());
  }

  /** The whole file as a tree. */
  JsonNode root() {
    return parse(path, bytes);
  }

  private static JsonNode parse(Path file, byte[] bytes) {
    try {
      return MAPPER.readTree(bytes);
    } catch (JsonProcessingException e) {
      String where =
          e.getLocation() == null
              ? ""
              : " at line "
                  + e.getLocation().getLineNr()
                  + ", column "
                  + e.getLocation().getColumnNr();
      throw bad(file, "it is not valid JSON" + where + ": " + e.getOriginalMessage());
    } catch (IOException e) {
      throw bad(file, e.getMessage());
    }
  }

  /** Checks what a part is made of, parts within parts included. */
  private static void checkParts(Path file, String key, JsonNode part, ImmutableSet<String> types) {
    if (part.isMissingNode() || part.isNull()) {
      return;
    }
    String type = part.path("type").asText();
    if (!types.contains(type)) {
      throw bad(
          file, "its \"" + key + "\" has type \"" + type + "\", which is not one of " + types);
    }
    for (String list : SEQUENCES) {
      part.path(list).forEach(inner -> checkParts(file, key, inner, types));
    }
  }

  private static byte[] bytes(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(LARGEST_FILE + 1);
      if (bytes.length > LARGEST_FILE) {
        throw bad(file, "it is larger than " + (LARGEST_FILE >> 20) + " MiB");
      }
      return bytes;
    } catch (NoSuchFileException e) {
      throw new ManticoreException("MNT-TOKENIZER", "There is no tokenizer file " + file + ".", e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-TOKENIZER",
          "Cannot read the tokenizer file " + file + ": " + e.getMessage() + ".",
          e);
    }
  }

  private static void put(
      Path file,
      String token,
      JsonNode value,
      Map<String, Integer> ids,
      Map<Integer, String> tokens) {
    if (!value.canConvertToInt()
        || !value.isIntegralNumber()
        || value.intValue() < 0
        || value.intValue() >= LARGEST_VOCABULARY) {
      throw bad(
          file,
          "the id of token \"" + token + "\" is not a whole number below " + LARGEST_VOCABULARY);
    }
    int id = value.intValue();
    Integer known = ids.putIfAbsent(token, id);
    if (known != null && known != id) {
      throw bad(file, "token \"" + token + "\" has two ids, " + known + " and " + id);
    }
    String other = tokens.putIfAbsent(id, token);
    if (other != null && !other.equals(token)) {
      throw bad(file, "tokens \"" + other + "\" and \"" + token + "\" have the same id " + id);
    }
  }

  private static void checkMerges(Path file, JsonNode model, Map<String, Integer> ids) {
    String prefix = model.path("continuing_subword_prefix").asText("");
    int index = 0;
    for (JsonNode merge : model.path("merges")) {
      String[] parts = parts(merge);
      if (parts.length != 2
          || !ids.containsKey(parts[0])
          || !ids.containsKey(parts[1])
          || !ids.containsKey(joined(parts[0], parts[1], prefix))) {
        throw bad(
            file,
            "merge " + index + " (" + merge + ") names a token that is not in its vocabulary");
      }
      index++;
    }
  }

  /** The tokens that a merge joins, in either form that files have; two if it is well formed. */
  static String[] parts(JsonNode merge) {
    return merge.isArray()
        ? new String[] {merge.path(0).asText(), merge.path(1).asText()}
        : merge.asText().split(" ", 2);
  }

  private static String joined(String left, String right, String prefix) {
    return left + (right.startsWith(prefix) ? right.substring(prefix.length()) : right);
  }

  static ManticoreException bad(Path file, String reason) {
    return new ManticoreException(
        "MNT-TOKENIZER",
        "Not a usable tokenizer file: "
            + file
            + ": "
            + reason
            + ". A Hugging Face tokenizer.json with a BPE model is wanted.");
  }
}
