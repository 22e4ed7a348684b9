package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ManticoreException;
import java.math.BigInteger;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.composer.Composer;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeId;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.parser.ParserImpl;
import org.yaml.snakeyaml.reader.StreamReader;
import org.yaml.snakeyaml.resolver.Resolver;

/**
 * Reads YAML into a JSON tree that knows the line of each value.
 *
 * <p>The syntax is YAML 1.1's; plain scalars are typed by the core schema of YAML 1.2, so that
 * {@code 1e-4} is a number and {@code no} is text; {@code Infinity} and {@code NaN} are numbers
 * too, as in the configurations of Hugging Face. Nothing is constructed from tags: any tag but
 * those of the core schema is an error. Size, depth, and the number of values after expanding
 * aliases are bounded. (Jackson's own YAML parser is not used for reading since it hands an alias
 * on as the text of its name.)
 */
final class YamlReader {

  static final String CODE = "MNT-RECIPE-SYNTAX";

  private static final int MAX_CHARACTERS = 1 << 20;
  private static final int MAX_DEPTH = 40;
  private static final int MAX_VALUES = 100_000;
  private static final int MAX_NUMBER_LENGTH = 40;

  private static final Tag PLAIN = new Tag("!plain");
  private static final ImmutableSet<Tag> SCALAR_TAGS =
      ImmutableSet.of(PLAIN, Tag.STR, Tag.INT, Tag.FLOAT, Tag.BOOL, Tag.NULL);

  private static final ImmutableSet<String> NULLS =
      ImmutableSet.of("", "~", "null", "Null", "NULL");
  private static final ImmutableSet<String> TRUES = ImmutableSet.of("true", "True", "TRUE");
  private static final ImmutableSet<String> FALSES = ImmutableSet.of("false", "False", "FALSE");
  private static final Pattern INTEGER = Pattern.compile("[-+]?[0-9]+");
  private static final Pattern HEXADECIMAL = Pattern.compile("0x[0-9a-fA-F]+");
  private static final Pattern OCTAL = Pattern.compile("0o[0-7]+");
  private static final Pattern DECIMAL =
      Pattern.compile("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  private static final Pattern INFINITY = Pattern.compile("[-+]?(\\.(inf|Inf|INF)|Infinity)");
  private static final Pattern NOT_A_NUMBER = Pattern.compile("\\.(nan|NaN|NAN)|NaN");

  private final String origin;
  private final Map<KeyPath, Integer> lines = new LinkedHashMap<>();
  private int values;

  private YamlReader(String origin) {
    this.origin = origin;
  }

  /**
   * A tree and the line, counted from 1, of each of its values.
   *
   * @param root the tree; {@code null} values of the file are null nodes
   */
  record Document(JsonNode root, ImmutableMap<KeyPath, Integer> lines) {}

  /**
   * Reads one document.
   *
   * @param origin the file's name, for messages
   * @throws ManticoreException {@code MNT-RECIPE-SYNTAX} with file and line
   */
  static Document read(String text, String origin) {
    YamlReader reader = new YamlReader(origin);
    JsonNode root = reader.convert(reader.compose(text), KeyPath.ROOT, 0);
    return new Document(root, ImmutableMap.copyOf(reader.lines));
  }

  private Node compose(String text) {
    LoaderOptions options = new LoaderOptions();
    options.setCodePointLimit(MAX_CHARACTERS);
    options.setNestingDepthLimit(MAX_DEPTH);
    options.setMergeOnCompose(true);
    if (text.length() > MAX_CHARACTERS) {
      throw new ManticoreException(
          CODE,
          String.format(
              "%s: %d characters are more than the %d a recipe may have",
              origin, text.length(), MAX_CHARACTERS));
    }
    try {
      Composer composer =
          new Composer(
              new ParserImpl(new StreamReader(text), options), new CoreSchemaTags(), options);
      Node node = composer.getSingleNode();
      if (node == null) {
        throw new ManticoreException(CODE, origin + ": is empty; a value was expected");
      }
      return node;
    } catch (MarkedYAMLException e) {
      int line = e.getProblemMark() == null ? 1 : e.getProblemMark().getLine() + 1;
      String context = e.getContext() == null ? "" : e.getContext() + ": ";
      throw new ManticoreException(
          CODE,
          String.format("%s:%d: not valid YAML: %s%s", origin, line, context, e.getProblem()),
          e);
    } catch (YAMLException | IllegalArgumentException | IndexOutOfBoundsException e) {
      // The latter two, since the library does not expect an escape at the end of the text.
      throw new ManticoreException(
          CODE, String.format("%s: not valid YAML: %s", origin, e.getMessage()), e);
    }
  }

  private JsonNode convert(Node node, KeyPath path, int depth) {
    lines.putIfAbsent(path, lineOf(node));
    values++;
    if (values > MAX_VALUES) {
      throw failure(node, String.format("more than %d values, aliases expanded", MAX_VALUES));
    }
    if (depth > MAX_DEPTH) {
      throw failure(node, String.format("nested deeper than %d levels", MAX_DEPTH));
    }
    if (node instanceof MappingNode mapping) {
      requireTag(node, Tag.MAP);
      return convertMapping(mapping, path, depth);
    }
    if (node instanceof SequenceNode sequence) {
      requireTag(node, Tag.SEQ);
      ArrayNode array = JsonNodeFactory.instance.arrayNode();
      for (Node element : sequence.getValue()) {
        array.add(convert(element, path.child(array.size()), depth + 1));
      }
      return array;
    }
    if (node instanceof ScalarNode scalar) {
      return convertScalar(scalar);
    }
    throw failure(node, "unexpected kind of value");
  }

  private ObjectNode convertMapping(MappingNode mapping, KeyPath path, int depth) {
    ObjectNode object = JsonNodeFactory.instance.objectNode();
    for (NodeTuple entry : mapping.getValue()) {
      if (!(entry.getKeyNode() instanceof ScalarNode key)) {
        throw failure(entry.getKeyNode(), "a key must be a single word");
      }
      String name = key.getValue();
      if (object.has(name)) {
        throw failure(key, String.format("key '%s' is given twice", path.child(name)));
      }
      object.set(name, convert(entry.getValueNode(), path.child(name), depth + 1));
      // A nested value begins on the line below its key; messages point at the key.
      lines.put(path.child(name), lineOf(key));
    }
    return object;
  }

  private JsonNode convertScalar(ScalarNode scalar) {
    Tag tag = scalar.getTag();
    if (!SCALAR_TAGS.contains(tag)) {
      throw failure(scalar, String.format("the tag '%s' is not allowed", tag.getValue()));
    }
    String text = scalar.getValue();
    return tag.equals(Tag.STR) ? JsonNodeFactory.instance.textNode(text) : plain(scalar, text);
  }

  private JsonNode plain(ScalarNode scalar, String text) {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    if (NULLS.contains(text)) {
      return nodes.nullNode();
    }
    if (TRUES.contains(text) || FALSES.contains(text)) {
      return nodes.booleanNode(TRUES.contains(text));
    }
    boolean integer = INTEGER.matcher(text).matches();
    boolean hexadecimal = HEXADECIMAL.matcher(text).matches();
    boolean octal = OCTAL.matcher(text).matches();
    boolean decimal = !integer && DECIMAL.matcher(text).matches();
    if ((integer || hexadecimal || octal || decimal) && text.length() > MAX_NUMBER_LENGTH) {
      throw failure(scalar, "a number longer than " + MAX_NUMBER_LENGTH + " characters");
    }
    if (integer) {
      return integerNode(scalar, new BigInteger(text.startsWith("+") ? text.substring(1) : text));
    }
    if (hexadecimal) {
      return integerNode(scalar, new BigInteger(text.substring(2), 16));
    }
    if (octal) {
      return integerNode(scalar, new BigInteger(text.substring(2), 8));
    }
    if (decimal) {
      double number = Double.parseDouble(text);
      // Also a number with a point or an exponent may be looked at as an integer.
      if (Math.abs(number) >= 0x1p63) {
        throw tooLarge(scalar);
      }
      return nodes.numberNode(number);
    }
    if (INFINITY.matcher(text).matches()) {
      return nodes.numberNode(
          text.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY);
    }
    if (NOT_A_NUMBER.matcher(text).matches()) {
      return nodes.numberNode(Double.NaN);
    }
    return nodes.textNode(text);
  }

  private JsonNode integerNode(ScalarNode scalar, BigInteger value) {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    if (value.bitLength() < Integer.SIZE) {
      return nodes.numberNode(value.intValue());
    }
    if (value.bitLength() >= Long.SIZE) {
      throw tooLarge(scalar);
    }
    return nodes.numberNode(value.longValue());
  }

  private ManticoreException tooLarge(ScalarNode scalar) {
    return failure(scalar, "the number " + scalar.getValue() + " is beyond 2^63");
  }

  private void requireTag(Node node, Tag expected) {
    if (!node.getTag().equals(expected)) {
      throw failure(node, String.format("the tag '%s' is not allowed", node.getTag().getValue()));
    }
  }

  private ManticoreException failure(Node node, String problem) {
    return new ManticoreException(CODE, String.format("%s:%d: %s", origin, lineOf(node), problem));
  }

  private static int lineOf(Node node) {
    return node.getStartMark().getLine() + 1;
  }

  /** Marks plain scalars as such and leaves the typing to {@link #plain}. */
  private static final class CoreSchemaTags extends Resolver {
    @Override
    protected void addImplicitResolvers() {}

    @Override
    public Tag resolve(NodeId kind, String value, boolean implicit) {
      if (kind == NodeId.scalar) {
        return !implicit ? Tag.STR : value.equals("<<") ? Tag.MERGE : PLAIN;
      }
      return kind == NodeId.sequence ? Tag.SEQ : Tag.MAP;
    }
  }
}
