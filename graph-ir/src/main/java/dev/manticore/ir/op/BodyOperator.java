package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * An operator of our own that is defined by a graph of standard ones. The definition is written
 * once, in {@link Definition#build}, and serves as decomposition, as model-local function and, in
 * double precision, as reference.
 *
 * @param weights the inputs whose extents the body may depend on: a kernel's width, a number of
 *     channels
 */
record BodyOperator(
    String name, ImmutableSet<Integer> weights, Inference inference, Definition definition)
    implements Operator {

  /** The types of the outputs. */
  @FunctionalInterface
  interface Inference {
    List<TensorType> infer(Call call);
  }

  /**
   * The operator in standard ones: from the values of its inputs (those that are there) to its
   * outputs.
   */
  @FunctionalInterface
  interface Definition {
    List<Value> build(Ops ops, Call call, List<Value> inputs);
  }

  @Override
  public ImmutableList<TensorType> infer(Call call) {
    return ImmutableList.copyOf(inference.infer(call));
  }

  @Override
  public boolean hasBody() {
    return true;
  }

  @Override
  public Optional<Graph> body(Call call) {
    GraphEditor editor = new GraphEditor(name);
    Ops ops = new Ops(editor);
    List<Value> inputs = new ArrayList<>();
    for (int i = 0; i < call.inputCount(); i++) {
      if (call.hasInput(i)) {
        inputs.add(editor.input("in" + i, generic(call.type(i), weights.contains(i))));
      }
    }
    definition.build(ops, call, inputs).forEach(editor::output);
    return Optional.of(editor.freezeLive());
  }

  @Override
  public List<NdArray> evaluate(Evaluation evaluation) {
    List<Optional<Value>> values = new ArrayList<>();
    List<NdArray> operands = new ArrayList<>();
    for (int i = 0; i < evaluation.inputCount(); i++) {
      if (evaluation.hasInput(i)) {
        NdArray operand = evaluation.input(i);
        long[] extents = Arrays.stream(operand.shape()).asLongStream().toArray();
        values.add(
            Optional.of(
                new Value("in" + i, new TensorType(operand.elementType(), Shape.of(extents)))));
        operands.add(operand);
      } else {
        values.add(Optional.empty());
      }
    }
    Function<Value, Optional<Tensor>> unknown = value -> Optional.empty();
    Call call =
        new Call(
            OpId.manticore(name),
            evaluation.attributes(),
            ImmutableList.copyOf(values),
            evaluation.outputCount(),
            unknown);
    return new Interpreter().runBody(body(call).orElseThrow(), operands);
  }

  private static TensorType generic(TensorType type, boolean keepExtents) {
    if (keepExtents || !type.shape().isRanked()) {
      return type;
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < type.shape().rank(); axis++) {
      dims.add(Dim.UNKNOWN);
    }
    return type.withShape(Shape.of(dims));
  }
}
