package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;

/**
 * The operators of domain {@code dev.manticore}, each defined by its graph of standard operators.
 * The kernels of domain {@code dev.manticore.kernel} are the same operators under the same names,
 * computed by our own code.
 */
final class ManticoreOperators {

  /** The target that {@code CrossEntropy} leaves out, as PyTorch and Hugging Face have it. */
  private static final long IGNORED = -100;

  private ManticoreOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    ImmutableMap.Builder<OpId, Operator> operators = ImmutableMap.builder();
    define(
        operators, "Projector", ManticoreOperators::projectorType, ManticoreOperators::projector);
    define(operators, "Mixture", ManticoreOperators::mixtureType, ManticoreOperators::mixture);
    define(
        operators, "CausalConv", call -> List.of(call.type(0)), ManticoreOperators::causalConv, 1);
    define(
        operators,
        "CausalConvGrad",
        call ->
            List.of(
                call.type(0), call.type(1), call.type(1).withShape(Shape.of(call.shape(1).dim(0)))),
        ManticoreOperators::causalConvGrad,
        1);
    define(
        operators,
        "SelectiveScan",
        ManticoreOperators::scanType,
        ManticoreOperators::selectiveScan);
    define(
        operators,
        "SelectiveScanGrad",
        call -> List.of(call.type(0), call.type(1), call.type(2), call.type(3), call.type(4)),
        ManticoreOperators::selectiveScanGrad);
    define(
        operators,
        "CausalConvWithState",
        call -> List.of(call.type(0), call.type(2)),
        ManticoreOperators::causalConvWithState,
        1);
    define(
        operators,
        "SelectiveScanWithState",
        call -> List.of(call.type(0), call.type(5)),
        ManticoreOperators::selectiveScanWithState);
    define(
        operators,
        "SiluConvWithState",
        call -> List.of(siluConvType(call), call.type(4)),
        ManticoreOperators::siluConvWithState);
    define(
        operators,
        "GatedScanWithState",
        call -> List.of(call.type(0), call.type(8)),
        ManticoreOperators::gatedScanWithState);
    put(operators, "StateSpaceDualWithState", StateSpaceDual.WITH_STATE);
    put(operators, "StateSpaceDual", new StateSpaceDual());
    put(operators, "StateSpaceDualGrad", StateSpaceDual.GRADIENT);
    define(operators, "Attention", call -> List.of(call.type(0)), ManticoreOperators::attention);
    define(
        operators,
        "CausalAttention",
        ManticoreOperators::causalAttentionType,
        ManticoreOperators::causalAttention);
    define(
        operators,
        "CausalAttentionGrad",
        call -> List.of(call.type(0), call.type(1), call.type(2)),
        ManticoreOperators::causalAttentionGrad);
    define(
        operators,
        "AttentionWithState",
        call -> List.of(call.type(0), call.type(3), call.type(4)),
        ManticoreOperators::attentionWithState);
    define(
        operators,
        "AttentionGrad",
        call -> List.of(call.type(0), call.type(1), call.type(2)),
        ManticoreOperators::attentionGrad);
    define(
        operators,
        "CrossEntropy",
        call -> List.of(call.type(0).withShape(Shape.scalar()), call.type(0)),
        ManticoreOperators::crossEntropy);
    define(
        operators,
        "CrossEntropyGrad",
        call -> List.of(call.type(1)),
        ManticoreOperators::crossEntropyGrad);
    for (String heads : List.of("", "Sum")) {
      define(
          operators,
          "LinearCrossEntropy" + heads,
          ManticoreOperators::linearCrossEntropyType,
          ManticoreOperators::linearCrossEntropy);
    }
    define(
        operators,
        "EmbeddingGrad",
        ManticoreOperators::embeddingGradType,
        ManticoreOperators::embeddingGrad);
    define(
        operators,
        "LayerNormGrad",
        call -> List.of(call.type(0), call.type(1), call.type(1)),
        ManticoreOperators::layerNormGrad);
    define(
        operators,
        "RmsNormGrad",
        call -> List.of(call.type(0), call.type(1)),
        ManticoreOperators::rmsNormGrad);
    define(
        operators, "GeluTanhGrad", call -> List.of(call.type(0)), ManticoreOperators::geluTanhGrad);
    define(
        operators, "SoftmaxGrad", call -> List.of(call.type(0)), ManticoreOperators::softmaxGrad);
    define(operators, "Silu", call -> List.of(call.type(0)), ManticoreOperators::silu);
    define(operators, "SiluGrad", call -> List.of(call.type(0)), ManticoreOperators::siluGrad);
    define(
        operators,
        "AdamW",
        call -> List.of(call.type(0), call.type(1), call.type(2)),
        ManticoreOperators::adamW);
    for (String sums : List.of("", "Add", "AddAdd")) {
      String name = "FusedMatMul" + sums;
      operators.put(
          OpId.kernel(name),
          new BodyOperator(
              name,
              ImmutableSet.of(),
              call -> List.of(MatrixOperators.fusedMatMulType(call)),
              ManticoreOperators::fusedMatMul));
    }
    return operators.buildOrThrow();
  }

  private static void define(
      ImmutableMap.Builder<OpId, Operator> operators,
      String name,
      BodyOperator.Inference inference,
      BodyOperator.Definition definition,
      Integer... weights) {
    put(
        operators,
        name,
        new BodyOperator(name, ImmutableSet.copyOf(weights), inference, definition));
  }

  private static void put(
      ImmutableMap.Builder<OpId, Operator> operators, String name, Operator operator) {
    operators.put(OpId.manticore(name), operator);
    operators.put(OpId.kernel(name), operator);
  }

  // ---- FusedMatMul: a, b, each transposed in its last two axes or not, and what is added to their
  // product, which broadcasts to it

  private static List<Value> fusedMatMul(Ops ops, Call call, List<Value> in) {
    List<Value> factors = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      boolean turned = call.attributes().intValue(i == 0 ? "transA" : "transB", 0) != 0;
      factors.add(turned ? ops.transposeLast(in.get(i)) : in.get(i));
    }
    Value sum = ops.matMul(factors.get(0), factors.get(1));
    for (Value addend : in.subList(2, in.size())) {
      sum = ops.add(sum, addend);
    }
    return List.of(sum);
  }

  // ---- Projector: x [.., d_in], weight [d_out, d_in], bias [d_out], gate [1] -> [.., d_out]

  private static List<TensorType> projectorType(Call call) {
    Shape weight = call.shape(1);
    Shape x = call.shape(0);
    if (x.isRanked()
        && x.dim(-1).isKnown()
        && weight.isRanked()
        && !weight.dim(1).equals(x.dim(-1))) {
      throw new IrException("a projector of weight " + weight + " does not take " + x);
    }
    return List.of(
        x.isRanked() && weight.isRanked()
            ? call.type(0).withShape(x.withDim(-1, weight.dim(0)))
            : call.type(0).withShape(Shape.unranked()));
  }

  /** (1 - g) (x W^T + b) + g trunc-or-pad(x): the projectors of the paper, §2.1. */
  private static List<Value> projector(Ops ops, Call call, List<Value> in) {
    Value x = in.get(0);
    Value weight = in.get(1);
    Value gate = in.get(3);
    Value outWidth = ops.shapeOf(weight, 0, 1);
    Value projected = ops.add(ops.matMul(x, ops.transpose(weight, 1, 0)), in.get(2));
    Value kept = resize(ops, x, ops.shapeOf(weight, 1, 2), outWidth);
    return List.of(ops.add(ops.mul(projected, ops.sub(1, gate)), ops.mul(kept, gate)));
  }

  /**
   * Truncates or zero-pads the last axis from one width to another, both given as vectors of one
   * element.
   */
  private static Value resize(Ops ops, Value x, Value width, Value wanted) {
    Value missing = ops.onnx("Max", ops.sub(wanted, width), ops.ints(0));
    Value pads = ops.concat(0, ops.ints(0), missing);
    Value padded = ops.onnx("Pad", x, pads, ops.scalar(x.elementType(), 0), ops.ints(-1));
    return ops.onnx("Slice", padded, ops.ints(0), wanted, ops.ints(-1));
  }

  // ---- Mixture: weights [K], z_1 .. z_K [.., d_k] -> [.., max d_k]

  private static List<TensorType> mixtureType(Call call) {
    TensorType widest = call.type(1);
    for (int k = 1; k < call.inputCount(); k++) {
      Shape shape = call.shape(k);
      if (!shape.isRanked()) {
        return List.of(widest.withShape(Shape.unranked()));
      }
      if (shape.rank() != widest.shape().rank()) {
        throw new IrException(
            "values of different ranks cannot be mixed: " + widest + ", " + shape);
      }
      Dim last = shape.dim(-1);
      Dim most = widest.shape().dim(-1);
      if (!last.isKnown() || (most.isKnown() && last.extent() > most.extent())) {
        widest = call.type(k);
      }
    }
    if (call.shape(0).isRanked()
        && call.shape(0).dim(0).isKnown()
        && call.shape(0).dim(0).extent() != call.inputCount() - 1) {
      throw new IrException(
          "a mixture of "
              + (call.inputCount() - 1)
              + " values needs as many weights, not "
              + call.shape(0));
    }
    return List.of(widest);
  }

  /** The sum of w_k pad(z_k): the mixture of the paper, §2.1. */
  private static List<Value> mixture(Ops ops, Call call, List<Value> in) {
    int count = in.size() - 1;
    long[] ones = LongStream.generate(() -> 1).limit(count).toArray();
    List<Value> weights = count == 1 ? List.of(in.get(0)) : ops.split(in.get(0), 0, ones);
    List<Value> widths = new ArrayList<>();
    for (int k = 1; k <= count; k++) {
      widths.add(ops.onnx("Shape", Attributes.of("start", -1), in.get(k)));
    }
    Value widest = count == 1 ? widths.get(0) : ops.onnx("Max", widths.toArray(Value[]::new));
    Value sum = null;
    for (int k = 0; k < count; k++) {
      Value padded = resize(ops, in.get(k + 1), widths.get(k), widest);
      Value part = ops.mul(padded, weights.get(k));
      sum = sum == null ? part : ops.add(sum, part);
    }
    return List.of(sum);
  }

  // ---- CausalConv: x [B,L,D], weight [D,1,K], bias [D]? -> [B,L,D]; depthwise, y_t = sum_j w_j
  // x_{t-K+1+j} + b

  private static List<Value> causalConv(Ops ops, Call call, List<Value> in) {
    Value channelsFirst = ops.transpose(in.get(0), 0, 2, 1);
    Shape weight = call.shape(1);
    Attributes attributes =
        Attributes.of("group", weight.dim(0).extent())
            .with("pads", Attribute.ofInts(weight.dim(2).extent() - 1, 0));
    Value y =
        in.size() == 3
            ? ops.onnx("Conv", attributes, channelsFirst, in.get(1), in.get(2))
            : ops.onnx("Conv", attributes, channelsFirst, in.get(1));
    return List.of(ops.transpose(y, 0, 2, 1));
  }

  /**
   * x [B,L,D], weight [D,1,K], state [B,D,K-1], bias [D]? -> [B,L,D], state: the convolution over
   * the last K-1 of what came before, oldest first, and then x.
   */
  private static List<Value> causalConvWithState(Ops ops, Call call, List<Value> in) {
    Value all = ops.concat(2, in.get(2), ops.transpose(in.get(0), 0, 2, 1));
    Attributes attributes = Attributes.of("group", call.shape(1).dim(0).extent());
    Value y =
        in.size() == 4
            ? ops.onnx("Conv", attributes, all, in.get(1), in.get(3))
            : ops.onnx("Conv", attributes, all, in.get(1));
    // Of K-1+L columns, those from L on; a count from the end would fail where K is 1.
    Value length = ops.shapeOf(in.get(0), 1, 2);
    Value kept = ops.onnx("Slice", all, length, ops.ints(Long.MAX_VALUE), ops.ints(2));
    return List.of(ops.transpose(y, 0, 2, 1), kept);
  }

  private static TensorType siluConvType(Call call) {
    Shape x = call.shape(0);
    Shape weight = call.shape(2);
    return call.type(0)
        .withShape(
            x.isRanked() && weight.isRanked() ? x.withDim(-1, weight.dim(1)) : Shape.unranked());
  }

  /**
   * x [B,L,..], mask [B,L,1], weight [K,D], bias [D], state [B,K-1,D] -> [B,L,D], state: SiLU of
   * the convolution of D columns of x, from {@code first} on, times the mask; states and weights
   * with their channels side by side.
   */
  private static List<Value> siluConvWithState(Ops ops, Call call, List<Value> in) {
    Value weight = ops.unsqueeze(ops.transpose(in.get(2), 1, 0), 1);
    Value x = columns(ops, call, in.get(0), call.shape(2).dim(1).extent());
    Value state = ops.transpose(in.get(4), 0, 2, 1);
    List<Value> results =
        ops.own(
            "CausalConvWithState",
            Attributes.NONE,
            2,
            ops.mul(x, in.get(1)),
            weight,
            state,
            in.get(3));
    return List.of(silu(ops, results.get(0)), ops.transpose(results.get(1), 0, 2, 1));
  }

  /** So many columns of [B,L,..] from {@code first} on. */
  private static Value columns(Ops ops, Call call, Value value, long count) {
    long first = call.attributes().intValue("first", 0);
    return ops.slice(value, 2, first, first + count);
  }

  /** x, weight, dy -> dx, dweight, dbias. */
  private static List<Value> causalConvGrad(Ops ops, Call call, List<Value> in) {
    Value x = in.get(0);
    Value weight = in.get(1);
    Value dy = in.get(2);
    int width = (int) call.shape(1).dim(2).extent();
    Value length = ops.shapeOf(x, 1, 2);
    Value xPadded = ops.pad(x, 1, width - 1, 0);
    Value dyPadded = ops.pad(dy, 1, 0, width - 1);
    List<Value> taps = new ArrayList<>();
    Value dx = null;
    for (int j = 0; j < width; j++) {
      // Tap j multiplies x_{t-K+1+j} in y_t: so it takes dy_{t+K-1-j} back to x_t.
      Value shifted = shifted(ops, dyPadded, width - 1 - j, length);
      Value tap = ops.squeeze(ops.slice(weight, 2, j, j + 1), 1, 2);
      Value part = ops.mul(shifted, tap);
      dx = dx == null ? part : ops.add(dx, part);
      taps.add(
          ops.unsqueeze(ops.reduceSum(ops.mul(shifted(ops, xPadded, j, length), dy), 0, 1), 1, 2));
    }
    return List.of(dx, ops.concat(2, taps.toArray(Value[]::new)), ops.reduceSum(dy, 0, 1));
  }

  private static Value shifted(Ops ops, Value padded, int from, Value length) {
    return ops.onnx("Slice", padded, ops.ints(from), ops.add(length, ops.ints(from)), ops.ints(1));
  }

  // ---- SelectiveScan: x, delta [B,L,D], A [D,N], B, C [B,L,N] -> y [B,L,D]; paper §3.4

  private static List<TensorType> scanType(Call call) {
    if (!call.shape(0).equals(call.shape(1))
        && call.shape(0).isRanked()
        && call.shape(0).isStatic()
        && call.shape(1).isRanked()
        && call.shape(1).isStatic()) {
      throw new IrException("x is " + call.shape(0) + " but delta is " + call.shape(1));
    }
    return List.of(call.type(0));
  }

  /**
   * The recurrence h_t = exp(delta_t A) h_{t-1} + (delta_t x_t) B_t, y_t = h_t C_t, as a Scan over
   * time.
   */
  private static List<Value> selectiveScan(Ops ops, Call call, List<Value> in) {
    return List.of(scanned(ops, call, in, zeroState(ops, in)).get(1));
  }

  /** The same from a state [B,D,N] on, the last input; and the state after the last step. */
  private static List<Value> selectiveScanWithState(Ops ops, Call call, List<Value> in) {
    List<Value> results = scanned(ops, call, in, in.get(5));
    return List.of(results.get(1), results.get(0));
  }

  /**
   * x [B,L,D], mixing [B,L,R+2N], weight [R,D], bias [D], mask [B,L,1], A [D/16,N,16], skip [D],
   * gate [B,L,..], state [B,D/16,N,16] -> [B,L,D], state. The mixing is step, B and C side by side;
   * delta = mask softplus(step weight + bias). What the scan gives and skip x are multiplied by
   * SiLU of D columns of the gate, from {@code first} on. A and the state lie in blocks of
   * channels.
   */
  private static List<Value> gatedScanWithState(Ops ops, Call call, List<Value> in) {
    Value x = in.get(0);
    long states = call.shape(5).dim(1).extent();
    long block = call.shape(5).dim(2).extent();
    long rank = call.shape(2).dim(0).extent();
    List<Value> mixing = ops.split(in.get(1), 2, rank, states, states);
    Value step = ops.add(ops.matMul(mixing.get(0), in.get(2)), in.get(3));
    Value a = ops.reshape(ops.transpose(in.get(5), 0, 2, 1), -1, states);
    Value state = ops.reshape(ops.transpose(in.get(8), 0, 1, 3, 2), 0, -1, states);
    List<Value> results =
        ops.own(
            "SelectiveScanWithState",
            Attributes.NONE,
            2,
            x,
            ops.mul(ops.onnx("Softplus", step), in.get(4)),
            a,
            mixing.get(1),
            mixing.get(2),
            state);
    Value y = ops.add(results.get(0), ops.mul(x, in.get(6)));
    Value gate = columns(ops, call, in.get(7), call.shape(2).dim(1).extent());
    Value after = ops.transpose(ops.reshape(results.get(1), 0, -1, block, states), 0, 1, 3, 2);
    return List.of(ops.mul(y, silu(ops, gate)), after);
  }

  /** The last state, and y. */
  private static List<Value> scanned(Ops ops, Call call, List<Value> in, Value state) {
    GraphEditor step = ops.editor().subgraph("step");
    Ops s = new Ops(step);
    ScanStep inner = new ScanStep(s, in, call);
    Value next = inner.next();
    step.output(next);
    step.output(s.reduceSum(s.mul(next, s.unsqueeze(inner.c, 1)), 2));
    Attributes attributes =
        Attributes.of("body", Attribute.of(step.freeze()))
            .with("num_scan_inputs", 4)
            .with("scan_input_axes", Attribute.ofInts(1, 1, 1, 1))
            .with("scan_output_axes", Attribute.ofInts(1));
    return scan(ops, attributes, 2, state, in.get(0), in.get(1), in.get(3), in.get(4));
  }

  static List<Value> scan(Ops ops, Attributes attributes, int outputs, Value... operands) {
    List<Optional<Value>> present = new ArrayList<>();
    for (Value operand : operands) {
      present.add(Optional.of(operand));
    }
    return ops.editor().add(OpId.onnx("Scan"), "Scan", attributes, present, outputs);
  }

  private static Value zeroState(Ops ops, List<Value> in) {
    Value shape = ops.concat(0, ops.shapeOf(in.get(0), 0, 1), ops.onnx("Shape", in.get(2)));
    return ops.expand(ops.scalar(in.get(0).elementType(), 0), shape);
  }

  /** The inputs of one step of the scan, and what they make of the state. */
  private static final class ScanStep {
    final Ops s;
    final Value h;
    final Value x;
    final Value delta;
    final Value b;
    final Value c;
    final Value decay;

    ScanStep(Ops s, List<Value> in, Call call) {
      this.s = s;
      ElementType type = call.type(0).elementType();
      GraphEditor editor = s.editor();
      this.h = editor.freshInput("h", rank(type, 3));
      this.x = editor.freshInput("x_t", rank(type, 2));
      this.delta = editor.freshInput("delta_t", rank(type, 2));
      this.b = editor.freshInput("b_t", rank(type, 2));
      this.c = editor.freshInput("c_t", rank(type, 2));
      this.decay = s.exp(s.mul(s.unsqueeze(delta, 2), in.get(2)));
    }

    Value next() {
      Value drive = s.mul(s.unsqueeze(s.mul(delta, x), 2), s.unsqueeze(b, 1));
      return s.add(s.mul(decay, h), drive);
    }
  }

  static TensorType rank(ElementType type, int rank) {
    List<Dim> dims = new ArrayList<>();
    for (int i = 0; i < rank; i++) {
      dims.add(Dim.UNKNOWN);
    }
    return new TensorType(type, Shape.of(dims));
  }

  /**
   * x, delta, A, B, C, dy -> dx, ddelta, dA, dB, dC: the forward scan again, keeping the state
   * before each step, and a scan back in time that carries the gradient of the state and sums dA.
   */
  private static List<Value> selectiveScanGrad(Ops ops, Call call, List<Value> in) {
    GraphEditor forward = ops.editor().subgraph("states");
    Ops f = new Ops(forward);
    ScanStep recomputed = new ScanStep(f, in, call);
    forward.output(recomputed.next());
    forward.output(f.onnx("Identity", recomputed.h));
    Attributes forwardAttributes =
        Attributes.of("body", Attribute.of(forward.freeze()))
            .with("num_scan_inputs", 4)
            .with("scan_input_axes", Attribute.ofInts(1, 1, 1, 1));
    Value before =
        scan(
                ops,
                forwardAttributes,
                2,
                zeroState(ops, in),
                in.get(0),
                in.get(1),
                in.get(3),
                in.get(4))
            .get(1);

    GraphEditor back = ops.editor().subgraph("gradients");
    Ops g = new Ops(back);
    ElementType type = call.type(0).elementType();
    Value carried = back.freshInput("dh", rank(type, 3));
    Value sumA = back.freshInput("dA", rank(type, 2));
    ScanStep step = new ScanStep(g, in, call);
    Value dy = back.freshInput("dy_t", rank(type, 2));
    Value h = step.next();
    Value total = g.add(g.mul(g.unsqueeze(dy, 2), g.unsqueeze(step.c, 1)), carried);
    Value dLogDecay = g.mul(g.mul(total, step.h), step.decay);
    Value dInput = g.mul(total, g.unsqueeze(step.b, 1));
    Value alongState = g.reduceSum(dInput, 2);
    back.output(g.mul(total, step.decay));
    back.output(g.add(sumA, g.reduceSum(g.mul(dLogDecay, g.unsqueeze(step.delta, 2)), 0)));
    back.output(g.mul(alongState, step.delta));
    back.output(g.add(g.reduceSum(g.mul(dLogDecay, in.get(2)), 2), g.mul(alongState, step.x)));
    back.output(g.reduceSum(g.mul(total, g.unsqueeze(g.mul(step.delta, step.x), 2)), 1));
    back.output(g.reduceSum(g.mul(h, g.unsqueeze(dy, 2)), 1));
    // The inputs of a body come in the order: states, scanned values. The step's own h is scanned
    // here.
    Attributes backAttributes =
        Attributes.of("body", Attribute.of(back.freeze()))
            .with("num_scan_inputs", 6)
            .with("scan_input_axes", Attribute.ofInts(0, 1, 1, 1, 1, 1))
            .with("scan_input_directions", Attribute.ofInts(1, 1, 1, 1, 1, 1))
            .with("scan_output_axes", Attribute.ofInts(1, 1, 1, 1))
            .with("scan_output_directions", Attribute.ofInts(1, 1, 1, 1));
    Value zeroA = ops.mul(in.get(2), 0);
    List<Value> results =
        scan(
            ops,
            backAttributes,
            6,
            zeroState(ops, in),
            zeroA,
            before,
            in.get(0),
            in.get(1),
            in.get(3),
            in.get(4),
            in.get(5));
    return List.of(results.get(2), results.get(3), results.get(1), results.get(4), results.get(5));
  }

  // ---- Attention: q [B,L,H*D], k, v [B,M,H*D], mask [L,M], attributes heads, scale -> y [B,L,H*D]

  /** y = softmax(scale q k^T + mask) v for each head. */
  private static List<Value> attention(Ops ops, Call call, List<Value> in) {
    return mixed(ops, call, in, attentionWeights(ops, call, in, in.get(3)));
  }

  private static List<Value> mixed(Ops ops, Call call, List<Value> in, Value weights) {
    return List.of(joinHeads(ops, ops.matMul(weights, splitHeads(ops, call, in.get(2)))));
  }

  /**
   * q, k, v [B,L,H*D], cached keys [B,H,D,C] and values [B,H,C,D], bias [B or 1,H or 1,L,T],
   * attributes heads, scale -> y [B,L,H*D], and the caches with the keys and values of this run in
   * slots T-L to T of C. Its kernel takes the same memory for a cache before and after.
   *
   * <p>y = softmax(scale q k^T + bias) v for each head, over the first T slots.
   */
  private static List<Value> attentionWithState(Ops ops, Call call, List<Value> in) {
    Value total = ops.onnx("Shape", Attributes.of("start", -1), in.get(5));
    Value past = ops.sub(total, ops.shapeOf(in.get(0), 1, 2));
    Value newKeys = ops.transpose(splitHeads(ops, call, in.get(1)), 0, 1, 3, 2);
    Value keys = cached(ops, 3, in.get(3), newKeys, past, total);
    Value values = cached(ops, 2, in.get(4), splitHeads(ops, call, in.get(2)), past, total);
    Value products =
        ops.matMul(splitHeads(ops, call, in.get(0)), slots(ops, 3, keys, ops.ints(0), total));
    Value weights = ops.softmax(ops.add(ops.mul(products, scale(call)), in.get(5)), -1);
    Value mixed = ops.matMul(weights, slots(ops, 2, values, ops.ints(0), total));
    return List.of(joinHeads(ops, mixed), keys, values);
  }

  private static Value cached(
      Ops ops, int axis, Value before, Value these, Value past, Value total) {
    Value front = slots(ops, axis, before, ops.ints(0), past);
    Value free = slots(ops, axis, before, total, ops.ints(Long.MAX_VALUE));
    return ops.concat(axis, front, these, free);
  }

  private static Value slots(Ops ops, int axis, Value cache, Value from, Value to) {
    return ops.onnx("Slice", cache, from, to, ops.ints(axis));
  }

  /** q, k, v, mask, dy -> dq, dk, dv. */
  private static List<Value> attentionGrad(Ops ops, Call call, List<Value> in) {
    Value weights = attentionWeights(ops, call, in, in.get(3));
    return attentionGrad(ops, call, in, weights, in.get(4));
  }

  private static List<Value> attentionGrad(
      Ops ops, Call call, List<Value> in, Value weights, Value dResult) {
    Value q = splitHeads(ops, call, in.get(0));
    Value k = splitHeads(ops, call, in.get(1));
    Value v = splitHeads(ops, call, in.get(2));
    Value dy = splitHeads(ops, call, dResult);
    Value dWeights = ops.matMul(dy, ops.transpose(v, 0, 1, 3, 2));
    Value dScores =
        ops.mul(
            ops.own("SoftmaxGrad", Attributes.of("axis", -1), 1, dWeights, weights).get(0),
            scale(call));
    return List.of(
        joinHeads(ops, ops.matMul(dScores, k)),
        joinHeads(ops, ops.matMul(ops.transpose(dScores, 0, 1, 3, 2), q)),
        joinHeads(ops, ops.matMul(ops.transpose(weights, 0, 1, 3, 2), dy)));
  }

  private static Value attentionWeights(Ops ops, Call call, List<Value> in, Value mask) {
    Value q = splitHeads(ops, call, in.get(0));
    Value k = splitHeads(ops, call, in.get(1));
    Value products = ops.matMul(q, ops.transpose(k, 0, 1, 3, 2));
    return ops.softmax(ops.add(ops.mul(products, scale(call)), mask), -1);
  }

  // ---- CausalAttention: q, k, v [B,L,H*D], attributes heads, scale, window -> y [B,L,H*D]. Every
  // query sees so many keys at most, itself the last: its mask is 0 for them, and hides all others

  private static List<TensorType> causalAttentionType(Call call) {
    Inference.same(call.shape(0), call.shape(1), "queries and keys");
    Inference.same(call.shape(0), call.shape(2), "queries and values");
    if (call.attributes().intValue("window", 0) < 1) {
      throw new IrException("attribute 'window' should be at least 1: a query sees itself");
    }
    return List.of(call.type(0));
  }

  private static List<Value> causalAttention(Ops ops, Call call, List<Value> in) {
    return mixed(ops, call, in, attentionWeights(ops, call, in, causalMask(ops, call, in)));
  }

  /** q, k, v, dy -> dq, dk, dv. */
  private static List<Value> causalAttentionGrad(Ops ops, Call call, List<Value> in) {
    Value weights = attentionWeights(ops, call, in, causalMask(ops, call, in));
    return attentionGrad(ops, call, in, weights, in.get(3));
  }

  /** The mask [L,L], made of a constant where the length is known, so that all layers share one. */
  private static Value causalMask(Ops ops, Call call, List<Value> in) {
    Shape shape = call.shape(0);
    Value length =
        shape.isRanked() && shape.dim(1).isKnown()
            ? ops.scalar(ElementType.INT64, shape.dim(1).extent())
            : ops.squeeze(ops.shapeOf(in.get(0), 1, 2), 0);
    Value keys =
        ops.onnx(
            "Range", ops.scalar(ElementType.INT64, 0), length, ops.scalar(ElementType.INT64, 1));
    Value queries = ops.unsqueeze(keys, 1);
    Value window = ops.scalar(ElementType.INT64, call.attributes().intValue("window", 1));
    Value seen =
        ops.onnx(
            "And",
            ops.onnx("LessOrEqual", keys, queries),
            ops.onnx("Less", ops.sub(queries, window), keys));
    ElementType type = call.type(0).elementType();
    return ops.where(seen, ops.scalar(type, 0), ops.scalar(type, -Float.MAX_VALUE));
  }

  private static float scale(Call call) {
    return call.attributes().floatValue("scale", 1);
  }

  /** [B,L,H*D] -> [B,H,L,D]. */
  private static Value splitHeads(Ops ops, Call call, Value x) {
    long heads = call.attributes().intValue("heads", 1);
    return ops.transpose(ops.reshape(x, 0, 0, heads, -1), 0, 2, 1, 3);
  }

  /** [B,H,L,D] -> [B,L,H*D]. */
  private static Value joinHeads(Ops ops, Value x) {
    return ops.reshape(ops.transpose(x, 0, 2, 1, 3), 0, 0, -1);
  }

  // ---- CrossEntropy: logits [..,V], labels i64[..] -> mean loss [], log-probabilities [..,V]

  private static List<Value> crossEntropy(Ops ops, Call call, List<Value> in) {
    Value logProbabilities = ops.onnx("LogSoftmax", Attributes.of("axis", -1), in.get(0));
    Value counted = counted(ops, in.get(1));
    Value target = ops.where(counted, in.get(1), ops.ints(0));
    Value picked =
        ops.squeeze(
            ops.onnx(
                "GatherElements",
                Attributes.of("axis", -1),
                logProbabilities,
                ops.unsqueeze(target, -1)),
            -1);
    Value mask = ops.cast(counted, in.get(0).elementType());
    Value loss = ops.neg(ops.div(sumAll(ops, ops.mul(picked, mask)), sumAll(ops, mask)));
    return List.of(loss, logProbabilities);
  }

  /** dloss [], log-probabilities [..,V], labels [..] -> dlogits [..,V]. */
  private static List<Value> crossEntropyGrad(Ops ops, Call call, List<Value> in) {
    Value dLoss = in.get(0);
    Value probabilities = ops.exp(in.get(1));
    Value counted = counted(ops, in.get(2));
    Value mask = ops.cast(counted, dLoss.elementType());
    Value scale = ops.unsqueeze(ops.mul(mask, ops.div(dLoss, sumAll(ops, mask))), -1);
    Value target = ops.unsqueeze(ops.where(counted, in.get(2), ops.ints(0)), -1);
    // The rows whose target is left out get a wrong entry here, which the mask takes away again.
    Value less =
        ops.onnx(
            "ScatterElements",
            Attributes.of("axis", -1).with("reduction", Attribute.of("add")),
            probabilities,
            target,
            ops.expand(ops.scalar(dLoss.elementType(), -1), ops.onnx("Shape", target)));
    return List.of(ops.mul(less, scale));
  }

  // ---- LinearCrossEntropy, LinearCrossEntropySum: x [..,W] and weight [W,V] or with transB [V,W],
  // of one head or two, labels [..] -> mean loss [] of the logits that are the sum of the products;
  // the gradients of each x and each weight. A kernel holds so many rows of logits at a time

  private static List<TensorType> linearCrossEntropyType(Call call) {
    List<TensorType> types = new ArrayList<>();
    types.add(call.type(0).withShape(Shape.scalar()));
    for (int i = 0; i < call.inputCount() - 1; i++) {
      types.add(call.type(i));
    }
    return types;
  }

  private static List<Value> linearCrossEntropy(Ops ops, Call call, List<Value> in) {
    boolean turned = call.attributes().intValue("transB", 0) != 0;
    Value labels = in.get(in.size() - 1);
    Value logits = null;
    for (int i = 0; i + 1 < in.size(); i += 2) {
      Value weight = in.get(i + 1);
      Value product = ops.matMul(in.get(i), turned ? ops.transposeLast(weight) : weight);
      logits = logits == null ? product : ops.add(logits, product);
    }
    List<Value> loss = ops.own("CrossEntropy", Attributes.NONE, 2, logits, labels);
    Value one = ops.scalar(logits.elementType(), 1);
    Value dLogits =
        ops.own("CrossEntropyGrad", Attributes.NONE, 1, one, loss.get(1), labels).get(0);
    List<Value> results = new ArrayList<>();
    results.add(loss.get(0));
    for (int i = 0; i + 1 < in.size(); i += 2) {
      Value weight = in.get(i + 1);
      Value rows = rows(ops, in.get(i), ops.shapeOf(weight, turned ? 1 : 0, turned ? 2 : 1));
      Value dRows = rows(ops, dLogits, ops.shapeOf(weight, turned ? 0 : 1, turned ? 1 : 2));
      results.add(ops.matMul(dLogits, turned ? weight : ops.transposeLast(weight)));
      results.add(
          turned
              ? ops.matMul(ops.transposeLast(dRows), rows)
              : ops.matMul(ops.transposeLast(rows), dRows));
    }
    return results;
  }

  /** All rows of this width, one after the other. */
  private static Value rows(Ops ops, Value x, Value width) {
    return ops.onnx("Reshape", x, ops.concat(0, ops.ints(-1), width));
  }

  private static Value counted(Ops ops, Value labels) {
    return ops.onnx("Not", ops.onnx("Equal", labels, ops.scalar(labels.elementType(), IGNORED)));
  }

  private static Value sumAll(Ops ops, Value x) {
    return ops.onnx("ReduceSum", Attributes.of("keepdims", 0), x);
  }

  // ---- EmbeddingGrad: ids [..], dy [..,W], attribute rows -> [rows,W]

  private static List<TensorType> embeddingGradType(Call call) {
    Dim width = call.shape(1).isRanked() ? call.shape(1).dim(-1) : Dim.UNKNOWN;
    return List.of(
        call.type(1).withShape(Shape.of(Dim.of(call.attributes().intValue("rows", 0)), width)));
  }

  private static List<Value> embeddingGrad(Ops ops, Call call, List<Value> in) {
    long rows = call.attributes().intValue("rows", 0);
    Value width = ops.onnx("Shape", Attributes.of("start", -1), in.get(1));
    Value dy = ops.onnx("Reshape", in.get(1), ops.concat(0, ops.ints(-1), width));
    Value ids = ops.expand(ops.reshape(in.get(0), -1, 1), ops.onnx("Shape", dy));
    Value zeros = ops.expand(ops.scalar(dy.elementType(), 0), ops.concat(0, ops.ints(rows), width));
    return List.of(
        ops.onnx(
            "ScatterElements",
            Attributes.of("axis", 0).with("reduction", Attribute.of("add")),
            zeros,
            ids,
            dy));
  }

  // ---- Normalisation

  /** x, scale, mean, 1/deviation, dy -> dx, dscale, dbias; over the last axis. */
  private static List<Value> layerNormGrad(Ops ops, Call call, List<Value> in) {
    Value deviation = in.get(3);
    Value dy = in.get(4);
    Value normal = ops.mul(ops.sub(in.get(0), in.get(2)), deviation);
    Value dNormal = ops.mul(dy, in.get(1));
    Value centred = ops.sub(dNormal, ops.reduceMeanKeep(dNormal, -1));
    Value along = ops.mul(normal, ops.reduceMeanKeep(ops.mul(dNormal, normal), -1));
    long[] leading = leadingAxes(call.shape(0));
    return List.of(
        ops.mul(ops.sub(centred, along), deviation),
        ops.reduceSum(ops.mul(dy, normal), leading),
        ops.reduceSum(dy, leading));
  }

  /** x, scale, dy, attribute epsilon -> dx, dscale; over the last axis. */
  private static List<Value> rmsNormGrad(Ops ops, Call call, List<Value> in) {
    Value x = in.get(0);
    Value dy = in.get(2);
    float epsilon = call.attributes().floatValue("epsilon", 1e-5f);
    Value inverse =
        ops.reciprocal(ops.sqrt(ops.add(ops.reduceMeanKeep(ops.mul(x, x), -1), epsilon)));
    Value normal = ops.mul(x, inverse);
    Value dNormal = ops.mul(dy, in.get(1));
    Value along = ops.mul(normal, ops.reduceMeanKeep(ops.mul(dNormal, normal), -1));
    return List.of(
        ops.mul(ops.sub(dNormal, along), inverse),
        ops.reduceSum(ops.mul(dy, normal), leadingAxes(call.shape(0))));
  }

  private static long[] leadingAxes(Shape shape) {
    return LongStream.range(0, shape.rank() - 1).toArray();
  }

  // ---- Activations

  /** x, dy -> dx for 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
  private static List<Value> geluTanhGrad(Ops ops, Call call, List<Value> in) {
    Value x = in.get(0);
    double c = Math.sqrt(2 / Math.PI);
    Value square = ops.mul(x, x);
    Value inner = ops.mul(x, ops.add(ops.mul(square, 0.044715 * c), c));
    Value tanh = ops.tanh(inner);
    Value slope = ops.add(ops.mul(square, 3 * 0.044715 * c), c);
    Value half = ops.mul(ops.add(tanh, 1), 0.5);
    Value curve = ops.mul(ops.mul(x, 0.5), ops.mul(ops.sub(1, ops.mul(tanh, tanh)), slope));
    return List.of(ops.mul(in.get(1), ops.add(half, curve)));
  }

  /** dy, y, attribute axis -> dx. */
  private static List<Value> softmaxGrad(Ops ops, Call call, List<Value> in) {
    Value weighted = ops.mul(in.get(0), in.get(1));
    Value total = ops.reduceSumKeep(weighted, call.attributes().intValue("axis", -1));
    return List.of(ops.sub(weighted, ops.mul(in.get(1), total)));
  }

  private static List<Value> silu(Ops ops, Call call, List<Value> in) {
    return List.of(silu(ops, in.get(0)));
  }

  private static Value silu(Ops ops, Value x) {
    return ops.mul(x, ops.sigmoid(x));
  }

  /** x, dy -> dx. */
  private static List<Value> siluGrad(Ops ops, Call call, List<Value> in) {
    Value s = ops.sigmoid(in.get(0));
    Value slope = ops.mul(s, ops.add(ops.mul(in.get(0), ops.sub(1, s)), 1));
    return List.of(ops.mul(in.get(1), slope));
  }

  // ---- AdamW: parameter, first and second moment, gradient, settings [8] -> the first three,
  // updated

  /**
   * Settings: learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t, 1 - beta2^t, scale
   * of the gradient. p is decayed by lr * decay before the step, as in paper §4.2.
   */
  private static List<Value> adamW(Ops ops, Call call, List<Value> in) {
    List<Value> s = ops.split(in.get(4), 0, 1, 1, 1, 1, 1, 1, 1, 1);
    Value gradient = ops.mul(in.get(3), s.get(7));
    Value first = ops.add(ops.mul(in.get(1), s.get(1)), ops.mul(gradient, ops.sub(1, s.get(1))));
    Value second =
        ops.add(
            ops.mul(in.get(2), s.get(2)),
            ops.mul(ops.mul(gradient, gradient), ops.sub(1, s.get(2))));
    Value step =
        ops.div(
            ops.mul(first, ops.div(s.get(0), s.get(5))),
            ops.add(ops.sqrt(ops.div(second, s.get(6))), s.get(3)));
    Value kept = ops.mul(in.get(0), ops.sub(1, ops.mul(s.get(0), s.get(4))));
    return List.of(ops.sub(kept, step), first, second);
  }
}
