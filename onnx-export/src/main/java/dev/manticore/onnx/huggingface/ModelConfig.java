package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A model's configuration, the content of {@code config.json}, which may hold bare {@code Infinity}
 * and {@code NaN} as Python writes them. A key whose value is {@code null} counts as absent.
 */
public final class ModelConfig {

  private static final int SIZE_LIMIT = 16 << 20;
  private static final int DEPTH_LIMIT = 32;

  /** No extent of a tensor is larger; it keeps products of two of them within {@code long}. */
  static final long EXTENT_LIMIT = 1L << 28;

  static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNestingDepth(DEPTH_LIMIT).build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                  .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final String source;
  private final String prefix;
  private final ObjectNode json;

  /** The keys that have been asked for, of this object and of those made from it. */
  private final Set<String> asked;

  private ModelConfig(String source, String prefix, ObjectNode json, Set<String> asked) {
    this.source = source;
    this.prefix = prefix;
    this.json = json;
    this.asked = asked;
  }

  private ModelConfig(String source, ObjectNode json) {
    this(source, "", json, ConcurrentHashMap.newKeySet());
  }

  /**
   * Reads a configuration from a file.
   *
   * @throws ManticoreException {@code MNT-CONFIG} if it cannot be read or is not a JSON object
   */
  public static ModelConfig read(Path file) {
    return new ModelConfig(file.toString(), readObject(file));
  }

  /**
   * A configuration from its text.
   *
   * @param source what messages call it
   * @throws ManticoreException {@code MNT-CONFIG} if it is not a JSON object
   */
  public static ModelConfig parse(String source, String text) {
    return new ModelConfig(source, parseObject(source, text));
  }

  static ObjectNode readObject(Path file) {
    byte[] bytes;
    try (InputStream stream = Files.newInputStream(file)) {
      bytes = stream.readNBytes(SIZE_LIMIT + 1);
    } catch (NoSuchFileException e) {
      throw failure("cannot read " + file + ": there is no such file", e);
    } catch (IOException e) {
      throw failure("cannot read " + file + ": " + e.getMessage(), e);
    }
    if (bytes.length > SIZE_LIMIT) {
      throw failure("cannot read " + file + ": it is larger than " + SIZE_LIMIT + " bytes", null);
    }
    return parseObject(file.toString(), new String(bytes, StandardCharsets.UTF_8));
  }

  private static ObjectNode parseObject(String source, String text) {
    try {
      if (JSON.readTree(text) instanceof ObjectNode object) {
        return object;
      }
      throw failure(source + " is not a JSON object", null);
    } catch (JsonProcessingException e) {
      throw failure(source + " is not valid JSON: " + e.getOriginalMessage(), e);
    }
  }

  /** What messages call this configuration: its path, usually. */
  public String source() {
    return source;
  }

  /** A copy of the JSON object. */
  public ObjectNode json() {
    return json.deepCopy();
  }

  /** The JSON text, indented, with bare {@code Infinity} and {@code NaN} where there are any. */
  public String toText() {
    try {
      return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n";
    } catch (JsonProcessingException e) {
      throw failure(source + " cannot be written: " + e.getOriginalMessage(), e);
    }
  }

  /** This configuration with the keys of {@code defaults} that it has no value for. */
  ModelConfig withDefaults(Map<String, ?> defaults) {
    ObjectNode completed = json();
    defaults.forEach(
        (key, value) -> {
          if (!has(key)) {
            completed.set(key, JSON.valueToTree(value));
          }
        });
    return new ModelConfig(source, prefix, completed, asked);
  }

  /**
   * This configuration naming the element type of the weights: where it names one already, and else
   * where it is not float32, which is what is taken where nothing is said.
   */
  ModelConfig withDtype(Dtype dtype) {
    ObjectNode changed = json();
    dtype
        .text()
        .ifPresent(
            text -> {
              for (String key : List.of("torch_dtype", "dtype")) {
                if (has(key)) {
                  changed.put(key, text);
                }
              }
              // The state-spaces layout has no such key, and its readers refuse unknown ones.
              boolean says = has("torch_dtype") || has("dtype") || !has("model_type");
              if (!says && dtype != Dtype.FLOAT32) {
                changed.put("torch_dtype", text);
              }
            });
    return new ModelConfig(source, prefix, changed, asked);
  }

  /** This configuration with another value for a key. */
  public ModelConfig with(String key, long value) {
    return new ModelConfig(source, prefix, json().put(key, value), asked);
  }

  boolean has(String key) {
    asked.add(prefix + key);
    return json.hasNonNull(key);
  }

  /**
   * The one of two names for the same setting that has a value; the first if neither has.
   *
   * @throws ManticoreException {@code MNT-CONFIG} if both have one, and they differ
   */
  String either(String key, String alias) {
    if (!has(alias)) {
      return key;
    }
    if (has(key) && !sameValue(json.get(key), json.get(alias))) {
      throw refuse(alias, json.get(key) + ", as '" + prefix + key + "' says");
    }
    return alias;
  }

  private static boolean sameValue(JsonNode one, JsonNode other) {
    return one.equals(other)
        || one.isNumber() && other.isNumber() && one.doubleValue() == other.doubleValue();
  }

  /** Whether {@code model_type} is this. */
  boolean isOfType(String type) {
    return has("model_type") && json.get("model_type").asText().equals(type);
  }

  /** The keys that have a value, and that nobody has asked for so far. */
  ImmutableList<String> notAskedFor() {
    return keys().stream()
        .filter(key -> json.hasNonNull(key) && !asked.contains(prefix + key))
        .collect(ImmutableList.toImmutableList());
  }

  ImmutableList<String> keys() {
    return ImmutableList.copyOf(json.fieldNames());
  }

  /** An integer from 1 to {@code limit}. */
  long count(String key, long otherwise, long limit) {
    if (!has(key)) {
      return otherwise;
    }
    JsonNode value = json.get(key);
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.longValue() < 1
        || value.longValue() > limit) {
      throw refuse(key, "an integer from 1 to " + limit);
    }
    return value.longValue();
  }

  /** The extent of a tensor. */
  long extent(String key, long otherwise) {
    return count(key, otherwise, EXTENT_LIMIT);
  }

  /** A number greater than 0. */
  double positive(String key, double otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    double value = json.get(key).isNumber() ? json.get(key).doubleValue() : Double.NaN;
    if (!(value > 0) || Double.isInfinite(value)) {
      throw refuse(key, "a number greater than 0");
    }
    return value;
  }

  boolean flag(String key, boolean otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    if (!json.get(key).isBoolean()) {
      throw refuse(key, "true or false");
    }
    return json.get(key).booleanValue();
  }

  /** One of some strings. */
  String choice(String key, String otherwise, ImmutableList<String> choices) {
    if (!has(key)) {
      return otherwise;
    }
    String value = json.get(key).isTextual() ? json.get(key).textValue() : "";
    if (!choices.contains(value)) {
      throw refuse(key, choices.size() == 1 ? "\"" + choices.get(0) + "\"" : "one of " + choices);
    }
    return value;
  }

  /** The value of a key that is there. */
  JsonNode value(String key) {
    return json.get(key);
  }

  /** The object under a key, empty if absent; messages name its keys {@code key.inner}. */
  ModelConfig object(String key) {
    if (!has(key)) {
      return new ModelConfig(source, prefix + key + ".", JSON.createObjectNode(), asked);
    }
    if (json.get(key) instanceof ObjectNode object) {
      return new ModelConfig(source, prefix + key + ".", object, asked);
    }
    throw refuse(key, "an object");
  }

  /** The error for a value that is not supported. */
  ManticoreException refuse(String key, String expected) {
    return failure(
        source
            + ": key '"
            + prefix
            + key
            + "' is "
            + (json.has(key) ? json.get(key) : "absent")
            + ", but should be "
            + expected,
        null);
  }

  private static ManticoreException failure(String message, Exception cause) {
    return new ManticoreException("MNT-CONFIG", message, cause);
  }
}
