package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A graph in the making, in the terms that the families share. Modules are named as in the
 * checkpoint, their parameters {@code module.weight} and {@code module.bias}.
 */
final class Network {

  private final String model;
  private final GraphEditor editor;
  private final ImmutableMap<String, Value> parameters;
  private final Value inputIds;

  Network(String model, Iterable<Parameter> parameters, Map<String, Tensor> values) {
    this.model = model;
    this.editor = new GraphEditor(model);
    Shape tokens = Shape.of(Dim.of("batch"), Dim.of("length"));
    this.inputIds = editor.input("input_ids", new TensorType(ElementType.INT64, tokens));
    Map<String, Value> named = new LinkedHashMap<>();
    for (Parameter parameter : parameters) {
      String name = parameter.name();
      named.put(name, editor.parameter(name, values.get(name)));
    }
    this.parameters = ImmutableMap.copyOf(named);
  }

  /** The token ids, i64[batch,length]. */
  Value inputIds() {
    return inputIds;
  }

  /** Nodes added next belong to a module of the model; up to {@link #leave}. */
  Network enter(String module) {
    editor.enter(module).withOrigin(Origin.of(model, module));
    return this;
  }

  void leave() {
    editor.leave().withOrigin(Origin.NONE);
  }

  Value parameter(String name) {
    return parameters.get(name);
  }

  /** A standard operator with one output. */
  Value op(String name, Value... operands) {
    return editor.add(OpId.onnx(name), operands);
  }

  Value op(String name, Attributes attributes, Value... operands) {
    return editor.add(OpId.onnx(name), attributes, operands);
  }

  /** An operator of our own with one output. */
  Value own(String name, Value... operands) {
    return editor.add(OpId.manticore(name), operands);
  }

  Value own(String name, Attributes attributes, Value... operands) {
    return editor.add(OpId.manticore(name), attributes, operands);
  }

  Value constant(Tensor value) {
    return editor.constant(value);
  }

  /** Rows of a table at integer positions. */
  Value gather(Value table, Value indices) {
    return op("Gather", table, indices);
  }

  /** The rows that token ids choose of a module's table, [batch,length,width]. */
  Value embed(String module, Value ids) {
    enter(module);
    Value rows = gather(parameter(module + ".weight"), ids);
    leave();
    return rows;
  }

  /** Adds a module's table of learnt positions. */
  Value addPositions(String module, Value x, Positions positions) {
    enter(module);
    Value sum = op("Add", x, gather(parameter(module + ".weight"), positions.range()));
    leave();
    return sum;
  }

  /** {@code x·Wᵀ + b}, the weight stored [out, in]; without {@code b} if the module has none. */
  Value linear(String module, Value x) {
    return biased(module, matMulTransposed("MatMul", x, parameter(module + ".weight")));
  }

  /** {@code x·W + b}, the weight stored [in, out]. */
  Value conv1d(String module, Value x) {
    return biased(module, op("MatMul", x, parameter(module + ".weight")));
  }

  private Value biased(String module, Value product) {
    Value bias = parameters.get(module + ".bias");
    return bias == null ? product : op("Add", product, bias);
  }

  /** Layer normalisation over the last axis. */
  Value layerNorm(String module, Value x, double epsilon) {
    return op(
        "LayerNormalization",
        lastAxis(epsilon),
        x,
        parameter(module + ".weight"),
        parameter(module + ".bias"));
  }

  /** Root-mean-square normalisation over the last axis. */
  Value rmsNorm(String module, Value x, double epsilon) {
    return rmsNorm(x, parameter(module + ".weight"), epsilon);
  }

  Value rmsNorm(Value x, Value scale, double epsilon) {
    return op("RMSNormalization", lastAxis(epsilon), x, scale);
  }

  Value silu(Value x) {
    return op("Mul", x, op("Sigmoid", x));
  }

  /** Reshapes as ONNX does: 0 keeps an extent, -1 is what remains. */
  Value reshape(Value x, long... shape) {
    return op("Reshape", x, constant(Tensor.vector(shape)));
  }

  /**
   * A depthwise convolution over the length that sees no later token; bias as in {@link #linear}.
   */
  Value causalConv(String module, Value x) {
    Value weight = parameter(module + ".weight");
    Value bias = parameters.get(module + ".bias");
    return bias == null ? own("CausalConv", x, weight) : own("CausalConv", x, weight, bias);
  }

  Value transpose(Value x, long... permutation) {
    return op("Transpose", Attributes.of("perm", Attribute.ofInts(permutation)), x);
  }

  /** {@code x} times a number. */
  Value scale(Value x, double factor) {
    return op("Mul", x, constant(Tensor.scalar((float) factor)));
  }

  /** Joins along the last axis. */
  Value concat(Value... parts) {
    return op("Concat", Attributes.of("axis", -1), parts);
  }

  /** Pieces of the last axis. */
  List<Value> split(Value x, long... sizes) {
    return editor.add(
        OpId.onnx("Split"),
        "Split",
        Attributes.of("axis", -1),
        List.of(Optional.of(x), Optional.of(constant(Tensor.vector(sizes)))),
        sizes.length);
  }

  /** Ends the graph: logits from the last hidden state and a table [V, width]. */
  Graph finish(Value hidden, Value table) {
    editor.output(matMulTransposed("logits", hidden, table));
    return editor.freeze();
  }

  private Value matMulTransposed(String base, Value x, Value weight) {
    return editor
        .add(
            OpId.onnx("MatMul"),
            base,
            Attributes.NONE,
            ImmutableList.of(Optional.of(x), Optional.of(transpose(weight, 1, 0))),
            1)
        .get(0);
  }

  private static Attributes lastAxis(double epsilon) {
    return Attributes.of("axis", -1).with("epsilon", Attribute.of((float) epsilon));
  }
}
