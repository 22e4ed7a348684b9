package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.util.Map;

/**
 * Applies {@code --set path=value} to a recipe's tree. Missing maps are made on the way, a list may
 * grow by one. Giving one of several alternatives ({@code data.source.text}) takes the others away,
 * so that the recipe's own choice need not be unset.
 */
final class Overrides {

  private static final String CODE = "MNT-RECIPE-SET";

  private final RecipeSchema schema;
  private final Map<KeyPath, ValueSource> sources;

  Overrides(RecipeSchema schema, Map<KeyPath, ValueSource> sources) {
    this.schema = schema;
    this.sources = sources;
  }

  /**
   * @param override {@code path=value}, the value written as YAML
   * @throws ManticoreException {@code MNT-RECIPE-SET} when it is not of that form or the path does
   *     not fit the tree
   */
  void apply(ObjectNode root, String override) {
    int equals = override.indexOf('=');
    if (equals < 1) {
      throw new ManticoreException(
          CODE,
          String.format("--set %s: expected path=value, such as --set tune.steps=500", override));
    }
    KeyPath path = KeyPath.parse(override.substring(0, equals).strip());
    String text = override.substring(equals + 1);
    JsonNode value =
        text.isBlank() ? root.textNode("") : YamlReader.read(text, "--set " + path).root();
    JsonNode container = root;
    KeyPath place = KeyPath.ROOT;
    for (String key : path.parent().keys()) {
      container = descend(container, place, key, override);
      place = place.child(key);
    }
    String last = path.keys().get(path.keys().size() - 1);
    if (container instanceof ArrayNode array) {
      int index = indexIn(array, place, last, override);
      if (index == array.size()) {
        array.add(value);
      } else {
        array.set(index, value);
      }
    } else if (container instanceof ObjectNode object) {
      removeAlternatives(object, place, last);
      object.set(last, value);
    } else {
      throw notAContainer(place, override);
    }
    forget(path);
    mark(value, path);
  }

  private JsonNode descend(JsonNode container, KeyPath place, String key, String override) {
    if (container instanceof ArrayNode array) {
      int index = indexIn(array, place, key, override);
      return index == array.size() ? array.addObject() : array.get(index);
    }
    if (container instanceof ObjectNode object) {
      removeAlternatives(object, place, key);
      JsonNode next = object.get(key);
      boolean missing = next == null || next.isNull();
      return missing ? object.putObject(key) : next;
    }
    throw notAContainer(place, override);
  }

  private void removeAlternatives(ObjectNode object, KeyPath place, String key) {
    if (object.has(key) || !schema.alternatives(place).contains(key)) {
      return;
    }
    for (String other : schema.alternatives(place)) {
      if (!object.has(other)) {
        continue;
      }
      object.remove(other);
      for (String name : ImmutableList.copyOf(object.fieldNames())) {
        if (schema.companionOf(place, name).filter(other::equals).isPresent()) {
          object.remove(name);
        }
      }
    }
  }

  private static int indexIn(ArrayNode array, KeyPath place, String key, String override) {
    boolean number = !key.isEmpty() && key.length() < 7 && key.chars().allMatch(Character::isDigit);
    int index = number ? Integer.parseInt(key) : -1;
    if (index < 0 || index > array.size()) {
      throw new ManticoreException(
          CODE,
          String.format(
              "--set %s: %s is a list of %d; after it comes an index from 0 to %d, not '%s'",
              override, place, array.size(), array.size(), key));
    }
    return index;
  }

  private static ManticoreException notAContainer(KeyPath place, String override) {
    return new ManticoreException(
        CODE,
        String.format(
            "--set %s: %s is a single value, nothing can be set below it", override, place));
  }

  private void forget(KeyPath path) {
    sources.keySet().removeIf(place -> place.startsWith(path));
  }

  private void mark(JsonNode value, KeyPath path) {
    sources.put(path, new ValueSource.CommandLine());
    if (value instanceof ObjectNode object) {
      object.properties().forEach(entry -> mark(entry.getValue(), path.child(entry.getKey())));
    } else if (value instanceof ArrayNode array) {
      for (int i = 0; i < array.size(); i++) {
        mark(array.get(i), path.child(i));
      }
    }
  }
}
