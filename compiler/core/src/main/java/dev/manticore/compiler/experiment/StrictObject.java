package dev.manticore.compiler.experiment;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Doubles;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * A JSON object of which every key is asked for, and has the type that is asked for. Numbers that
 * are not finite are the strings {@code NaN}, {@code Infinity} and {@code -Infinity}, since JSON
 * has none.
 */
final class StrictObject {

  private static final int DEPTH_LIMIT = 16;

  private static final ImmutableList<String> NOT_FINITE =
      ImmutableList.of("NaN", "Infinity", "-Infinity");

  private static final JsonMapper JSON =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNestingDepth(DEPTH_LIMIT).build())
                  .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final String code;
  private final Path file;
  private final String prefix;
  private final ObjectNode json;
  private final Set<String> asked = new LinkedHashSet<>();

  private StrictObject(String code, Path file, String prefix, ObjectNode json) {
    this.code = code;
    this.file = file;
    this.prefix = prefix;
    this.json = json;
  }

  /**
   * An object that was read already.
   *
   * @param file that it is from, for errors
   */
  static StrictObject of(String code, Path file, ObjectNode json) {
    return new StrictObject(code, file, "", json);
  }

  /**
   * Reads a file.
   *
   * @param code of the error where it cannot be read, or anything in it is not as asked for
   */
  static StrictObject read(String code, Path file) {
    try {
      JsonNode json = JSON.readTree(Files.readString(file, StandardCharsets.UTF_8));
      if (json instanceof ObjectNode object) {
        return new StrictObject(code, file, "", object);
      }
      throw new ManticoreException(code, file + " is not a JSON object");
    } catch (JsonProcessingException e) {
      throw new ManticoreException(
          code,
          String.format(
              "%s:%d: is not valid JSON: %s; remove it, and have it made again",
              file,
              e.getLocation() == null ? 1 : e.getLocation().getLineNr(),
              e.getOriginalMessage()),
          e);
    } catch (NoSuchFileException e) {
      throw new ManticoreException(
          code, file + " cannot be read: there is no such file; was its run finished?", e);
    } catch (IOException e) {
      throw new ManticoreException(code, file + " cannot be read: " + e.getMessage(), e);
    }
  }

  String text(String key) {
    JsonNode value = required(key);
    if (!value.isTextual() || value.asText().isBlank()) {
      throw wrong(key, "a text");
    }
    return value.asText();
  }

  /** A whole number from 0. */
  long count(String key) {
    JsonNode value = required(key);
    if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
      throw wrong(key, "a whole number from 0");
    }
    return value.asLong();
  }

  int integer(String key) {
    JsonNode value = required(key);
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw wrong(key, "a whole number of 32 bits");
    }
    return value.asInt();
  }

  double number(String key) {
    return number(key, required(key));
  }

  OptionalDouble optionalNumber(String key) {
    return json.has(key) ? OptionalDouble.of(number(key)) : OptionalDouble.empty();
  }

  private double number(String path, JsonNode value) {
    boolean named = value.isTextual() && NOT_FINITE.contains(value.asText());
    Double number = value.isNumber() || named ? Doubles.tryParse(value.asText()) : null;
    if (number == null) {
      throw wrong(path, "a number");
    }
    return number;
  }

  StrictObject object(String key) {
    if (required(key) instanceof ObjectNode object) {
      return new StrictObject(code, file, prefix + key + ".", object);
    }
    throw wrong(key, "an object");
  }

  ImmutableList<StrictObject> objects(String key) {
    ImmutableList.Builder<StrictObject> objects = ImmutableList.builder();
    int index = 0;
    for (JsonNode entry : array(key, required(key))) {
      String path = key + "[" + index++ + "]";
      if (!(entry instanceof ObjectNode object)) {
        throw wrong(path, "an object");
      }
      objects.add(new StrictObject(code, file, prefix + path + ".", object));
    }
    return objects.build();
  }

  ImmutableList<String> texts(String key) {
    ImmutableList.Builder<String> texts = ImmutableList.builder();
    for (JsonNode entry : array(key, required(key))) {
      if (!entry.isTextual()) {
        throw wrong(key, "an array of texts");
      }
      texts.add(entry.asText());
    }
    return texts.build();
  }

  ImmutableList<Double> numbers(String key) {
    return numbers(key, required(key));
  }

  /** An array of arrays of numbers. */
  ImmutableList<ImmutableList<Double>> rows(String key) {
    ImmutableList.Builder<ImmutableList<Double>> rows = ImmutableList.builder();
    int index = 0;
    for (JsonNode row : array(key, required(key))) {
      rows.add(numbers(key + "[" + index++ + "]", row));
    }
    return rows.build();
  }

  private ImmutableList<Double> numbers(String path, JsonNode node) {
    ImmutableList.Builder<Double> numbers = ImmutableList.builder();
    for (JsonNode entry : array(path, node)) {
      numbers.add(number(path, entry));
    }
    return numbers.build();
  }

  private JsonNode array(String path, JsonNode node) {
    if (!node.isArray()) {
      throw wrong(path, "an array");
    }
    return node;
  }

  boolean has(String key) {
    return json.has(key);
  }

  /** Refuses keys that nothing has asked for. */
  void requireNothingElse() {
    for (String key : (Iterable<String>) json::fieldNames) {
      if (!asked.contains(key)) {
        throw failure("'" + prefix + key + "' is not known; known are " + String.join(", ", asked));
      }
    }
  }

  /** An error at this file. */
  ManticoreException failure(String what) {
    return new ManticoreException(
        code, file + ": " + what + "; mend it, or remove the file and have it made again");
  }

  private JsonNode required(String key) {
    asked.add(key);
    JsonNode value = json.get(key);
    if (value == null) {
      throw failure("'" + prefix + key + "' is missing");
    }
    return value;
  }

  private ManticoreException wrong(String path, String expected) {
    return failure("'" + prefix + path + "' must be " + expected);
  }
}
