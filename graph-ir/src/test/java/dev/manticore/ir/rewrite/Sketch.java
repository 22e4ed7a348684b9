package dev.manticore.ir.rewrite;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/** A small graph in the making: some inputs and parameters, and operators on them. */
final class Sketch {

  final GraphEditor editor = new GraphEditor("g");
  final Ops ops = new Ops(editor);

  /** Symbolic [batch,length,8]. */
  final Value x = editor.input("x", type("batch", "length", 8));

  final Value y = editor.input("y", type("batch", "length", 8));

  /** Static [2,3,8]. */
  final Value s = editor.input("s", type(2, 3, 8));

  /** Attention scores [batch,2,length,length]. */
  final Value scores = editor.input("scores", type("batch", 2, "length", "length"));

  /** A vector of 8 and matrices of 8 rows. */
  final Value vector = parameter("vector", 8);

  final Value matrix = parameter("matrix", 8, 6);
  final Value table = parameter("table", 5, 8);

  static TensorType type(Object... dims) {
    return new TensorType(
        ElementType.FLOAT32,
        Shape.of(
            Arrays.stream(dims)
                .map(dim -> dim instanceof Integer i ? Dim.of(i) : Dim.of((String) dim))
                .toList()));
  }

  Value parameter(String name, long... shape) {
    Random random = new Random(name.hashCode());
    float[] values = new float[(int) Shape.of(shape).elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = 0.5f + random.nextFloat();
    }
    return editor.parameter(name, Tensor.ofFloats(Shape.of(shape), values));
  }

  Value op(String name, Value... operands) {
    return ops.onnx(name, operands);
  }

  Value op(String name, Attributes attributes, Value... operands) {
    return ops.onnx(name, attributes, operands);
  }

  Value microsoft(String name, Attributes attributes, Value... operands) {
    return editor.add(OpId.microsoft(name), attributes, operands);
  }

  /** An operator whose later outputs are read too. */
  List<Value> all(String name, int outputs, Value... operands) {
    return editor.add(
        OpId.onnx(name),
        name,
        Attributes.NONE,
        Arrays.stream(operands).map(Optional::of).toList(),
        outputs);
  }

  Value c(double value) {
    return ops.scalar(ElementType.FLOAT32, value);
  }

  Value ints(long... values) {
    return ops.ints(values);
  }

  Value scalar(long value) {
    return editor.constant(Tensor.scalar(value));
  }

  Value constant(long... shape) {
    float[] values = new float[(int) Shape.of(shape).elementCount()];
    for (int i = 0; i < values.length; i++) {
      values[i] = i + 2;
    }
    return editor.constant(Tensor.ofFloats(Shape.of(shape), values));
  }

  /** The length of x, a scalar. */
  Value length() {
    return op("Gather", op("Shape", x), scalar(1));
  }

  /** The mean over the last axis. */
  Value mean(Value value) {
    return op("ReduceMean", Attributes.of("keepdims", 1), value, ints(-1));
  }

  /** Makes outputs of values, each through a last operator that no rule knows. */
  Graph finish(Value... values) {
    for (Value value : values) {
      boolean floating = value.elementType().isFloating();
      editor.output(floating ? op("Elu", value) : op("BitwiseNot", value));
    }
    return editor.freeze();
  }
}
