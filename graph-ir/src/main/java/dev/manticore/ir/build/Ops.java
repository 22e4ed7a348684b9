package dev.manticore.ir.build;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Standard operators as methods, over a {@link GraphEditor}: what builders, bodies and backward
 * rules are written in.
 */
public final class Ops {

  private final GraphEditor editor;
  private final Map<Object, Value> scalars = new HashMap<>();

  public Ops(GraphEditor editor) {
    this.editor = editor;
  }

  public GraphEditor editor() {
    return editor;
  }

  public Value add(Value a, Value b) {
    return onnx("Add", a, b);
  }

  public Value sub(Value a, Value b) {
    return onnx("Sub", a, b);
  }

  public Value mul(Value a, Value b) {
    return onnx("Mul", a, b);
  }

  public Value div(Value a, Value b) {
    return onnx("Div", a, b);
  }

  public Value neg(Value a) {
    return onnx("Neg", a);
  }

  public Value exp(Value a) {
    return onnx("Exp", a);
  }

  public Value sqrt(Value a) {
    return onnx("Sqrt", a);
  }

  public Value reciprocal(Value a) {
    return onnx("Reciprocal", a);
  }

  public Value tanh(Value a) {
    return onnx("Tanh", a);
  }

  public Value sigmoid(Value a) {
    return onnx("Sigmoid", a);
  }

  public Value matMul(Value a, Value b) {
    return onnx("MatMul", a, b);
  }

  /** Adds a constant of {@code a}'s element type. */
  public Value add(Value a, double b) {
    return add(a, scalar(a.elementType(), b));
  }

  /** Multiplies with a constant of {@code a}'s element type. */
  public Value mul(Value a, double b) {
    return mul(a, scalar(a.elementType(), b));
  }

  /** {@code a - b} for a constant {@code a}. */
  public Value sub(double a, Value b) {
    return sub(scalar(b.elementType(), a), b);
  }

  /** Swaps the last two axes. */
  public Value transposeLast(Value a) {
    int rank = a.shape().rank();
    long[] permutation = new long[rank];
    for (int axis = 0; axis < rank; axis++) {
      permutation[axis] = axis;
    }
    permutation[rank - 1] = rank - 2;
    permutation[rank - 2] = rank - 1;
    return transpose(a, permutation);
  }

  public Value transpose(Value a, long... permutation) {
    return onnx("Transpose", Attributes.of("perm", Attribute.ofInts(permutation)), a);
  }

  /** Reshapes as ONNX does: 0 keeps an extent, -1 is what remains. */
  public Value reshape(Value a, long... shape) {
    return onnx("Reshape", a, ints(shape));
  }

  /** Reshapes to the shape that {@code like} has. */
  public Value reshapeLike(Value a, Value like) {
    return onnx("Reshape", a, shapeOf(like));
  }

  /** The shape of a value: a constant where it is known. */
  public Value shapeOf(Value a) {
    return a.shape().isRanked() && a.shape().isStatic()
        ? ints(a.shape().extents())
        : onnx("Shape", a);
  }

  /** The extents of axes {@code start} to {@code end} (exclusive) as an {@code int64} vector. */
  public Value shapeOf(Value a, int start, int end) {
    return onnx("Shape", Attributes.of("start", start).with("end", end), a);
  }

  public Value unsqueeze(Value a, long... axes) {
    return onnx("Unsqueeze", a, ints(axes));
  }

  public Value squeeze(Value a, long... axes) {
    return onnx("Squeeze", a, ints(axes));
  }

  public Value reduceSumKeep(Value a, long... axes) {
    return onnx("ReduceSum", Attributes.of("keepdims", 1), a, ints(axes));
  }

  /** Sums over axes, which go. */
  public Value reduceSum(Value a, long... axes) {
    return onnx("ReduceSum", Attributes.of("keepdims", 0), a, ints(axes));
  }

  public Value reduceMeanKeep(Value a, long... axes) {
    return onnx("ReduceMean", Attributes.of("keepdims", 1), a, ints(axes));
  }

  public Value softmax(Value a, int axis) {
    return onnx("Softmax", Attributes.of("axis", axis), a);
  }

  public Value concat(int axis, Value... parts) {
    return onnx("Concat", Attributes.of("axis", axis), parts);
  }

  /** Splits an axis into parts of the given extents. */
  public List<Value> split(Value a, int axis, long... extents) {
    return editor.add(
        OpId.onnx("Split"),
        "Split",
        Attributes.of("axis", axis),
        List.of(Optional.of(a), Optional.of(ints(extents))),
        extents.length);
  }

  /** Takes {@code start} to {@code end} (exclusive) of one axis. */
  public Value slice(Value a, int axis, long start, long end) {
    return onnx("Slice", a, ints(start), ints(end), ints(axis));
  }

  /** Pads one axis with zeros. */
  public Value pad(Value a, int axis, long before, long after) {
    return onnx("Pad", a, ints(before, after), scalar(a.elementType(), 0), ints(axis));
  }

  public Value gather(Value a, Value indices, int axis) {
    return onnx("Gather", Attributes.of("axis", axis), a, indices);
  }

  public Value expand(Value a, Value shape) {
    return onnx("Expand", a, shape);
  }

  public Value cast(Value a, ElementType to) {
    return a.elementType() == to ? a : onnx("Cast", Attributes.of("to", to.onnxNumber()), a);
  }

  public Value where(Value condition, Value then, Value otherwise) {
    return onnx("Where", condition, then, otherwise);
  }

  public Value onnx(String name, Value... operands) {
    return editor.add(OpId.onnx(name), operands);
  }

  public Value onnx(String name, Attributes attributes, Value... operands) {
    return editor.add(OpId.onnx(name), attributes, operands);
  }

  /** A node of our own domain with some outputs. */
  public List<Value> own(String name, Attributes attributes, int outputs, Value... operands) {
    return editor.add(
        OpId.manticore(name),
        name,
        attributes,
        Arrays.stream(operands).map(Optional::of).toList(),
        outputs);
  }

  /** The same value under a name of its own, made unique. */
  public Value named(String name, Value value) {
    Value result = new Value(editor.freshName(name), value.type());
    editor.addNode(
        Node.of(OpId.onnx("Identity"), name, Attributes.NONE, List.of(value), List.of(result)));
    return result;
  }

  /** A scalar constant; equal ones are made once. */
  public Value scalar(ElementType type, double value) {
    record Key(ElementType type, double value) {}
    return scalars.computeIfAbsent(
        new Key(type, value),
        key -> editor.constant("scalar", Tensor.ofDoubles(type, Shape.scalar(), value)));
  }

  /** A vector of {@code int64}; equal ones are made once. */
  public Value ints(long... values) {
    return scalars.computeIfAbsent(
        Arrays.stream(values).boxed().toList(),
        key -> editor.constant("ints", Tensor.vector(values)));
  }

  /** Whether an axis of a value is known to have extent 1. */
  public static boolean isOne(Dim dim) {
    return dim.isKnown() && dim.extent() == 1;
  }
}
