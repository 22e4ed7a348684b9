package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Floats;
import com.google.common.primitives.Longs;
import java.util.function.UnaryOperator;

/** The value of a node's attribute. */
public sealed interface Attribute {

  /** The subgraphs that it consists of; most attributes have none. */
  default ImmutableList<Graph> graphs() {
    return ImmutableList.of();
  }

  /** The same attribute with its subgraphs changed. */
  default Attribute mapGraphs(UnaryOperator<Graph> change) {
    return this;
  }

  static Attribute of(long value) {
    return new IntValue(value);
  }

  static Attribute of(float value) {
    return new FloatValue(value);
  }

  static Attribute of(String value) {
    return new StringValue(value);
  }

  static Attribute of(Tensor value) {
    return new TensorValue(value);
  }

  static Attribute of(Graph value) {
    return new GraphValue(value);
  }

  static Attribute ofInts(long... values) {
    return new IntsValue(ImmutableList.copyOf(Longs.asList(values)));
  }

  static Attribute ofFloats(float... values) {
    return new FloatsValue(ImmutableList.copyOf(Floats.asList(values)));
  }

  static Attribute ofStrings(String... values) {
    return new StringsValue(ImmutableList.copyOf(values));
  }

  /** An integer. */
  record IntValue(long value) implements Attribute {}

  /** A float. */
  record FloatValue(float value) implements Attribute {}

  /** A string, held as text; {@link Utf8} says how ONNX's bytes become it. */
  record StringValue(String value) implements Attribute {
    public StringValue {
      requireNonNull(value, "value");
    }
  }

  /** A tensor. */
  record TensorValue(Tensor value) implements Attribute {
    public TensorValue {
      requireNonNull(value, "value");
    }
  }

  /** A subgraph, which may read values of the graphs around it. */
  record GraphValue(Graph value) implements Attribute {
    public GraphValue {
      requireNonNull(value, "value");
    }

    @Override
    public ImmutableList<Graph> graphs() {
      return ImmutableList.of(value);
    }

    @Override
    public Attribute mapGraphs(UnaryOperator<Graph> change) {
      return new GraphValue(change.apply(value));
    }
  }

  /** A sparse tensor. */
  record SparseTensorValue(SparseTensor value) implements Attribute {
    public SparseTensorValue {
      requireNonNull(value, "value");
    }
  }

  /** A type. */
  record TypeValue(ValueType value) implements Attribute {
    public TypeValue {
      requireNonNull(value, "value");
    }
  }

  /** A list of integers. */
  record IntsValue(ImmutableList<Long> values) implements Attribute {
    public long[] toArray() {
      return Longs.toArray(values);
    }
  }

  /** A list of floats. */
  record FloatsValue(ImmutableList<Float> values) implements Attribute {
    public float[] toArray() {
      return Floats.toArray(values);
    }
  }

  /** A list of strings. */
  record StringsValue(ImmutableList<String> values) implements Attribute {}

  /** A list of tensors. */
  record TensorsValue(ImmutableList<Tensor> values) implements Attribute {}

  /** A list of subgraphs. */
  record GraphsValue(ImmutableList<Graph> values) implements Attribute {
    @Override
    public ImmutableList<Graph> graphs() {
      return values;
    }

    @Override
    public Attribute mapGraphs(UnaryOperator<Graph> change) {
      return new GraphsValue(values.stream().map(change).collect(ImmutableList.toImmutableList()));
    }
  }

  /** A list of sparse tensors. */
  record SparseTensorsValue(ImmutableList<SparseTensor> values) implements Attribute {}

  /** A list of types. */
  record TypesValue(ImmutableList<ValueType> values) implements Attribute {}

  /**
   * Inside a model-local function: the attribute of that name of the function's call.
   *
   * @param onnxType the number of ONNX's {@code AttributeProto.AttributeType}
   */
  record Reference(String name, int onnxType) implements Attribute {}
}
