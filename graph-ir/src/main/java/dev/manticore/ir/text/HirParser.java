package dev.manticore.ir.text;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.primitives.Floats;
import com.google.common.primitives.Longs;
import dev.manticore.ir.Annotations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.IntPredicate;
import java.util.function.Supplier;

/**
 * Reads graphs in the textual form, by recursive descent. Types are taken as they are declared;
 * operators need not be in the catalogue. In a graph that declares no opset, standard operators are
 * of version {@link OpId#OPSET} and others of version 1.
 */
public final class HirParser {

  private static final int LONGEST_TEXT = 1 << 28;
  private static final int DEEPEST_GRAPH = 64;
  private static final int SHOWN = 100;

  private final String text;
  private final TensorResolver resolver;
  private int position;
  private int depth;

  private HirParser(String text, TensorResolver resolver) {
    this.text = requireNonNull(text, "text");
    this.resolver = requireNonNull(resolver, "resolver");
  }

  /**
   * The graph; tensors that the text elides have no values.
   *
   * @throws HirException if the text is not well formed, or is too long or nested too deeply
   */
  public static Graph parse(String text) {
    return parse(text, TensorResolver.withoutValues());
  }

  /**
   * The graph, with elided tensors from the resolver.
   *
   * @throws HirException if the text is not well formed, or the resolver gives another type than it
   *     was asked for
   */
  public static Graph parse(String text, TensorResolver resolver) {
    return new HirParser(text, resolver).file();
  }

  /** The values that can be read at a place, and all names of the graph that stands alone. */
  private record Scope(Map<String, Value> values, Set<String> names, Optional<Scope> outer) {
    static Scope standalone() {
      return new Scope(new HashMap<>(), new HashSet<>(), Optional.empty());
    }

    Scope inner() {
      return new Scope(new HashMap<>(), names, Optional.of(this));
    }

    Optional<Value> find(String name) {
      Value value = values.get(name);
      return value == null ? outer.flatMap(scope -> scope.find(name)) : Optional.of(value);
    }
  }

  private Graph file() {
    if (text.length() > LONGEST_TEXT) {
      throw error("a text of at most " + LONGEST_TEXT + " characters", 0);
    }
    expectWord("hir");
    int versionAt = next();
    if (integer() != 1) {
      throw error("version 1 of the textual form", versionAt);
    }
    GraphEditor editor = new GraphEditor(graphName());
    Graph graph = graph(editor, Scope.standalone());
    if (next() < text.length()) {
      throw error("the end of the text", position);
    }
    return graph;
  }

  private String graphName() {
    expectWord("graph");
    return string();
  }

  private Graph graph(GraphEditor editor, Scope scope) {
    int start = next();
    if (++depth > DEEPEST_GRAPH) {
      throw error("graphs nested at most " + DEEPEST_GRAPH + " deep", start);
    }
    expect('{');
    Map<String, Integer> opsets = new HashMap<>();
    while (!accept('}')) {
      int at = next();
      if (peek() == '%' || peek() == '_' || peek() == '(') {
        node(editor, scope, opsets);
        continue;
      }
      switch (take(HirParser::isWordPart)) {
        case "opset" -> {
          String domain = string();
          int version = smallInteger();
          opsets.put(domain, version);
          editor.opset(domain, version);
        }
        case "metadata" -> {
          String key = string();
          expect('=');
          editor.metadata(key, string());
        }
        case "model" -> {
          String domain = string();
          long version = signedInteger();
          editor.model(new Graph.ModelInfo(domain, version, string()));
        }
        case "note" -> editor.annotations(annotations());
        case "function" -> editor.function(function(opsets));
        case "input" -> editor.addInput(define(scope));
        case "parameter" -> parameter(editor, scope);
        case "output" -> editor.output(read(scope));
        default ->
            throw error(
                "a node, opset, metadata, model, note, function, input, parameter, output or '}'",
                at);
      }
    }
    depth--;
    return located(start, editor::freeze);
  }

  private Graph.Function function(Map<String, Integer> opsets) {
    OpId op = operator(opsets);
    expect('(');
    List<String> attributes = listUntil(')', this::string);
    next();
    Attributes defaults =
        peek() == '{'
            ? attributes(op.name(), new GraphEditor(op.name()), Scope.standalone())
            : Attributes.NONE;
    GraphEditor body = new GraphEditor(graphName());
    return new Graph.Function(
        op, ImmutableList.copyOf(attributes), defaults, graph(body, Scope.standalone()));
  }

  private void parameter(GraphEditor editor, Scope scope) {
    Value value = define(scope);
    expect('=');
    editor.setParameter(value, parameterTensor(value));
  }

  private Tensor parameterTensor(Value value) {
    int at = next();
    if (!value.isTensor()) {
      throw error("a parameter that is a tensor, not " + value, at);
    }
    if (!acceptWord("sparse")) {
      return tensor(value.name(), value.type());
    }
    Tensor dense = located(at, sparse(value.name())::dense);
    if (!dense.type().equals(value.type())) {
      throw error("a tensor of " + value.type() + ", not of " + dense.type(), at);
    }
    return dense;
  }

  private SparseTensor sparse(String place) {
    int at = next();
    expect('(');
    List<Dim> dims = listUntil(':', this::dim);
    Tensor values = tensor(place + ":values", tensorType());
    expectWord("at");
    Tensor indices = tensor(place + ":indices", tensorType());
    expect(')');
    return located(at, () -> new SparseTensor(values, indices, Shape.of(dims)));
  }

  /** After the word {@code note}. */
  private Annotations annotations() {
    String doc = "";
    Map<String, String> metadata = new TreeMap<>();
    Map<String, String> quantization = new TreeMap<>();
    List<String> denotations = List.of();
    Annotations.Typing typing = Annotations.Typing.KNOWN;
    expect('{');
    do {
      int at = next();
      switch (word()) {
        case "doc" -> doc = string();
        case "metadata" -> entry(metadata);
        case "quantization" -> entry(quantization);
        case "denotations" -> {
          expect('[');
          denotations = listUntil(']', this::string);
        }
        case "guessed" -> typing = Annotations.Typing.GUESSED;
        default -> throw error("doc, metadata, quantization, denotations or guessed", at);
      }
    } while (accept(','));
    expect('}');
    return new Annotations(
        doc,
        ImmutableSortedMap.copyOf(metadata),
        ImmutableSortedMap.copyOf(quantization),
        ImmutableList.copyOf(denotations),
        typing);
  }

  private void entry(Map<String, String> entries) {
    String key = string();
    expect('=');
    entries.put(key, string());
  }

  private void node(GraphEditor editor, Scope scope, Map<String, Integer> opsets) {
    int start = position;
    // Outputs are in scope only after the node, so that it cannot read its own.
    List<Optional<Value>> outputs = new ArrayList<>();
    if (accept('(')) {
      expect(')');
    } else {
      do {
        outputs.add(accept('_') ? Optional.empty() : Optional.of(typedValue(scope)));
      } while (accept(','));
    }
    expect('=');
    OpId op = operator(opsets);
    expect('(');
    List<Optional<Value>> inputs =
        listUntil(')', () -> accept('_') ? Optional.empty() : Optional.of(read(scope)));
    next();
    Attributes attributes =
        peek() == '{'
            ? attributes(HirPrinter.defaultName(outputs), editor, scope)
            : Attributes.NONE;
    next();
    String name = peek() == '"' ? string() : HirPrinter.defaultName(outputs);
    Node node =
        new Node(
            op,
            name,
            attributes,
            ImmutableList.copyOf(inputs),
            ImmutableList.copyOf(outputs),
            origin(),
            acceptWord("note") ? annotations() : Annotations.NONE);
    located(
        start,
        () -> {
          editor.addNode(node);
          return node;
        });
    node.presentOutputs().forEach(output -> scope.values().put(output.name(), output));
  }

  private Origin origin() {
    String model = "";
    List<String> nodes = List.of();
    if (acceptWord("from")) {
      model = string();
      nodes = accept('[') ? listUntil(']', this::string) : List.of();
    }
    String pass = acceptWord("by") ? string() : "";
    return new Origin(model, ImmutableList.copyOf(nodes), pass);
  }

  private OpId operator(Map<String, Integer> opsets) {
    int at = next();
    String domain;
    String name;
    if (peek() == '"') {
      domain = string();
      expect('.');
      name = string();
    } else {
      String dotted = take(c -> isWordPart(c) || c == '.');
      int dot = dotted.lastIndexOf('.');
      domain = dot < 0 ? "" : dotted.substring(0, dot);
      name = dotted.substring(dot + 1);
      if (!Literals.isWord(name) || (dot >= 0 && !Literals.isDotted(domain))) {
        throw error("an operator, Name or some.domain.Name", at);
      }
    }
    int otherwise = opsets.getOrDefault(domain, domain.equals(OpId.ONNX) ? OpId.OPSET : 1);
    int version = accept('@') ? smallInteger() : otherwise;
    return new OpId(domain, name, version, accept(':') ? string() : "");
  }

  private Attributes attributes(String owner, GraphEditor editor, Scope scope) {
    expect('{');
    Map<String, Attribute> attributes = new TreeMap<>();
    if (accept('}')) {
      return Attributes.NONE;
    }
    do {
      int at = next();
      String name = peek() == '"' ? string() : word();
      expect('=');
      if (attributes.put(name, attribute(owner + ":" + name, editor, scope)) != null) {
        throw error("an attribute that was not given before", at);
      }
    } while (accept(','));
    expect('}');
    return Attributes.of(attributes);
  }

  private Attribute attribute(String place, GraphEditor editor, Scope scope) {
    int at = next();
    char first = peek();
    if (first == '"') {
      return Attribute.of(string());
    }
    if (first == '[') {
      return list(at);
    }
    if (first == '-' || isDigit(first)) {
      String literal = literal();
      return located(
          at,
          () ->
              Literals.isFloating(literal)
                  ? Attribute.of(Literals.parseFloat(literal))
                  : Attribute.of(Literals.parseLong(literal)));
    }
    String word = word();
    switch (word) {
      case "nan", "inf" -> {
        position = at;
        String literal = literal();
        return located(at, () -> Attribute.of(Literals.parseFloat(literal)));
      }
      case "graph" -> {
        GraphEditor inner = editor.subgraph(string());
        return Attribute.of(graph(inner, scope.inner()));
      }
      case "ref" -> {
        expect('(');
        String referred = string();
        expect(',');
        int type = smallInteger();
        expect(')');
        return new Attribute.Reference(referred, type);
      }
      case "ints" -> {
        return emptyList(Attribute.ofInts());
      }
      case "floats" -> {
        return emptyList(Attribute.ofFloats());
      }
      case "strings" -> {
        return emptyList(Attribute.ofStrings());
      }
      case "tensors" -> {
        return new Attribute.TensorsValue(elements(place, where -> tensor(where, tensorType())));
      }
      case "graphs" -> {
        return new Attribute.GraphsValue(
            elements(
                place,
                where -> {
                  GraphEditor inner = editor.subgraph(graphName());
                  return graph(inner, scope.inner());
                }));
      }
      case "sparse" -> {
        return new Attribute.SparseTensorValue(sparse(place));
      }
      case "sparses" -> {
        return new Attribute.SparseTensorsValue(
            elements(
                place,
                where -> {
                  expectWord("sparse");
                  return sparse(where);
                }));
      }
      case "type" -> {
        expect('(');
        ValueType type = type();
        expect(')');
        return new Attribute.TypeValue(type);
      }
      case "types" -> {
        return new Attribute.TypesValue(elements(place, where -> type()));
      }
      default -> {
        position = at;
        TensorType type = tensorType();
        return Attribute.of(tensor(place, type));
      }
    }
  }

  /** A list whose elements are told apart by their number. */
  private <T> ImmutableList<T> elements(String place, Function<String, T> element) {
    expect('[');
    List<String> places = new ArrayList<>();
    return ImmutableList.copyOf(
        listUntil(
            ']',
            () -> {
              places.add(place + ":" + places.size());
              return element.apply(places.get(places.size() - 1));
            }));
  }

  private Attribute emptyList(Attribute empty) {
    expect('[');
    expect(']');
    return empty;
  }

  private Attribute list(int at) {
    expect('[');
    next();
    if (peek() == ']') {
      throw error("an element; an empty list is ints[], floats[] or strings[]", position);
    }
    if (peek() == '"') {
      return Attribute.ofStrings(listUntil(']', this::string).toArray(String[]::new));
    }
    List<String> literals = listUntil(']', this::literal);
    return located(
        at,
        () ->
            Literals.isFloating(literals.get(0))
                ? Attribute.ofFloats(
                    Floats.toArray(literals.stream().map(Literals::parseFloat).toList()))
                : Attribute.ofInts(
                    Longs.toArray(literals.stream().map(Literals::parseLong).toList())));
  }

  private Tensor tensor(String name, TensorType type) {
    int at = next();
    if (accept('<')) {
      String sha256 = "";
      if (acceptWord("sha256")) {
        expect(':');
        sha256 = take(HirParser::isWordPart);
        if (!sha256.matches("[0-9a-f]{64}")) {
          throw error("64 hexadecimal digits", at);
        }
      } else {
        expectWord("elided");
      }
      expect('>');
      TensorResolver.Elided elided = new TensorResolver.Elided(name, type, sha256);
      Tensor resolved = located(at, () -> resolver.resolve(elided));
      if (!resolved.type().equals(type)) {
        throw error("a tensor of " + type + ", not the resolver's " + resolved.type(), at);
      }
      return resolved;
    }
    expect('{');
    if (type.elementType() == ElementType.STRING) {
      List<String> strings = listUntil('}', this::string);
      return located(at, () -> Tensor.ofStrings(type.shape(), strings));
    }
    List<String> literals = listUntil('}', this::literal);
    return located(at, () -> tensor(type, literals));
  }

  private static Tensor tensor(TensorType type, List<String> literals) {
    ElementType elementType = type.elementType();
    long wanted = Math.multiplyExact(type.shape().elementCount(), Literals.parts(elementType));
    if (wanted != literals.size()) {
      throw new IrException(type + " takes " + wanted + " values, not " + literals.size());
    }
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.toIntExact(type.byteSize())).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < literals.size(); i++) {
      Literals.putElement(bytes, elementType, i, literals.get(i));
    }
    return new Tensor(type, TensorData.ofBytes(bytes.array()));
  }

  private Value define(Scope scope) {
    Value value = typedValue(scope);
    scope.values().put(value.name(), value);
    return value;
  }

  private Value typedValue(Scope scope) {
    int at = next();
    String name = valueName();
    if (!scope.names().add(name)) {
      throw error("a name of its own: there is a " + Literals.valueName(name) + " already", at);
    }
    expect(':');
    ValueType type = type();
    return new Value(name, type, acceptWord("note") ? annotations() : Annotations.NONE);
  }

  private Value read(Scope scope) {
    int at = next();
    String name = valueName();
    return scope
        .find(name)
        .orElseThrow(
            () ->
                error("a value defined before this; " + Literals.valueName(name) + " is not", at));
  }

  private String valueName() {
    int at = next();
    expect('%');
    String name =
        position < text.length() && peek() == '"'
            ? string()
            : take(c -> isWordPart(c) || c == '.' || c == '/' || c == '-');
    if (name.isEmpty()) {
      throw error("a name", at);
    }
    return name;
  }

  private ValueType type() {
    int at = next();
    if (++depth > DEEPEST_GRAPH) {
      throw error("types nested at most " + DEEPEST_GRAPH + " deep", at);
    }
    ValueType type = valueType();
    depth--;
    return type;
  }

  private ValueType valueType() {
    int at = next();
    switch (word()) {
      case "seq" -> {
        expect('(');
        ValueType element = type();
        expect(')');
        return new ValueType.SequenceType(element);
      }
      case "optional" -> {
        expect('(');
        ValueType element = type();
        expect(')');
        return new ValueType.OptionalType(element);
      }
      case "map" -> {
        expect('(');
        int keyAt = next();
        String key = word();
        ElementType keyType = located(keyAt, () -> ElementType.ofText(key));
        expect(',');
        ValueType value = type();
        expect(')');
        return new ValueType.MapType(keyType, value);
      }
      case "sparse" -> {
        expect('(');
        TensorType dense = tensorType();
        expect(')');
        return new ValueType.SparseTensorType(dense);
      }
      case "opaque" -> {
        expect('(');
        String domain = string();
        expect(',');
        String name = string();
        expect(')');
        return new ValueType.OpaqueType(domain, name);
      }
      default -> {
        position = at;
        return tensorType();
      }
    }
  }

  private TensorType tensorType() {
    int at = next();
    String word = word();
    ElementType elementType = located(at, () -> ElementType.ofText(word));
    if (accept('*')) {
      return new TensorType(elementType, Shape.unranked());
    }
    expect('[');
    List<Dim> dims = listUntil(']', this::dim);
    if (dims.size() > Shape.LARGEST_RANK) {
      throw error("a shape of at most " + Shape.LARGEST_RANK + " dimensions", at);
    }
    return new TensorType(elementType, Shape.of(dims));
  }

  private Dim dim() {
    int at = next();
    if (accept('?')) {
      return Dim.UNKNOWN;
    }
    if (peek() == '"') {
      String symbol = string();
      if (symbol.isEmpty()) {
        throw error("a symbol", at);
      }
      return Dim.of(symbol);
    }
    if (isDigit(peek())) {
      return Dim.of(integer());
    }
    return Dim.of(word());
  }

  private <T> List<T> listUntil(char end, Supplier<T> element) {
    List<T> elements = new ArrayList<>();
    if (accept(end)) {
      return elements;
    }
    do {
      elements.add(element.get());
    } while (accept(','));
    expect(end);
    return elements;
  }

  private String string() {
    int start = next();
    expect('"');
    StringBuilder content = new StringBuilder();
    while (true) {
      if (position >= text.length() || text.charAt(position) == '\n') {
        throw error("the closing '\"' of this string", start);
      }
      char c = text.charAt(position++);
      if (c == '"') {
        return content.toString();
      }
      if (c == '\\') {
        escape(content);
      } else {
        content.append(c);
      }
    }
  }

  private void escape(StringBuilder content) {
    int at = position - 1;
    char kind = position < text.length() ? text.charAt(position++) : ' ';
    switch (kind) {
      case '"', '\\' -> content.append(kind);
      case 'n' -> content.append('\n');
      case 't' -> content.append('\t');
      case 'u' -> {
        int end = text.indexOf('}', position);
        String digits =
            end > position && text.charAt(position) == '{' && end - position <= 7
                ? text.substring(position + 1, end)
                : "";
        if (!digits.matches("[0-9a-f]{1,6}") || Integer.parseInt(digits, 16) > 0x10ffff) {
          throw error("\\u{...} with the code point in hexadecimal", at);
        }
        content.appendCodePoint(Integer.parseInt(digits, 16));
        position = end + 1;
      }
      default -> throw error("one of \\\" \\\\ \\n \\t \\u{...}", at);
    }
  }

  private String literal() {
    int at = next();
    String literal = take(c -> isWordPart(c) || c == '.' || c == '-' || c == '+' || c == ':');
    if (literal.isEmpty()) {
      throw error("a number", at);
    }
    return literal;
  }

  private long integer() {
    int at = next();
    String digits = take(HirParser::isWordPart);
    return located(
        at,
        () -> {
          long value = Literals.parseLong(digits);
          if (value < 0) {
            throw new IrException("'" + digits + "' is negative");
          }
          return value;
        });
  }

  private long signedInteger() {
    int at = next();
    String digits = take(c -> isWordPart(c) || c == '-');
    return located(at, () -> Literals.parseLong(digits));
  }

  private int smallInteger() {
    int at = next();
    long value = integer();
    if (value > Integer.MAX_VALUE) {
      throw error("an integer of 31 bits", at);
    }
    return (int) value;
  }

  private String word() {
    int at = next();
    String word = take(HirParser::isWordPart);
    if (!Literals.isWord(word)) {
      throw error("a word", at);
    }
    return word;
  }

  private void expectWord(String word) {
    if (!acceptWord(word)) {
      throw error("'" + word + "'", position);
    }
  }

  private boolean acceptWord(String word) {
    int at = next();
    int end = at + word.length();
    if (text.startsWith(word, at) && (end == text.length() || !isWordPart(text.charAt(end)))) {
      position = end;
      return true;
    }
    return false;
  }

  private void expect(char wanted) {
    if (!accept(wanted)) {
      throw error("'" + wanted + "'", position);
    }
  }

  private boolean accept(char wanted) {
    if (next() < text.length() && text.charAt(position) == wanted) {
      position++;
      return true;
    }
    return false;
  }

  /** The character here; a space at the end of the text. */
  private char peek() {
    return position < text.length() ? text.charAt(position) : ' ';
  }

  private String take(IntPredicate part) {
    int start = position;
    while (position < text.length() && part.test(text.charAt(position))) {
      position++;
    }
    return text.substring(start, position);
  }

  /** Goes over blanks and comments. */
  private int next() {
    while (position < text.length()) {
      char c = text.charAt(position);
      if (c == '#') {
        int end = text.indexOf('\n', position);
        position = end < 0 ? text.length() : end;
      } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        position++;
      } else {
        break;
      }
    }
    return position;
  }

  private static boolean isWordPart(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || isDigit(c) || c == '_';
  }

  private static boolean isDigit(int c) {
    return c >= '0' && c <= '9';
  }

  /** Gives what the IR does not accept the place where it is written. */
  private <T> T located(int at, Supplier<T> action) {
    try {
      return action.get();
    } catch (HirException e) {
      throw e;
    } catch (RuntimeException e) {
      // Not only IrException: what an operator does with senseless attributes is not for us to say.
      throw failure(String.valueOf(e.getMessage()), at, Optional.of(e));
    }
  }

  private HirException error(String expected, int at) {
    String found =
        at >= text.length() ? "the end of the text" : "'" + text.substring(at, endOfWord(at)) + "'";
    return failure("expected " + expected + ", found " + found, at, Optional.empty());
  }

  private int endOfWord(int at) {
    int end = at + 1;
    while (end < text.length() && end < at + 20 && isWordPart(text.charAt(end))) {
      end++;
    }
    return end;
  }

  private HirException failure(String what, int at, Optional<Throwable> cause) {
    int place = Math.min(at, text.length());
    int lineStart = text.lastIndexOf('\n', place - 1) + 1;
    int lineEnd = text.indexOf('\n', place);
    int line = 1 + (int) text.substring(0, lineStart).chars().filter(c -> c == '\n').count();
    int column = place - lineStart + 1;
    // Of a long line only what is around the place is shown.
    int from = Math.max(lineStart, place - SHOWN);
    int to = Math.min(lineEnd < 0 ? text.length() : lineEnd, place + SHOWN);
    String message =
        "line "
            + line
            + ":"
            + column
            + ": "
            + what
            + "\n  "
            + text.substring(from, to)
            + "\n  "
            + " ".repeat(place - from)
            + "^";
    return cause
        .map(reason -> new HirException(message, line, column, reason))
        .orElseGet(() -> new HirException(message, line, column));
  }
}
