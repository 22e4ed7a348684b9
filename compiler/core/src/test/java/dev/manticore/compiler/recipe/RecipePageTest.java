package dev.manticore.compiler.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Keeps {@code docs/recipe.md} as the schema says. */
class RecipePageTest {

  private static final String COMMAND =
      "mvn -pl compiler/core -am test -Dtest=RecipePageTest"
          + " -Dsurefire.failIfNoSpecifiedTests=false -Dmanticore.write=true";

  private static final String INTRODUCTION =
      """
      # Recipes

      Generated from the schema, `recipe.schema.json`; not to be edited.

      %s

      * Unknown keys are errors, and the message names the nearest right one.
      * `--set KEY=VALUE` overrides a value: `--set tune.steps=500`, `--set components.0.model=DIR`.
        Relative paths given so are taken from the current directory.
      * `manticore compile RECIPE --explain-config` shows every value and where it comes from.
      * The `recipe.yaml` of a result has every value written out.

      The recipe of the quickstart:

      ```yaml
      %s```
      """;

  /** The keywords that the page says something about, or that have nothing to be said about. */
  private static final ImmutableSet<String> KEYWORDS =
      ImmutableSet.of(
          "$schema",
          "$comment",
          "$defs",
          "title",
          "description",
          "type",
          "enum",
          "default",
          "minimum",
          "maximum",
          "exclusiveMinimum",
          "exclusiveMaximum",
          "minLength",
          "pattern",
          "format",
          "minItems",
          "maxItems",
          "uniqueItems",
          "items",
          "properties",
          "additionalProperties",
          "required",
          "oneOf",
          "dependentRequired");

  private final RecipeSchema schema = RecipeSchema.load();

  private String page() throws IOException {
    JsonNode root = schema.at(KeyPath.ROOT);
    StringBuilder page =
        new StringBuilder(
            String.format(
                INTRODUCTION,
                text(root),
                Files.readString(Fixtures.testdata("recipes/quickstart.yaml"))));
    section(page, KeyPath.ROOT);
    return page.toString();
  }

  /** An object's keys as a table, then the objects among them as sections of their own. */
  private void section(StringBuilder page, KeyPath path) {
    JsonNode object = schema.at(path);
    if (path.keys().isEmpty()) {
      page.append("\n## The whole\n\n");
    } else {
      page.append(String.format("\n## %s\n\n%s\n\n", name(path), text(object)));
    }
    ImmutableSet<String> alternatives = schema.alternatives(path);
    if (!alternatives.isEmpty()) {
      page.append("Exactly one of ").append(quoted(alternatives)).append(" must be given.\n\n");
    }
    if (object.path("additionalProperties").asBoolean(true)) {
      page.append("Other keys may be given too.\n\n");
    }
    page.append("| key | values | default | what it means |\n|---|---|---|---|\n");
    List<KeyPath> inner = new ArrayList<>();
    for (String key : schema.knownKeys(path)) {
      KeyPath place = path.child(key);
      Optional<KeyPath> section = sectionOf(place);
      section.ifPresent(inner::add);
      page.append(
          String.format(
              "| `%s` | %s | %s | %s |\n",
              key,
              section.map(it -> linked(place, it)).orElseGet(() -> values(schema.at(place))),
              defaultOf(path, key),
              meaning(path, key)));
    }
    inner.forEach(place -> section(page, place));
  }

  /** Where the keys of an object, or of the objects of a list, are told. */
  private Optional<KeyPath> sectionOf(KeyPath place) {
    if (schema.at(place).has("properties")) {
      return Optional.of(place);
    }
    KeyPath item = place.child(0);
    return schema.at(item).has("properties") ? Optional.of(item) : Optional.empty();
  }

  private String linked(KeyPath place, KeyPath section) {
    JsonNode rule = schema.at(place);
    String link = String.format("[%s](#%s)", name(section), anchor(section));
    if (rule.path("type").isArray()) {
      return "path, or keys of " + link;
    }
    return place.equals(section) ? "keys of " + link : extent(rule) + link;
  }

  private static String name(KeyPath path) {
    return path.keys().stream()
        .map(key -> key.equals("0") ? "N" : key)
        .collect(Collectors.joining("."));
  }

  private static String anchor(KeyPath path) {
    return name(path).toLowerCase(Locale.ROOT).replace(".", "");
  }

  private String meaning(KeyPath path, String key) {
    KeyPath place = path.child(key);
    String companion =
        schema.companionOf(path, key).map(other -> " Only with `" + other + "`.").orElse("");
    return escaped(text(schema.at(place))) + companion;
  }

  private String defaultOf(KeyPath path, String key) {
    JsonNode rule = schema.at(path.child(key));
    if (rule.has("default")) {
      JsonNode value = rule.get("default");
      return value.isObject() && value.isEmpty() ? "" : "`" + plain(value) + "`";
    }
    Optional<String> giver = schema.inheritsFrom(path);
    if (giver.isPresent() && schema.knownKeys(KeyPath.parse(giver.get())).contains(key)) {
      return String.format("that of [%1$s](#%1$s)", giver.get());
    }
    for (JsonNode required : schema.at(path).path("required")) {
      if (required.asText().equals(key)) {
        return "required";
      }
    }
    return "";
  }

  private static String plain(JsonNode value) {
    return value.toString().replace("\"", "").replace(":", ": ").replace(",", ", ");
  }

  private static String text(JsonNode rule) {
    return rule.path("description").asText();
  }

  private static String values(JsonNode rule) {
    if (rule.has("enum")) {
      List<String> allowed = new ArrayList<>();
      rule.get("enum").forEach(value -> allowed.add(value.asText()));
      return quoted(allowed);
    }
    if (rule.path("type").isArray()) {
      return rule.get("type")
          .valueStream()
          .map(one -> values(((ObjectNode) rule.deepCopy()).set("type", one)))
          .collect(Collectors.joining(", or "));
    }
    String type = rule.path("type").asText();
    return switch (type) {
      case "integer", "number" -> type + range(rule);
      case "string" ->
          rule.path("format").asText().equals("path")
              ? "path"
              : rule.has("pattern") ? "string, `" + rule.get("pattern").asText() + "`" : "string";
      case "boolean" -> "`true`, `false`";
      case "array" -> extent(rule) + values(rule.path("items"));
      default -> throw new IllegalStateException("no words for " + rule);
    };
  }

  private static String range(JsonNode rule) {
    String from =
        rule.has("exclusiveMinimum")
            ? " above " + rule.get("exclusiveMinimum")
            : rule.has("minimum") ? " from " + rule.get("minimum") : "";
    String to =
        rule.has("exclusiveMaximum")
            ? " below " + rule.get("exclusiveMaximum")
            : rule.has("maximum") ? " to " + rule.get("maximum") : "";
    return from + (rule.has("exclusiveMaximum") && !from.isEmpty() ? " and" : "") + to;
  }

  private static String extent(JsonNode rule) {
    String least = rule.path("minItems").asText("0");
    String most = rule.path("maxItems").asText();
    String distinct = rule.path("uniqueItems").asBoolean() ? " different" : "";
    return "list of " + (least.equals(most) ? least : least + " to " + most) + distinct + ": ";
  }

  private static String quoted(Iterable<String> names) {
    return ImmutableList.copyOf(names).stream()
        .map(name -> "`" + name + "`")
        .collect(Collectors.joining(", "));
  }

  private static String escaped(String text) {
    return text.replace("|", "\\|").replace("<", "&lt;");
  }

  private static void collectKeywords(JsonNode rule, Set<String> keywords) {
    for (Map.Entry<String, JsonNode> entry : rule.properties()) {
      keywords.add(entry.getKey());
      switch (entry.getKey()) {
        case "properties", "$defs" ->
            entry.getValue().forEach(child -> collectKeywords(child, keywords));
        case "items" -> collectKeywords(entry.getValue(), keywords);
        default -> {}
      }
    }
  }

  @Test
  void thePageIsUpToDate() throws IOException {
    Path file = Fixtures.projectRoot().resolve("docs/recipe.md");
    String page = page();
    if (Boolean.getBoolean("manticore.write")) {
      Files.writeString(file, page);
    }

    assertThat(file).exists();
    assertThat(Files.readString(file)).as("stale; write it anew with: %s", COMMAND).isEqualTo(page);
  }

  @Test
  void noKeywordOfTheSchemaIsPassedOver() throws IOException {
    Set<String> keywords = new TreeSet<>();
    collectKeywords(new ObjectMapper().readTree(schema.text()), keywords);
    keywords.remove("$ref");

    assertThat(KEYWORDS).containsAll(keywords);
  }
}
