package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Operators that run subgraphs. */
final class ControlOperators {

  /** The first version of {@code Scan} without a batch axis and sequence lengths. */
  private static final int SCAN_WITHOUT_BATCH = 9;

  private ControlOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("If", new Definition(ControlOperators::ifTypes, ControlOperators::evaluateIf))
        .onnx("Loop", new Definition(ControlOperators::loopTypes, ControlOperators::loop))
        .onnx("Scan", new Definition(ControlOperators::scanTypes, ControlOperators::scan))
        .build();
  }

  private static void requireCount(Graph body, String what, int is, int should) {
    if (is != should) {
      throw new IrException(body + " should have " + should + " " + what + ", not " + is);
    }
  }

  private static ImmutableList<TensorType> ifTypes(Call call) {
    Graph yes = call.attributes().graph("then_branch");
    Graph no = call.attributes().graph("else_branch");
    requireCount(no, "outputs", no.outputs().size(), yes.outputs().size());
    ImmutableList.Builder<TensorType> types = ImmutableList.builder();
    for (int i = 0; i < yes.outputs().size(); i++) {
      types.add(either(yes.outputs().get(i), no.outputs().get(i)));
    }
    return types.build();
  }

  private static TensorType either(Value left, Value right) {
    if (left.elementType() != right.elementType()) {
      throw new IrException("the branches give " + left + " and " + right);
    }
    return left.type().withShape(Inference.either(left.shape(), right.shape()));
  }

  private static List<NdArray> evaluateIf(Evaluation evaluation) {
    boolean condition = evaluation.input(0).data()[0] != 0;
    Graph branch = evaluation.attributes().graph(condition ? "then_branch" : "else_branch");
    return evaluation.runSubgraph(branch, List.of());
  }

  /** A carried value: what is known of it before the first iteration and after any. */
  private static TensorType carried(TensorType initial, Value next) {
    if (initial.elementType() != next.elementType()) {
      throw new IrException("the state begins as " + initial + " and goes on as " + next);
    }
    return initial.withShape(Inference.either(initial.shape(), next.shape()));
  }

  private static TensorType stacked(Value slice, int axis, Dim count) {
    if (!slice.shape().isRanked()) {
      return slice.type();
    }
    List<Dim> dims = new ArrayList<>(slice.shape().dims());
    dims.add(axis, count);
    return slice.type().withShape(Shape.of(dims));
  }

  private static ImmutableList<TensorType> loopTypes(Call call) {
    Graph body = call.attributes().graph("body");
    int states = Math.max(0, call.inputCount() - 2);
    requireCount(body, "inputs", body.inputs().size(), states + 2);
    if (body.outputs().size() < states + 1) {
      throw new IrException(
          body + " should have at least " + (states + 1) + " outputs: the condition and states");
    }
    ImmutableList.Builder<TensorType> types = ImmutableList.builder();
    for (int i = 0; i < states; i++) {
      types.add(carried(call.type(i + 2), body.outputs().get(i + 1)));
    }
    for (Value output : body.outputs().subList(states + 1, body.outputs().size())) {
      types.add(stacked(output, 0, Dim.UNKNOWN));
    }
    return types.build();
  }

  private static List<NdArray> loop(Evaluation evaluation) {
    Graph body = evaluation.attributes().graph("body");
    double limit = evaluation.hasInput(0) ? evaluation.input(0).data()[0] : Double.MAX_VALUE;
    NdArray condition =
        evaluation.hasInput(1) ? evaluation.input(1) : NdArray.scalar(ElementType.BOOL, 1);
    List<NdArray> states = new ArrayList<>();
    for (int i = 2; i < evaluation.inputCount(); i++) {
      states.add(evaluation.input(i));
    }
    int outputs = body.outputs().size() - 1 - states.size();
    List<List<NdArray>> slices = lists(outputs);
    for (long i = 0; i < limit && condition.data()[0] != 0; i++) {
      List<NdArray> inputs = new ArrayList<>();
      inputs.add(NdArray.scalar(ElementType.INT64, i));
      inputs.add(condition);
      inputs.addAll(states);
      List<NdArray> results = evaluation.runSubgraph(body, inputs);
      condition = results.get(0);
      for (int k = 0; k < outputs; k++) {
        slices.get(k).add(results.get(1 + states.size() + k));
      }
      states = new ArrayList<>(results.subList(1, 1 + states.size()));
    }
    List<NdArray> all = new ArrayList<>(states);
    for (int k = 0; k < outputs; k++) {
      all.add(stack(slices.get(k), 0, body.outputs().get(body.outputs().size() - outputs + k)));
    }
    return all;
  }

  private static List<List<NdArray>> lists(int count) {
    List<List<NdArray>> lists = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      lists.add(new ArrayList<>());
    }
    return lists;
  }

  /** The slices along a new axis; where there are none, their shape is that of the output. */
  private static NdArray stack(List<NdArray> slices, int axis, Value output) {
    if (slices.isEmpty()) {
      List<Dim> dims = new ArrayList<>(output.shape().dims());
      dims.replaceAll(dim -> dim.isKnown() ? dim : Dim.of(0));
      dims.add(axis, Dim.of(0));
      return NdArray.of(Tensor.ofDoubles(output.elementType(), Shape.of(dims)));
    }
    List<NdArray> parts = new ArrayList<>();
    for (NdArray slice : slices) {
      List<Integer> shape = new ArrayList<>(Ints.asList(slice.shape()));
      shape.add(axis, 1);
      parts.add(slice.reshape(Ints.toArray(shape)));
    }
    return Views.concat(parts, axis);
  }

  /** How many of a {@code Scan}'s operands are what. */
  private record ScanLayout(int states, int inputs, int outputs, Attributes attributes) {

    static ScanLayout of(OpId op, Attributes attributes, int operands) {
      if (op.version() < SCAN_WITHOUT_BATCH) {
        throw new NotCoveredException(
            "Scan of version " + op.version() + " is only lifted; run what it is lifted to");
      }
      Graph body = attributes.graph("body");
      int inputs = Math.toIntExact(attributes.intValue("num_scan_inputs", 0));
      int states = operands - inputs;
      if (inputs < 1 || states < 0) {
        throw new IrException(
            "attribute 'num_scan_inputs' is " + inputs + " with " + operands + " operands");
      }
      requireCount(body, "inputs", body.inputs().size(), operands);
      if (body.outputs().size() < states) {
        throw new IrException(body + " should give its " + states + " states as outputs");
      }
      return new ScanLayout(states, inputs, body.outputs().size() - states, attributes);
    }

    private long of(String attribute, int index) {
      long[] values = attributes.intValues(attribute);
      return index < values.length ? values[index] : 0;
    }

    int inputAxis(int index, int rank) {
      return Inference.axis(of("scan_input_axes", index), rank);
    }

    int outputAxis(int index, int rank) {
      return Inference.axis(of("scan_output_axes", index), rank);
    }

    boolean inputReversed(int index) {
      return of("scan_input_directions", index) == 1;
    }

    boolean outputReversed(int index) {
      return of("scan_output_directions", index) == 1;
    }
  }

  private static ImmutableList<TensorType> scanTypes(Call call) {
    if (call.op().version() < SCAN_WITHOUT_BATCH) {
      return call.attributes().graph("body").outputs().stream()
          .map(output -> output.type().withShape(Shape.unranked()))
          .collect(ImmutableList.toImmutableList());
    }
    ScanLayout layout = ScanLayout.of(call.op(), call.attributes(), call.inputCount());
    Graph body = call.attributes().graph("body");
    Dim length = Dim.UNKNOWN;
    for (int i = 0; i < layout.inputs(); i++) {
      Shape shape = call.shape(layout.states() + i);
      if (shape.isRanked()) {
        Dim next = shape.dim(layout.inputAxis(i, shape.rank()));
        length = Inference.same(length, next, "the lengths of the scanned inputs");
      }
    }
    ImmutableList.Builder<TensorType> types = ImmutableList.builder();
    for (int i = 0; i < layout.states(); i++) {
      // Unlike those of a Loop, the states of a Scan keep their shape.
      carried(call.type(i), body.outputs().get(i));
      types.add(
          call.type(i)
              .withShape(Inference.same(call.shape(i), body.outputs().get(i).shape(), "states")));
    }
    for (int i = 0; i < layout.outputs(); i++) {
      Value slice = body.outputs().get(layout.states() + i);
      int axis = slice.shape().isRanked() ? layout.outputAxis(i, slice.shape().rank() + 1) : 0;
      types.add(stacked(slice, axis, length));
    }
    return types.build();
  }

  private static List<NdArray> scan(Evaluation evaluation) {
    ScanLayout layout =
        ScanLayout.of(evaluation.op(), evaluation.attributes(), evaluation.inputCount());
    Graph body = evaluation.attributes().graph("body");
    List<NdArray> states = new ArrayList<>();
    for (int i = 0; i < layout.states(); i++) {
      states.add(evaluation.input(i));
    }
    List<NdArray> scanned = new ArrayList<>();
    for (int i = 0; i < layout.inputs(); i++) {
      scanned.add(evaluation.input(layout.states() + i));
    }
    int length = scanned.get(0).dim(layout.inputAxis(0, scanned.get(0).rank()));
    List<List<NdArray>> slices = lists(layout.outputs());
    for (int step = 0; step < length; step++) {
      List<NdArray> inputs = new ArrayList<>(states);
      for (int i = 0; i < layout.inputs(); i++) {
        NdArray input = scanned.get(i);
        int axis = layout.inputAxis(i, input.rank());
        inputs.add(slice(input, axis, layout.inputReversed(i) ? length - 1 - step : step));
      }
      List<NdArray> results = evaluation.runSubgraph(body, inputs);
      states = results.subList(0, layout.states());
      for (int i = 0; i < layout.outputs(); i++) {
        slices.get(i).add(results.get(layout.states() + i));
      }
    }
    List<NdArray> all = new ArrayList<>(states);
    for (int i = 0; i < layout.outputs(); i++) {
      Value output = body.outputs().get(layout.states() + i);
      List<NdArray> parts = slices.get(i);
      if (layout.outputReversed(i)) {
        Collections.reverse(parts);
      }
      int rank = parts.isEmpty() ? output.shape().rank() : parts.get(0).rank();
      all.add(stack(parts, layout.outputAxis(i, rank + 1), output));
    }
    return all;
  }

  private static NdArray slice(NdArray array, int axis, int index) {
    List<Integer> shape = new ArrayList<>(Ints.asList(array.shape()));
    shape.remove(axis);
    return Views.range(array, axis, index, 1).reshape(Ints.toArray(shape));
  }
}
