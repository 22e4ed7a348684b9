package dev.manticore.ir.text;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.Annotations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Utf8;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Small well-formed graphs that differ in all that a graph can differ in: standard operators of
 * inferred types, operators that nobody knows, subgraphs with captures, functions, absent operands,
 * names and strings of any characters, tensors of any bits. One seed always gives one graph.
 */
public final class RandomGraphs {

  private static final int DEEPEST = 3;
  private static final List<String> WORDS =
      List.of(
          "x",
          "h.0/attn",
          "7",
          "a b",
          "\"quoted\"",
          "back\\slash",
          "new\nline",
          "é漢字",
          "😀",
          "\ud800",
          "\u0000\u007f\u202e",
          "%",
          "#",
          "_",
          "ints",
          "nan");

  private final Random random;

  private RandomGraphs(long seed) {
    this.random = new Random(seed);
  }

  public static Graph graph(long seed) {
    return new RandomGraphs(seed).standalone("g" + seed, 0);
  }

  private Graph standalone(String name, int depth) {
    GraphEditor editor = new GraphEditor(name);
    if (random.nextBoolean()) {
      editor.opset(OpId.ONNX, 13 + random.nextInt(12));
    }
    for (int i = random.nextInt(3); i > 0; i--) {
      editor.metadata(text(), text());
    }
    if (depth == 0 && random.nextInt(3) == 0) {
      editor.function(
          new Graph.Function(
              operator(),
              ImmutableList.of("alpha", text() + "2"),
              random.nextBoolean() ? Attributes.NONE : Attributes.of(text(), random.nextLong()),
              standalone(text(), 1)));
    }
    if (random.nextBoolean()) {
      editor.model(new Graph.ModelInfo(text(), random.nextLong(), text()));
    }
    fill(editor, new ArrayList<>(), depth);
    return editor.freeze();
  }

  private void fill(GraphEditor editor, List<Value> around, int depth) {
    editor.annotations(annotations());
    List<Value> values = new ArrayList<>(around);
    for (int i = random.nextInt(3); i > 0; i--) {
      Value input = new Value(editor.freshName(text()), valueType(0), annotations());
      editor.addInput(input);
      values.add(input);
    }
    for (int i = random.nextInt(3); i > 0; i--) {
      Tensor tensor = random.nextInt(4) == 0 ? sparse().dense() : tensor();
      Value parameter = new Value(editor.freshName(text()), tensor.type(), annotations());
      editor.setParameter(parameter, tensor);
      values.add(parameter);
    }
    for (int i = random.nextInt(6); i > 0; i--) {
      editor.withOrigin(origin());
      values.addAll(
          random.nextBoolean() ? standardNode(editor, values) : strangeNode(editor, values, depth));
    }
    for (int i = random.nextInt(3); i > 0 && !values.isEmpty(); i--) {
      editor.output(any(values));
    }
  }

  /** A constant, or an elementwise or movement operator on one; types are inferred. */
  private List<Value> standardNode(GraphEditor editor, List<Value> values) {
    int rows = 1 + random.nextInt(3);
    float[] elements = new float[2 * rows];
    for (int i = 0; i < elements.length; i++) {
      elements[i] = random.nextFloat();
    }
    Value constant = editor.constant(text(), Tensor.ofFloats(Shape.of(rows, 2), elements));
    Value result =
        switch (random.nextInt(5)) {
          case 0 -> editor.add(OpId.onnx("Relu"), constant);
          case 1 -> editor.add(OpId.onnx("Add"), constant, constant);
          case 2 ->
              editor.add(
                  OpId.onnx("Transpose"), Attributes.of("perm", Attribute.ofInts(1, 0)), constant);
          case 3 -> editor.add(OpId.onnx("Shape"), constant);
          default -> editor.add(OpId.onnx("Identity"), anyTensor(values).orElse(constant));
        };
    return List.of(constant, result);
  }

  private List<Value> strangeNode(GraphEditor editor, List<Value> values, int depth) {
    List<Optional<Value>> inputs = new ArrayList<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      inputs.add(
          values.isEmpty() || random.nextInt(4) == 0 ? Optional.empty() : Optional.of(any(values)));
    }
    Map<String, Attribute> attributes = new LinkedHashMap<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      attributes.put(text(), attribute(editor, values, depth));
    }
    List<Value> results = new ArrayList<>();
    List<Optional<Value>> outputs = new ArrayList<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      if (random.nextInt(4) == 0) {
        outputs.add(Optional.empty());
      } else {
        Value result = new Value(editor.freshName(text()), valueType(0), annotations());
        results.add(result);
        outputs.add(Optional.of(result));
      }
    }
    editor.addNode(
        new Node(
            operator(),
            random.nextBoolean() ? "" : text(),
            Attributes.of(attributes),
            ImmutableList.copyOf(inputs),
            ImmutableList.copyOf(outputs),
            origin(),
            annotations()));
    return results;
  }

  private Attribute attribute(GraphEditor editor, List<Value> values, int depth) {
    switch (random.nextInt(14)) {
      case 0:
        return Attribute.of(random.nextLong());
      case 1:
        return Attribute.of(Float.intBitsToFloat(random.nextInt()));
      case 2:
        return Attribute.of(text());
      case 3:
        return Attribute.ofInts(random.longs(random.nextInt(3)).toArray());
      case 4:
        return random.nextBoolean()
            ? Attribute.ofFloats()
            : Attribute.ofFloats(
                random.nextFloat(), -0f, Float.NEGATIVE_INFINITY, Float.NaN, 1e30f);
      case 5:
        return random.nextBoolean() ? Attribute.ofStrings() : Attribute.ofStrings(text(), text());
      case 6:
        return Attribute.of(tensor());
      case 7:
        return new Attribute.Reference(text(), random.nextInt(15));
      case 8:
        return new Attribute.TensorsValue(
            random.nextBoolean() ? ImmutableList.of() : ImmutableList.of(tensor(), tensor()));
      case 9:
        return new Attribute.SparseTensorValue(sparse());
      case 10:
        return new Attribute.SparseTensorsValue(ImmutableList.of(sparse(), sparse()));
      case 11:
        return new Attribute.TypeValue(valueType(0));
      case 12:
        return new Attribute.TypesValue(ImmutableList.of(valueType(0), valueType(0)));
      default:
        if (depth == DEEPEST) {
          return Attribute.of(1);
        }
        return random.nextBoolean()
            ? Attribute.of(subgraph(editor, values, depth))
            : new Attribute.GraphsValue(
                ImmutableList.of(subgraph(editor, values, depth), subgraph(editor, values, depth)));
    }
  }

  private Graph subgraph(GraphEditor editor, List<Value> values, int depth) {
    GraphEditor subgraph = editor.subgraph(text());
    fill(subgraph, values, depth + 1);
    return subgraph.freeze();
  }

  private Annotations annotations() {
    if (random.nextInt(3) > 0) {
      return Annotations.NONE;
    }
    return new Annotations(
        random.nextBoolean() ? "" : text(),
        ImmutableSortedMap.of(text(), text()),
        random.nextBoolean() ? ImmutableSortedMap.of() : ImmutableSortedMap.of(text(), text()),
        random.nextBoolean() ? ImmutableList.of() : ImmutableList.of(text(), ""),
        random.nextBoolean() ? Annotations.Typing.KNOWN : Annotations.Typing.GUESSED);
  }

  private SparseTensor sparse() {
    Tensor values =
        Tensor.ofDoubles(
            ElementType.FLOAT16, Shape.of(2), random.nextInt(100), random.nextInt(100));
    return random.nextBoolean()
        ? new SparseTensor(values, Tensor.vector(3, 7 + random.nextInt(5)), Shape.of(3, 4))
        : new SparseTensor(
            values, Tensor.ofLongs(Shape.of(2, 2), 0, 3, 1, random.nextInt(4)), Shape.of(3, 4));
  }

  private ValueType valueType(int depth) {
    if (depth == DEEPEST || random.nextInt(3) > 0) {
      return type();
    }
    return switch (random.nextInt(5)) {
      case 0 -> new ValueType.SequenceType(valueType(depth + 1));
      case 1 -> new ValueType.OptionalType(valueType(depth + 1));
      case 2 -> new ValueType.MapType(ElementType.INT64, valueType(depth + 1));
      case 3 -> new ValueType.SparseTensorType(type());
      default -> new ValueType.OpaqueType(text(), text());
    };
  }

  private Tensor tensor() {
    ElementType[] types = ElementType.values();
    ElementType type = types[random.nextInt(types.length)];
    Shape shape =
        switch (random.nextInt(4)) {
          case 0 -> Shape.scalar();
          case 1 -> Shape.of(0, 2);
          case 2 -> Shape.of(1 + random.nextInt(100));
          default -> Shape.of(2, 1 + random.nextInt(3));
        };
    if (type == ElementType.STRING) {
      List<String> strings = new ArrayList<>();
      for (long i = shape.elementCount(); i > 0; i--) {
        strings.add(Utf8.decode(Utf8.encode(text())));
      }
      return Tensor.ofStrings(shape, strings);
    }
    byte[] bytes = new byte[(int) new TensorType(type, shape).byteSize()];
    random.nextBytes(bytes);
    int left = (int) (8L * bytes.length - shape.elementCount() * type.bitSize());
    if (left > 0) {
      // What fills the last byte belongs to no element.
      bytes[bytes.length - 1] &= (byte) ((1 << 8 - left) - 1);
    }
    return new Tensor(new TensorType(type, shape), TensorData.ofBytes(bytes));
  }

  private TensorType type() {
    ElementType[] types = ElementType.values();
    ElementType type = types[random.nextInt(types.length)];
    if (random.nextInt(4) == 0) {
      return new TensorType(type, Shape.unranked());
    }
    List<Dim> dims = new ArrayList<>();
    for (int i = random.nextInt(4); i > 0; i--) {
      dims.add(
          switch (random.nextInt(3)) {
            case 0 -> Dim.of(random.nextInt(100));
            case 1 -> Dim.of(random.nextBoolean() ? "batch" : text());
            default -> Dim.UNKNOWN;
          });
    }
    return new TensorType(type, Shape.of(dims));
  }

  private OpId operator() {
    return switch (random.nextInt(3)) {
      case 0 -> new OpId("com.example", "Op", 1 + random.nextInt(3));
      case 1 -> new OpId("pkg.torch", "aten::add", 1, random.nextBoolean() ? "" : text());
      default -> new OpId(text(), text(), 2);
    };
  }

  private Optional<Value> anyTensor(List<Value> values) {
    List<Value> tensors = values.stream().filter(Value::isTensor).toList();
    return tensors.isEmpty() ? Optional.empty() : Optional.of(any(tensors));
  }

  private Origin origin() {
    return switch (random.nextInt(4)) {
      case 0 -> Origin.of(text(), text());
      case 1 -> new Origin("", ImmutableList.of(text(), text()), text());
      case 2 -> new Origin(text(), ImmutableList.of(), "");
      default -> Origin.NONE;
    };
  }

  private String text() {
    return any(WORDS);
  }

  private <T> T any(List<T> list) {
    return list.get(random.nextInt(list.size()));
  }
}
