package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.io.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * What the schema says besides being valid or not: which keys a place knows, which of them exclude
 * each other, which values are paths, and the defaults.
 *
 * <p>Two annotations of its own: {@code format: path}, and the comment {@code inherits X}, which
 * names the top-level section that a section takes missing values from.
 */
final class RecipeSchema {

  private static final String RESOURCE = "recipe.schema.json";
  private static final String INHERITS = "inherits ";

  private final String text;
  private final JsonNode root;

  private RecipeSchema(String text, JsonNode root) {
    this.text = text;
    this.root = root;
  }

  static RecipeSchema load() {
    try {
      String text =
          Resources.toString(
              Resources.getResource(RecipeSchema.class, RESOURCE), StandardCharsets.UTF_8);
      return new RecipeSchema(text, new ObjectMapper().readTree(text));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String text() {
    return text;
  }

  /** The schema of a place, references followed; a missing node where the schema has none. */
  JsonNode at(KeyPath path) {
    JsonNode schema = root;
    for (String key : path.keys()) {
      schema = child(schema, key);
    }
    return schema;
  }

  /** The keys that the object at a place may have; empty where any key is allowed. */
  ImmutableSet<String> knownKeys(KeyPath path) {
    return ImmutableSet.copyOf(at(path).path("properties").fieldNames());
  }

  /** Every place of a key in the schema, list indices written as {@code 0}. */
  ImmutableList<KeyPath> placesOf(String key) {
    ImmutableList.Builder<KeyPath> places = ImmutableList.builder();
    collectPlaces(root, KeyPath.ROOT, key, places);
    return places.build();
  }

  /** Whether the value at a place names a file or a directory. */
  boolean isPath(KeyPath path) {
    return at(path).path("format").asText().equals("path");
  }

  /**
   * The keys of a place of which exactly one must be given; empty where there is no such choice.
   */
  ImmutableSet<String> alternatives(KeyPath path) {
    ImmutableSet.Builder<String> alternatives = ImmutableSet.builder();
    for (JsonNode alternative : at(path).path("oneOf")) {
      alternatives.add(alternative.path("required").path(0).asText());
    }
    return alternatives.build();
  }

  /** The key that must be given too when {@code key} is, if there is one. */
  Optional<String> companionOf(KeyPath path, String key) {
    JsonNode required = at(path).path("dependentRequired").path(key);
    return required.isMissingNode() ? Optional.empty() : Optional.of(required.path(0).asText());
  }

  /** Where a section takes missing values from. */
  Optional<String> inheritsFrom(KeyPath path) {
    String comment = at(path).path("$comment").asText();
    return comment.startsWith(INHERITS)
        ? Optional.of(comment.substring(INHERITS.length()))
        : Optional.empty();
  }

  /** Told of each default that was filled in. */
  interface DefaultListener {
    void filled(KeyPath path, JsonNode value);
  }

  /** A copy of a valid tree in the schema's order of keys, missing values set to their defaults. */
  JsonNode withDefaults(JsonNode tree, DefaultListener listener) {
    return withDefaults(root, tree, KeyPath.ROOT, listener);
  }

  private JsonNode withDefaults(
      JsonNode schema, JsonNode value, KeyPath path, DefaultListener listener) {
    if (value instanceof ArrayNode array) {
      ArrayNode copy = JsonNodeFactory.instance.arrayNode();
      for (JsonNode element : array) {
        copy.add(withDefaults(child(schema, "0"), element, path.child(copy.size()), listener));
      }
      return copy;
    }
    if (!(value instanceof ObjectNode object)) {
      return value;
    }
    ObjectNode copy = JsonNodeFactory.instance.objectNode();
    for (String key : ImmutableList.copyOf(schema.path("properties").fieldNames())) {
      JsonNode property = child(schema, key);
      KeyPath place = path.child(key);
      if (object.has(key)) {
        copy.set(key, withDefaults(property, object.get(key), place, listener));
      } else if (property.has("default") && companionGiven(schema, object, key)) {
        JsonNode filled = property.get("default");
        if (!filled.isObject()) {
          listener.filled(place, filled);
        }
        for (Map.Entry<String, JsonNode> entry : filled.properties()) {
          listener.filled(place.child(entry.getKey()), entry.getValue());
        }
        copy.set(key, withDefaults(property, filled.deepCopy(), place, listener));
      }
    }
    for (Map.Entry<String, JsonNode> entry : object.properties()) {
      if (!copy.has(entry.getKey())) {
        copy.set(entry.getKey(), entry.getValue().deepCopy());
      }
    }
    return copy;
  }

  private static boolean companionGiven(JsonNode schema, ObjectNode object, String key) {
    JsonNode required = schema.path("dependentRequired").path(key);
    return required.isMissingNode() || object.has(required.path(0).asText());
  }

  private JsonNode child(JsonNode schema, String key) {
    JsonNode property = schema.path("properties").path(key);
    if (!property.isMissingNode()) {
      return resolve(property);
    }
    boolean index = !key.isEmpty() && key.chars().allMatch(c -> c >= '0' && c <= '9');
    JsonNode items = index ? schema.path("items") : MissingNode.getInstance();
    return resolve(items);
  }

  /** Follows {@code $ref}; keywords beside it are added to those of its target. */
  private JsonNode resolve(JsonNode schema) {
    if (!schema.has("$ref")) {
      return schema;
    }
    ObjectNode merged = ((ObjectNode) root.at(schema.get("$ref").asText().substring(1))).deepCopy();
    for (Map.Entry<String, JsonNode> entry : schema.properties()) {
      merged.set(entry.getKey(), entry.getValue());
    }
    merged.remove("$ref");
    return merged;
  }

  private void collectPlaces(
      JsonNode schema, KeyPath path, String key, ImmutableList.Builder<KeyPath> places) {
    Iterator<String> names = schema.path("properties").fieldNames();
    while (names.hasNext()) {
      String name = names.next();
      if (name.equals(key)) {
        places.add(path.child(name));
      }
      collectPlaces(child(schema, name), path.child(name), key, places);
    }
    if (schema.has("items")) {
      collectPlaces(child(schema, "0"), path.child(0), key, places);
    }
  }
}
