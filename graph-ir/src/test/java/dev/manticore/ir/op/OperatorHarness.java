package dev.manticore.ir.op;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Runs one operator, and checks on the way that what is inferred is what is computed. */
final class OperatorHarness {

  private OperatorHarness() {}

  static int[] shape(int... extents) {
    return extents;
  }

  static NdArray floats(int[] shape, double... values) {
    return NdArray.of(ElementType.FLOAT32, shape, values);
  }

  static NdArray floats(double... values) {
    return floats(shape(values.length), values);
  }

  static NdArray longs(int[] shape, double... values) {
    return NdArray.of(ElementType.INT64, shape, values);
  }

  static NdArray longs(double... values) {
    return longs(shape(values.length), values);
  }

  static NdArray bools(double... values) {
    return NdArray.of(ElementType.BOOL, shape(values.length), values);
  }

  /** 0, 1, 2 and so on. */
  static NdArray iota(int... shape) {
    double[] values = new double[NdArray.count(shape)];
    Arrays.setAll(values, i -> i);
    return floats(shape, values);
  }

  static NdArray run(String name, Attributes attributes, NdArray... inputs) {
    return runAll(OpId.onnx(name), attributes, 1, inputs).get(0);
  }

  static NdArray run(String name, NdArray... inputs) {
    return run(name, Attributes.NONE, inputs);
  }

  /** Runs an operator; an input may be null where it is left out. */
  static List<NdArray> runAll(OpId op, Attributes attributes, int outputCount, NdArray... inputs) {
    Operator operator = Catalogue.standard().find(op).orElseThrow();
    List<Optional<NdArray>> operands = Arrays.stream(inputs).map(Optional::ofNullable).toList();
    List<NdArray> results =
        operator.evaluate(new Evaluation(op, attributes, operands, outputCount));
    Map<Value, Tensor> known = new IdentityHashMap<>();
    List<Optional<Value>> values = new ArrayList<>();
    for (Optional<NdArray> operand : operands) {
      Optional<Value> value =
          operand.map(array -> new Value("input" + values.size(), array.type()));
      value.ifPresent(made -> known.put(made, operand.orElseThrow().toTensor()));
      values.add(value);
    }
    // With the operands known, with only their types known, and with no extent known.
    List<TensorType> sharp = infer(operator, op, attributes, outputCount, values, known);
    List<TensorType> typed = infer(operator, op, attributes, outputCount, values, Map.of());
    List<Optional<Value>> vague =
        values.stream()
            .map(
                value ->
                    value.map(
                        made ->
                            new Value(
                                made.name(),
                                made.type().withShape(Inference.ofRank(made.shape().rank())))))
            .toList();
    List<TensorType> loose = infer(operator, op, attributes, outputCount, vague, Map.of());
    for (int i = 0; i < outputCount; i++) {
      checkFits(sharp.get(i), results.get(i));
      checkFits(typed.get(i), results.get(i));
      checkFits(loose.get(i), results.get(i));
    }
    return results;
  }

  private static List<TensorType> infer(
      Operator operator,
      OpId op,
      Attributes attributes,
      int outputCount,
      List<Optional<Value>> values,
      Map<Value, Tensor> known) {
    return operator.infer(
        new Call(
            op,
            attributes,
            ImmutableList.copyOf(values),
            outputCount,
            value -> Optional.ofNullable(known.get(value))));
  }

  private static void checkFits(TensorType inferred, NdArray computed) {
    assertThat(inferred.elementType()).isEqualTo(computed.elementType());
    if (!inferred.shape().isRanked()) {
      return;
    }
    assertThat(inferred.shape().rank()).as("rank of %s", inferred).isEqualTo(computed.rank());
    for (int axis = 0; axis < computed.rank(); axis++) {
      Dim dim = inferred.shape().dim(axis);
      if (dim.isKnown()) {
        assertThat(dim.extent()).as("axis %s of %s", axis, inferred).isEqualTo(computed.dim(axis));
      }
    }
  }

  /** What is inferred for operands of these types, of which some integer ones are known. */
  static TensorType infer(String name, Attributes attributes, Object... operands) {
    OpId op = OpId.onnx(name);
    List<Optional<Value>> values = new ArrayList<>();
    Map<Value, Tensor> known = new IdentityHashMap<>();
    for (Object operand : operands) {
      if (operand instanceof Tensor tensor) {
        Value value = new Value("input" + values.size(), tensor.type());
        known.put(value, tensor);
        values.add(Optional.of(value));
      } else {
        values.add(Optional.of(new Value("input" + values.size(), (TensorType) operand)));
      }
    }
    return infer(Catalogue.standard().find(op).orElseThrow(), op, attributes, 1, values, known)
        .get(0);
  }

  /** A type of floats; numbers are extents, strings symbols, {@code "?"} nothing known. */
  static TensorType type(Object... dims) {
    return type(ElementType.FLOAT32, dims);
  }

  static TensorType type(ElementType elementType, Object... dims) {
    List<Dim> made = new ArrayList<>();
    for (Object dim : dims) {
      made.add(
          dim instanceof Integer extent
              ? Dim.of(extent)
              : dim.equals("?") ? Dim.UNKNOWN : Dim.of((String) dim));
    }
    return new TensorType(elementType, Shape.of(made));
  }
}
