package dev.manticore.compiler.recipe;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;

/** A recipe with all its values set, and where each came from. */
public final class ResolvedRecipe {

  private final Recipe recipe;
  private final ObjectNode tree;
  private final ImmutableMap<KeyPath, ValueSource> sources;
  private final ImmutableMap<KeyPath, Path> paths;

  ResolvedRecipe(
      Recipe recipe, ObjectNode tree, Map<KeyPath, ValueSource> sources, Map<KeyPath, Path> paths) {
    this.recipe = requireNonNull(recipe, "recipe");
    this.tree = tree.deepCopy();
    this.sources = ImmutableMap.copyOf(sources);
    this.paths = ImmutableMap.copyOf(paths);
  }

  public Recipe recipe() {
    return recipe;
  }

  /**
   * The same recipe, text and all, run on another number of threads than it says: where it takes
   * all cores, and there were more or fewer of them.
   */
  public ResolvedRecipe onThreads(int threads) {
    return new ResolvedRecipe(recipe.withThreads(threads), tree, sources, paths);
  }

  /**
   * One value and its origin.
   *
   * @param path as {@code --set} takes it
   * @param value as JSON text
   * @param source {@code recipe.yaml:12}, {@code --set}, {@code default}, or the key whose value
   *     was taken
   */
  public record Explained(String path, String value, String source) {}

  /** All values in the order of the schema. */
  public ImmutableList<Explained> explain() {
    return explained(tree);
  }

  /** The same with paths relative to a directory, wherever the recipe was. */
  public ImmutableList<Explained> explain(Path directory) {
    return explained(seenFrom(directory));
  }

  private ImmutableList<Explained> explained(ObjectNode values) {
    ImmutableList.Builder<Explained> rows = ImmutableList.builder();
    explain(values, KeyPath.ROOT, rows);
    return rows.build();
  }

  /** The values, with paths relative to a directory. */
  private ObjectNode seenFrom(Path directory) {
    Path base = directory.toAbsolutePath().normalize();
    ObjectNode copy = tree.deepCopy();
    paths.forEach((place, path) -> replace(copy, place, relative(base, path)));
    return copy;
  }

  /** {@link #explain} as an aligned table of three columns. */
  public String explanation() {
    ImmutableList<Explained> rows = explain();
    int path = rows.stream().mapToInt(row -> row.path().length()).max().orElse(0);
    int value = rows.stream().mapToInt(row -> Math.min(40, row.value().length())).max().orElse(0);
    StringBuilder text = new StringBuilder();
    for (Explained row : rows) {
      text.append(
          String.format(
              "%-" + path + "s  %-" + value + "s  %s%n", row.path(), row.value(), row.source()));
    }
    return text.toString();
  }

  /**
   * The values of a section by path, as JSON text, in the order of the schema: what a stage that
   * reads this section depends on. Values that name files are left out; their contents count.
   *
   * @param section a path such as {@code tune} or {@code components.0.pretrain}
   * @throws IllegalArgumentException when there is no such section
   */
  public ImmutableMap<String, String> values(String section) {
    KeyPath prefix = KeyPath.parse(section);
    ImmutableList.Builder<Explained> rows = ImmutableList.builder();
    JsonNode node = tree;
    for (String key : prefix.keys()) {
      node = node.isArray() ? node.path(Integer.parseInt(key)) : node.path(key);
    }
    checkArgument(!node.isMissingNode(), "the recipe has no '%s'", section);
    explain(node, prefix, rows);
    return rows.build().stream()
        .filter(row -> !paths.containsKey(KeyPath.parse(row.path())))
        .collect(ImmutableMap.toImmutableMap(Explained::path, Explained::value));
  }

  /**
   * The recipe with every value written out, as YAML that {@link RecipeReader} reads back to the
   * same recipe.
   *
   * @param directory where the text will be saved; paths are written relative to it
   */
  public String yaml(Path directory) {
    try {
      return new ObjectMapper(
              YAMLFactory.builder()
                  .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
                  .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
                  .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
                  .enable(YAMLGenerator.Feature.INDENT_ARRAYS_WITH_INDICATOR)
                  .build())
          .writeValueAsString(seenFrom(directory));
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String relative(Path base, Path path) {
    boolean sameRoot = base.getRoot() != null && base.getRoot().equals(path.getRoot());
    String text = (sameRoot ? base.relativize(path) : path).toString().replace('\\', '/');
    return text.isEmpty() ? "." : text;
  }

  private static void replace(ObjectNode root, KeyPath place, String value) {
    JsonNode parent = root;
    for (String key : place.parent().keys()) {
      parent = parent.isArray() ? parent.get(Integer.parseInt(key)) : parent.get(key);
    }
    ((ObjectNode) parent).set(place.keys().get(place.keys().size() - 1), TextNode.valueOf(value));
  }

  private void explain(JsonNode node, KeyPath path, ImmutableList.Builder<Explained> rows) {
    if (node instanceof ObjectNode object) {
      object
          .properties()
          .forEach(entry -> explain(entry.getValue(), path.child(entry.getKey()), rows));
    } else if (node instanceof ArrayNode array && array.path(0).isObject()) {
      for (int i = 0; i < array.size(); i++) {
        explain(array.get(i), path.child(i), rows);
      }
    } else {
      rows.add(new Explained(path.toString(), node.toString(), sourceOf(path)));
    }
  }

  private String sourceOf(KeyPath path) {
    for (KeyPath at = path; ; at = at.parent()) {
      ValueSource source = sources.get(at);
      if (source != null) {
        return source.text();
      }
      if (at.isRoot()) {
        return "recipe";
      }
    }
  }
}
