package dev.manticore.ir.text;

import static java.util.Objects.requireNonNull;

import dev.manticore.ir.Annotations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Prints graphs in the textual form. Equal graphs give equal texts, and {@link HirParser} reads
 * them back exactly, but for the values of tensors that are elided.
 */
public final class HirPrinter {

  /** Tensors of at most so many elements are printed with their values. */
  public static final int SMALL = 64;

  private static final int WINDOW = 1 << 16;

  /** Which tensors are printed with their values. */
  public enum Tensors {
    /** Those of at most {@link #SMALL} elements; the others as the hash of their bytes. */
    SMALL,
    /** All of them. */
    ALL,
    /** None, nor are they read to be hashed: structure alone. */
    NONE
  }

  private final StringBuilder text = new StringBuilder();
  private final Tensors tensors;
  private int depth;

  private HirPrinter(Tensors tensors) {
    this.tensors = requireNonNull(tensors, "tensors");
  }

  public static String print(Graph graph) {
    return print(graph, Tensors.SMALL);
  }

  public static String print(Graph graph, Tensors tensors) {
    HirPrinter printer = new HirPrinter(tensors);
    printer.line("hir 1");
    printer.graph(graph);
    printer.text.append('\n');
    return printer.text.toString();
  }

  private void graph(Graph graph) {
    text.append("graph ").append(Literals.quoted(graph.name())).append(" {\n");
    depth++;
    graph
        .opsets()
        .forEach((domain, version) -> line("opset " + Literals.quoted(domain) + " " + version));
    graph
        .metadata()
        .forEach(
            (key, value) ->
                line("metadata " + Literals.quoted(key) + " = " + Literals.quoted(value)));
    if (!graph.model().equals(Graph.ModelInfo.NONE)) {
      line(
          "model "
              + Literals.quoted(graph.model().domain())
              + " "
              + graph.model().version()
              + " "
              + Literals.quoted(graph.model().doc()));
    }
    if (!graph.annotations().equals(Annotations.NONE)) {
      line(note(graph.annotations()).strip());
    }
    graph.functions().forEach(function -> function(function, graph));
    graph.inputs().forEach(input -> line("input " + typed(input)));
    graph
        .parameters()
        .forEach(
            (parameter, tensor) -> line("parameter " + typed(parameter) + " = " + values(tensor)));
    graph.nodes().forEach(node -> node(node, graph));
    graph.outputs().forEach(output -> line("output " + Literals.valueName(output.name())));
    depth--;
    indent();
    text.append('}');
  }

  private void function(Graph.Function function, Graph graph) {
    indent();
    text.append("function ")
        .append(operator(function.op(), graph))
        .append('(')
        .append(joined(function.attributes(), Literals::quoted))
        .append(")");
    attributes(function.defaults());
    text.append(' ');
    graph(function.body());
    text.append('\n');
  }

  private void node(Node node, Graph graph) {
    indent();
    text.append(
            node.outputs().isEmpty()
                ? "()"
                : joined(node.outputs(), output -> output.map(HirPrinter::typed).orElse("_")))
        .append(" = ")
        .append(operator(node.op(), graph))
        .append('(')
        .append(
            joined(
                node.inputs(),
                input -> input.map(value -> Literals.valueName(value.name())).orElse("_")))
        .append(')');
    attributes(node.attributes());
    if (!node.name().equals(defaultName(node.outputs()))) {
      text.append(' ').append(Literals.quoted(node.name()));
    }
    origin(node.origin());
    text.append(note(node.annotations())).append('\n');
  }

  /** What a node is called if its text does not tell. */
  static String defaultName(List<Optional<Value>> outputs) {
    return outputs.stream().flatMap(Optional::stream).findFirst().map(Value::name).orElse("");
  }

  private void origin(Origin origin) {
    if (!origin.model().isEmpty() || !origin.nodes().isEmpty()) {
      text.append(" from ").append(Literals.quoted(origin.model()));
      if (!origin.nodes().isEmpty()) {
        text.append(" [").append(joined(origin.nodes(), Literals::quoted)).append(']');
      }
    }
    if (!origin.pass().isEmpty()) {
      text.append(" by ").append(Literals.quoted(origin.pass()));
    }
  }

  private void attributes(Attributes attributes) {
    if (attributes.values().isEmpty()) {
      return;
    }
    text.append(" {");
    String separator = "";
    for (Map.Entry<String, Attribute> attribute : attributes.values().entrySet()) {
      text.append(separator).append(Literals.word(attribute.getKey())).append(" = ");
      attribute(attribute.getValue());
      separator = ", ";
    }
    text.append('}');
  }

  private void attribute(Attribute attribute) {
    if (attribute instanceof Attribute.GraphValue subgraph) {
      graph(subgraph.value());
    } else if (attribute instanceof Attribute.GraphsValue subgraphs) {
      text.append("graphs[");
      String separator = "";
      for (Graph subgraph : subgraphs.values()) {
        text.append(separator);
        graph(subgraph);
        separator = ", ";
      }
      text.append(']');
    } else {
      text.append(plain(attribute));
    }
  }

  /** An attribute without subgraphs. */
  private String plain(Attribute attribute) {
    if (attribute instanceof Attribute.IntValue value) {
      return Long.toString(value.value());
    } else if (attribute instanceof Attribute.FloatValue value) {
      return Literals.of(value.value());
    } else if (attribute instanceof Attribute.StringValue value) {
      return Literals.quoted(value.value());
    } else if (attribute instanceof Attribute.IntsValue value) {
      return list("ints", value.values(), number -> Long.toString(number));
    } else if (attribute instanceof Attribute.FloatsValue value) {
      return list("floats", value.values(), number -> Literals.of((float) number));
    } else if (attribute instanceof Attribute.StringsValue value) {
      return list("strings", value.values(), Literals::quoted);
    } else if (attribute instanceof Attribute.Reference reference) {
      return "ref(" + Literals.quoted(reference.name()) + ", " + reference.onnxType() + ")";
    } else if (attribute instanceof Attribute.TensorValue value) {
      return tensor(value.value());
    } else if (attribute instanceof Attribute.TensorsValue value) {
      return "tensors[" + joined(value.values(), this::tensor) + "]";
    } else if (attribute instanceof Attribute.SparseTensorValue value) {
      return sparse(value.value());
    } else if (attribute instanceof Attribute.SparseTensorsValue value) {
      return "sparses[" + joined(value.values(), this::sparse) + "]";
    } else if (attribute instanceof Attribute.TypeValue value) {
      return "type(" + type(value.value()) + ")";
    } else if (attribute instanceof Attribute.TypesValue value) {
      return "types[" + joined(value.values(), HirPrinter::type) + "]";
    }
    throw new AssertionError("a kind of attribute that is not printed: " + attribute);
  }

  private String tensor(Tensor tensor) {
    return type(tensor.type()) + values(tensor);
  }

  private String sparse(SparseTensor sparse) {
    return "sparse("
        + joined(sparse.shape().dims(), HirPrinter::dim)
        + ": "
        + tensor(sparse.values())
        + " at "
        + tensor(sparse.indices())
        + ")";
  }

  /** The kind of an empty list cannot be seen from its elements. */
  private static <T> String list(String kind, List<T> elements, Function<T, String> printed) {
    return (elements.isEmpty() ? kind : "") + "[" + joined(elements, printed) + "]";
  }

  private static String operator(OpId op, Graph graph) {
    boolean plain =
        (op.domain().isEmpty() || Literals.isDotted(op.domain())) && Literals.isWord(op.name());
    Integer version = graph.opsets().get(op.domain());
    String dotted = op.domain().isEmpty() ? op.name() : op.domain() + "." + op.name();
    return (plain ? dotted : Literals.quoted(op.domain()) + "." + Literals.quoted(op.name()))
        + (version != null && version == op.version() ? "" : "@" + op.version())
        + (op.overload().isEmpty() ? "" : ":" + Literals.quoted(op.overload()));
  }

  private static String typed(Value value) {
    return Literals.valueName(value.name())
        + ": "
        + type(value.valueType())
        + note(value.annotations());
  }

  /** What a file says besides; nothing for most things. */
  private static String note(Annotations annotations) {
    if (annotations.equals(Annotations.NONE)) {
      return "";
    }
    List<String> parts = new ArrayList<>();
    if (!annotations.doc().isEmpty()) {
      parts.add("doc " + Literals.quoted(annotations.doc()));
    }
    annotations.metadata().forEach((key, value) -> parts.add(entry("metadata", key, value)));
    annotations
        .quantization()
        .forEach((key, value) -> parts.add(entry("quantization", key, value)));
    if (!annotations.denotations().isEmpty()) {
      parts.add("denotations [" + joined(annotations.denotations(), Literals::quoted) + "]");
    }
    if (annotations.typing() == Annotations.Typing.GUESSED) {
      parts.add("guessed");
    }
    return " note {" + String.join(", ", parts) + "}";
  }

  private static String entry(String kind, String key, String value) {
    return kind + " " + Literals.quoted(key) + " = " + Literals.quoted(value);
  }

  static String type(ValueType type) {
    if (type instanceof TensorType tensor) {
      return tensorType(tensor);
    } else if (type instanceof ValueType.SequenceType sequence) {
      return "seq(" + type(sequence.element()) + ")";
    } else if (type instanceof ValueType.OptionalType optional) {
      return "optional(" + type(optional.element()) + ")";
    } else if (type instanceof ValueType.MapType map) {
      return "map(" + map.key().text() + ", " + type(map.value()) + ")";
    } else if (type instanceof ValueType.SparseTensorType sparse) {
      return "sparse(" + tensorType(sparse.dense()) + ")";
    } else if (type instanceof ValueType.OpaqueType opaque) {
      return "opaque("
          + Literals.quoted(opaque.domain())
          + ", "
          + Literals.quoted(opaque.name())
          + ")";
    }
    throw new AssertionError("a kind of type that is not printed: " + type);
  }

  private static String tensorType(TensorType type) {
    return type.elementType().text()
        + (type.shape().isRanked()
            ? type.shape().dims().stream()
                .map(HirPrinter::dim)
                .collect(Collectors.joining(",", "[", "]"))
            : "*");
  }

  private static String dim(Dim dim) {
    return dim instanceof Dim.Symbolic symbol ? Literals.word(symbol.name()) : dim.toString();
  }

  private String values(Tensor tensor) {
    if (tensor.data() instanceof SparseTensor.Dense dense) {
      return sparse(dense.sparse());
    }
    if (tensor.data() instanceof TensorResolver.NoData gone) {
      return elided(gone.elided().sha256());
    }
    boolean inline =
        switch (tensors) {
          case SMALL -> tensor.shape().elementCount() <= SMALL;
          case ALL -> true;
          case NONE -> false;
        };
    if (!inline) {
      return elided(tensors == Tensors.NONE ? "" : sha256(tensor));
    }
    if (tensor.elementType() == ElementType.STRING) {
      return "{" + joined(tensor.toStrings(), Literals::quoted) + "}";
    }
    ByteBuffer bytes = ByteBuffer.wrap(tensor.data().toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    int count =
        Math.toIntExact(tensor.shape().elementCount()) * Literals.parts(tensor.elementType());
    StringBuilder values = new StringBuilder("{");
    for (int i = 0; i < count; i++) {
      values.append(i == 0 ? "" : ", ").append(Literals.element(bytes, tensor.elementType(), i));
    }
    return values.append('}').toString();
  }

  private static String elided(String sha256) {
    return sha256.isEmpty() ? "<elided>" : "<sha256:" + sha256 + ">";
  }

  /** SHA-256 of a tensor's bytes, in hexadecimal: what is printed of an elided one. */
  public static String sha256(Tensor tensor) {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
    long size = tensor.data().byteSize();
    ByteBuffer window = ByteBuffer.allocate((int) Math.min(WINDOW, size));
    for (long offset = 0; offset < size; offset += WINDOW) {
      window.clear().limit((int) Math.min(WINDOW, size - offset));
      tensor.data().read(offset, window);
      digest.update(window.flip());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static <T> String joined(List<T> elements, Function<T, String> printed) {
    return elements.stream().map(printed).collect(Collectors.joining(", "));
  }

  private void line(String line) {
    indent();
    text.append(line).append('\n');
  }

  private void indent() {
    text.append("  ".repeat(depth));
  }
}
