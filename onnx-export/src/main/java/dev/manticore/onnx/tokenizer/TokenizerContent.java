package dev.manticore.onnx.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.onnx.tokenizer.BytePairVocabulary.Merge;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * What of a tokenizer decides how text becomes ids, however its file spells it: left-out settings
 * have their defaults, and what only serves decoding, truncation or padding is left out.
 *
 * @param ids every token by its text, added tokens included
 * @param added by content, how added tokens are recognised
 * @param settings of the model, by name
 */
record TokenizerContent(
    ImmutableMap<String, Integer> ids,
    ImmutableList<Merge> merges,
    ImmutableMap<String, String> added,
    JsonNode normalizer,
    JsonNode preTokenizer,
    ImmutableMap<String, String> settings) {

  private static final ImmutableMap<String, String> SETTINGS =
      ImmutableMap.of(
          "unk_token", "",
          "continuing_subword_prefix", "",
          "end_of_word_suffix", "",
          "fuse_unk", "false",
          "byte_fallback", "false",
          "ignore_merges", "false");

  static TokenizerContent of(TokenizerFile file) {
    JsonNode root = file.root();
    JsonNode model = root.path("model");
    ImmutableList.Builder<Merge> merges = ImmutableList.builder();
    for (JsonNode merge : model.path("merges")) {
      String[] parts = TokenizerFile.parts(merge);
      merges.add(new Merge(parts[0], parts[1]));
    }
    JsonNode normalizer = settings(root.path("normalizer"));
    Map<String, String> added = new TreeMap<>();
    for (JsonNode token : root.path("added_tokens")) {
      List<String> flags = new ArrayList<>();
      for (String flag : List.of("special", "single_word", "lstrip", "rstrip")) {
        if (token.path(flag).asBoolean()) {
          flags.add(flag);
        }
      }
      // Where nothing is normalised it makes no difference.
      if (!normalizer.isNull() && token.path("normalized").asBoolean()) {
        flags.add("normalized");
      }
      added.put(token.path("content").asText(), String.join(" ", flags));
    }
    return new TokenizerContent(
        file.ids(),
        merges.build(),
        ImmutableMap.copyOf(added),
        normalizer,
        settings(root.path("pre_tokenizer")),
        ImmutableMap.copyOf(
            Maps.transformEntries(
                SETTINGS,
                (name, otherwise) ->
                    model.hasNonNull(name) ? model.get(name).asText() : otherwise)));
  }

  /** Without nulls, without what only moves offsets, and with defaults written out. */
  private static JsonNode settings(JsonNode node) {
    if (node.isMissingNode() || node.isNull()) {
      return JsonNodeFactory.instance.nullNode();
    }
    if (node instanceof ArrayNode array) {
      ArrayNode copy = JsonNodeFactory.instance.arrayNode();
      array.forEach(element -> copy.add(settings(element)));
      return copy;
    }
    if (node instanceof ObjectNode object) {
      Map<String, JsonNode> sorted = new TreeMap<>();
      for (Map.Entry<String, JsonNode> entry : object.properties()) {
        if (!entry.getValue().isNull() && !entry.getKey().equals("trim_offsets")) {
          sorted.put(entry.getKey(), settings(entry.getValue()));
        }
      }
      if (object.path("type").asText().equals("ByteLevel")) {
        sorted.putIfAbsent("add_prefix_space", JsonNodeFactory.instance.booleanNode(true));
        sorted.putIfAbsent("use_regex", JsonNodeFactory.instance.booleanNode(true));
      }
      ObjectNode copy = JsonNodeFactory.instance.objectNode();
      copy.setAll(sorted);
      return copy;
    }
    return node;
  }

  /** In what another gives other ids, or may; empty if in nothing. */
  Optional<String> differenceFrom(TokenizerContent other) {
    for (Map.Entry<String, Integer> token : ids.entrySet()) {
      Integer otherId = other.ids.get(token.getKey());
      if (!token.getValue().equals(otherId)) {
        return Optional.of(
            "token '"
                + token.getKey()
                + "' is "
                + token.getValue()
                + " in the one and "
                + (otherId == null ? "not there" : otherId)
                + " in the other");
      }
    }
    if (other.ids.size() > ids.size()) {
      String more =
          other.ids.keySet().stream().filter(token -> !ids.containsKey(token)).findFirst().get();
      return Optional.of(
          "token '"
              + more
              + "' is not there in the one and "
              + other.ids.get(more)
              + " in the other");
    }
    if (!merges.equals(other.merges)) {
      int first = 0;
      while (first < Math.min(merges.size(), other.merges.size())
          && merges.get(first).equals(other.merges.get(first))) {
        first++;
      }
      return Optional.of("merges differ from number " + first + " on");
    }
    return differs("added tokens", other, TokenizerContent::added)
        .or(() -> differs("normalizer", other, TokenizerContent::normalizer))
        .or(() -> differs("pre_tokenizer", other, TokenizerContent::preTokenizer))
        .or(() -> differs("settings of the model", other, TokenizerContent::settings));
  }

  private Optional<String> differs(
      String what, TokenizerContent other, Function<TokenizerContent, Object> part) {
    return Objects.equals(part.apply(this), part.apply(other))
        ? Optional.empty()
        : Optional.of(what + " differ: " + part.apply(this) + " and " + part.apply(other));
  }

  /** Whether tokens are spelled in the byte-level alphabet. */
  boolean isByteLevel() {
    return isByteLevel(preTokenizer)
        && settings.get("continuing_subword_prefix").isEmpty()
        && settings.get("end_of_word_suffix").isEmpty()
        && settings.get("byte_fallback").equals("false");
  }

  private static boolean isByteLevel(JsonNode node) {
    if (node.path("type").asText().equals("ByteLevel")) {
      return true;
    }
    for (JsonNode part : node.path("pretokenizers")) {
      if (isByteLevel(part)) {
        return true;
      }
    }
    return false;
  }
}
