package dev.manticore.compiler.recipe;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.recipe.SchemaValidator.Violation;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads recipes: parses the YAML, applies overrides, validates against the schema, fills in
 * defaults, and checks what a schema cannot say.
 */
public final class RecipeReader {

  private static final long MAX_BYTES = 4L << 20;

  private final Path workingDirectory;
  private final RecipeSchema schema;
  private final SchemaValidator validator;

  /**
   * @param workingDirectory what relative paths given by {@code --set} are resolved against, as a
   *     shell would; those of the file are resolved against the file's directory
   */
  public RecipeReader(Path workingDirectory) {
    this.workingDirectory = requireNonNull(workingDirectory, "workingDirectory").toAbsolutePath();
    this.schema = RecipeSchema.load();
    this.validator = new NetworkntValidator(schema.text());
  }

  /**
   * Reads a recipe.
   *
   * @param file the YAML file
   * @param overrides {@code path=value} each, applied in order
   * @throws ManticoreException {@code MNT-RECIPE-FILE} when the file cannot be read, {@code
   *     MNT-RECIPE-SYNTAX} when it is not YAML, {@code MNT-RECIPE-SET} for an override that does
   *     not fit, {@code MNT-RECIPE-INVALID} with everything else that is wrong, one line each
   */
  public ResolvedRecipe read(Path file, List<String> overrides) {
    String name = String.valueOf(file.getFileName());
    YamlReader.Document document = YamlReader.read(text(file), name);
    if (!(document.root() instanceof ObjectNode root)) {
      throw new ManticoreException(
          YamlReader.CODE,
          file + ": is not a recipe; it should begin with keys such as 'name:' and 'components:'");
    }
    Map<KeyPath, ValueSource> sources = new LinkedHashMap<>();
    document
        .lines()
        .forEach((path, line) -> sources.put(path, new ValueSource.FileLine(name, line)));
    Overrides applied = new Overrides(schema, sources);
    overrides.forEach(override -> applied.apply(root, override));

    RecipeProblems problems = new RecipeProblems(name, sources);
    validator.validate(root).forEach(violation -> report(violation, root, problems));
    problems.throwIfAny();

    ObjectNode filled =
        (ObjectNode)
            schema.withDefaults(
                root, (path, value) -> sources.put(path, new ValueSource.Default("default")));
    inherit(filled, filled, KeyPath.ROOT, sources);
    JsonNode ordered = schema.withDefaults(filled, (path, value) -> {});
    Path directory =
        requireNonNull(file.toAbsolutePath().normalize().getParent(), "a file has a directory");
    return new RecipeBinder(
            schema, (ObjectNode) ordered, sources, name, directory, workingDirectory)
        .bind();
  }

  private static String text(Path file) {
    try {
      if (Files.isDirectory(file)) {
        throw new ManticoreException(
            "MNT-RECIPE-FILE", file + ": is a directory; give the recipe's file");
      }
      if (Files.size(file) > MAX_BYTES) {
        throw new ManticoreException(
            "MNT-RECIPE-FILE", file + ": is larger than a recipe can be (4 MiB)");
      }
      return Files.readString(file, StandardCharsets.UTF_8);
    } catch (NoSuchFileException e) {
      throw new ManticoreException("MNT-RECIPE-FILE", file + ": no such file", e);
    } catch (CharacterCodingException e) {
      throw new ManticoreException("MNT-RECIPE-FILE", file + ": is not UTF-8 text", e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-RECIPE-FILE", String.format("%s: cannot be read: %s", file, e.getMessage()), e);
    }
  }

  private void report(Violation violation, ObjectNode root, RecipeProblems problems) {
    KeyPath path = violation.path();
    JsonNode rule = schema.at(path);
    JsonNode value = valueAt(root, path);
    switch (violation.keyword()) {
      case "additionalProperties" -> {
        problems.add(path.child(violation.property()), unknownKey(path, violation.property()));
      }
      case "required" -> {
        // Missing alternatives are reported by their oneOf.
        if (!schema.alternatives(path).contains(violation.property())) {
          problems.add(path, String.format("the key '%s' is missing", violation.property()));
        }
      }
      case "oneOf" ->
          problems.add(
              path,
              String.format("exactly one of %s must be given", quoted(schema.alternatives(path))));
      case "dependentRequired" -> problems.add(path, violation.message());
      case "type" ->
          problems.add(
              path, String.format("%s is not %s", shown(value), typeName(rule.path("type"))));
      case "enum" -> {
        ImmutableSet.Builder<String> allowed = ImmutableSet.builder();
        rule.path("enum").forEach(option -> allowed.add(option.asText()));
        String hint =
            Spelling.nearest(value.asText(), allowed.build())
                .map(near -> String.format("; did you mean '%s'?", near))
                .orElse("");
        problems.add(
            path,
            String.format("%s is not one of %s%s", shown(value), quoted(allowed.build()), hint));
      }
      case "minimum" ->
          problems.add(path, shown(value) + " is less than " + rule.path("minimum").asText());
      case "maximum" ->
          problems.add(path, shown(value) + " is more than " + rule.path("maximum").asText());
      case "exclusiveMinimum" ->
          problems.add(
              path,
              shown(value) + " is not greater than " + rule.path("exclusiveMinimum").asText());
      case "exclusiveMaximum" ->
          problems.add(
              path, shown(value) + " is not less than " + rule.path("exclusiveMaximum").asText());
      case "pattern" ->
          problems.add(
              path,
              shown(value)
                  + " is not a name; use letters, digits, '.', '-' and '_', at most 64, beginning"
                  + " with a letter or digit");
      case "minItems" ->
          problems.add(
              path,
              String.format(
                  "has %d entries, at least %s are needed",
                  value.size(), rule.path("minItems").asText()));
      default -> problems.add(path, violation.message());
    }
  }

  private String unknownKey(KeyPath path, String key) {
    ImmutableSet<String> known = schema.knownKeys(path);
    Optional<String> near = Spelling.nearest(key, known);
    if (near.isPresent()) {
      return String.format("unknown key; did you mean '%s'?", near.get());
    }
    Optional<KeyPath> elsewhere = schema.placesOf(key).stream().findFirst();
    if (elsewhere.isPresent()) {
      return String.format("unknown key here; did you mean '%s'?", elsewhere.get());
    }
    return String.format("unknown key; known here are %s", quoted(known));
  }

  /** Fills missing values of sections that inherit, from the section they inherit from. */
  private void inherit(
      ObjectNode root, JsonNode node, KeyPath path, Map<KeyPath, ValueSource> sources) {
    if (node instanceof ArrayNode array) {
      for (int i = 0; i < array.size(); i++) {
        inherit(root, array.get(i), path.child(i), sources);
      }
      return;
    }
    if (!(node instanceof ObjectNode object)) {
      return;
    }
    Optional<String> from = schema.inheritsFrom(path);
    if (from.isPresent()) {
      KeyPath section = KeyPath.ROOT.child(from.get());
      for (Map.Entry<String, JsonNode> entry : valueAt(root, section).properties()) {
        if (!object.has(entry.getKey())) {
          object.set(entry.getKey(), entry.getValue().deepCopy());
          sources.put(
              path.child(entry.getKey()), new ValueSource.Inherited(section.child(entry.getKey())));
        }
      }
    }
    object
        .properties()
        .forEach(entry -> inherit(root, entry.getValue(), path.child(entry.getKey()), sources));
  }

  private static JsonNode valueAt(JsonNode root, KeyPath path) {
    JsonNode node = root;
    for (String key : path.keys()) {
      node = node.isArray() ? node.path(Integer.parseInt(key)) : node.path(key);
    }
    return node;
  }

  private static String shown(JsonNode value) {
    if (value.isNull()) {
      return "an empty value";
    }
    if (value.isObject()) {
      return "a map";
    }
    if (value.isArray()) {
      return "a list";
    }
    String text = value.asText();
    String cut = text.length() > 60 ? text.substring(0, 60) + "..." : text;
    return value.isTextual() ? "'" + cut + "'" : cut;
  }

  private static String typeName(JsonNode type) {
    if (type.isArray()) {
      return typeName(type.path(0)) + " or " + typeName(type.path(1));
    }
    return switch (type.asText()) {
      case "integer" -> "a whole number";
      case "number" -> "a number";
      case "boolean" -> "true or false";
      case "array" -> "a list";
      case "object" -> "a map of keys";
      default -> "text (put it in quotes if it looks like a number)";
    };
  }

  private static String quoted(Iterable<String> words) {
    return "'" + String.join("', '", words) + "'";
  }
}
