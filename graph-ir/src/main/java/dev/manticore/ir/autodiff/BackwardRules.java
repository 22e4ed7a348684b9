package dev.manticore.ir.autodiff;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The table of backward rules: the only place where a gradient is defined. What has no rule here is
 * decomposed until it has, or cannot be differentiated.
 */
final class BackwardRules {

  private record Key(String domain, String name) {}

  private static final ImmutableMap<Key, BackwardRule> TABLE = table();

  private BackwardRules() {}

  static Optional<BackwardRule> find(OpId op) {
    return Optional.ofNullable(TABLE.get(new Key(op.domain(), op.name())));
  }

  /** The operators that have a rule, as {@link OpId#toString} writes them. */
  static ImmutableSet<String> operators() {
    return TABLE.keySet().stream()
        .map(key -> new OpId(key.domain(), key.name(), 1).toString())
        .collect(ImmutableSet.toImmutableSet());
  }

  /** The gradient of a unary function of x, from x, y and dy. */
  @FunctionalInterface
  private interface Unary {
    Value gradient(Ops ops, Value x, Value y, Value dy);
  }

  private static final class Table {
    private final ImmutableMap.Builder<Key, BackwardRule> rules = ImmutableMap.builder();

    Table rule(String name, BackwardRule rule) {
      rules.put(new Key(OpId.ONNX, name), rule);
      return this;
    }

    Table own(String name, BackwardRule rule) {
      rules.put(new Key(OpId.MANTICORE, name), rule);
      return this;
    }

    Table unary(String name, Unary rule) {
      return rule(name, BackwardRules.unary(rule));
    }
  }

  private static BackwardRule unary(Unary rule) {
    return (b, node, dy) ->
        Backward.of(rule.gradient(b.ops(), node.input(0), node.output(), only(dy)));
  }

  private static ImmutableMap<Key, BackwardRule> table() {
    return new Table()
        // Elementwise, one operand.
        .unary("Identity", (o, x, y, dy) -> dy)
        .unary("Neg", (o, x, y, dy) -> o.neg(dy))
        .unary("Exp", (o, x, y, dy) -> o.mul(dy, y))
        .unary("Log", (o, x, y, dy) -> o.div(dy, x))
        .unary("Sqrt", (o, x, y, dy) -> o.div(o.mul(dy, 0.5), y))
        .unary("Reciprocal", (o, x, y, dy) -> o.neg(o.mul(dy, o.mul(y, y))))
        .unary("Tanh", (o, x, y, dy) -> o.mul(dy, o.sub(1, o.mul(y, y))))
        .unary("Sigmoid", (o, x, y, dy) -> o.mul(dy, o.mul(y, o.sub(1, y))))
        .unary("Softplus", (o, x, y, dy) -> o.mul(dy, o.sigmoid(x)))
        .unary("Relu", (o, x, y, dy) -> o.mul(dy, o.onnx("Sign", y)))
        .unary("Abs", (o, x, y, dy) -> o.mul(dy, o.onnx("Sign", x)))
        .unary("Sin", (o, x, y, dy) -> o.mul(dy, o.onnx("Cos", x)))
        .unary("Cos", (o, x, y, dy) -> o.neg(o.mul(dy, o.onnx("Sin", x))))
        .unary(
            "Erf",
            (o, x, y, dy) -> o.mul(dy, o.mul(o.exp(o.neg(o.mul(x, x))), 2 / Math.sqrt(Math.PI))))
        .unary("Tan", (o, x, y, dy) -> o.mul(dy, o.add(o.mul(y, y), 1)))
        .unary("Asin", (o, x, y, dy) -> o.div(dy, o.sqrt(o.sub(1, o.mul(x, x)))))
        .unary("Acos", (o, x, y, dy) -> o.neg(o.div(dy, o.sqrt(o.sub(1, o.mul(x, x))))))
        .unary("Atan", (o, x, y, dy) -> o.div(dy, o.add(o.mul(x, x), 1)))
        .unary("Sinh", (o, x, y, dy) -> o.mul(dy, o.onnx("Cosh", x)))
        .unary("Cosh", (o, x, y, dy) -> o.mul(dy, o.onnx("Sinh", x)))
        .unary("Asinh", (o, x, y, dy) -> o.div(dy, o.sqrt(o.add(o.mul(x, x), 1))))
        .unary("Acosh", (o, x, y, dy) -> o.div(dy, o.sqrt(o.add(o.mul(x, x), -1))))
        .unary("Atanh", (o, x, y, dy) -> o.div(dy, o.sub(1, o.mul(x, x))))
        .unary("Softsign", (o, x, y, dy) -> o.mul(dy, squared(o, o.sub(1, o.onnx("Abs", y)))))
        .rule("Elu", ActivationRules.elu())
        .rule("Selu", ActivationRules.selu())
        .rule("Celu", ActivationRules.celu())
        .rule("LeakyRelu", ActivationRules.leakyRelu())
        .rule("ThresholdedRelu", ActivationRules.thresholdedRelu())
        .rule("Shrink", ActivationRules.shrink())
        .rule("HardSigmoid", ActivationRules.hardSigmoid())
        .rule("HardSwish", ActivationRules.hardSwish())
        .rule("Mish", ActivationRules.mish())
        .rule("Swish", ActivationRules.swish())
        .rule("Clip", ActivationRules::clip)
        .rule("Dropout", ActivationRules::dropout)
        .rule("Floor", ActivationRules::flat)
        .rule("Ceil", ActivationRules::flat)
        .rule("Round", ActivationRules::flat)
        .rule("Sign", ActivationRules::flat)
        .rule("Hardmax", ActivationRules::flat)
        .unary("Cast", (o, x, y, dy) -> o.cast(dy, x.elementType()))
        .rule("CastLike", (b, n, dy) -> castLike(b, n, only(dy)))
        .rule("Gelu", BackwardRules::gelu)
        .own("Silu", unary((o, x, y, dy) -> o.own("SiluGrad", Attributes.NONE, 1, x, dy).get(0)))
        // Elementwise, several operands.
        .rule("Add", (b, n, dy) -> broadcast(b, n, only(dy), only(dy)))
        .rule("Sub", (b, n, dy) -> broadcast(b, n, only(dy), negated(b, n, only(dy))))
        .rule("Mul", BackwardRules::mul)
        .rule("Div", BackwardRules::div)
        .rule("Pow", BackwardRules::pow)
        .rule("Max", (b, n, dy) -> extremum(b, n, only(dy)))
        .rule("Min", (b, n, dy) -> extremum(b, n, only(dy)))
        .rule("Sum", BackwardRules::sum)
        .rule("Mean", ActivationRules::mean)
        .rule("Mod", ActivationRules::mod)
        .rule("PRelu", ActivationRules::prelu)
        .rule("Where", BackwardRules::where)
        // Products.
        .rule("MatMul", BackwardRules::matMul)
        .rule("Gemm", BackwardRules::gemm)
        .rule("Einsum", ActivationRules::einsum)
        .rule("Conv", ConvolutionRules::conv)
        .rule("ConvTranspose", ConvolutionRules::convTranspose)
        // Pools.
        .rule("AveragePool", ConvolutionRules::averagePool)
        .rule("MaxPool", MovementRules::maxPool)
        .rule("GlobalAveragePool", ConvolutionRules::globalAverage)
        .rule("GlobalMaxPool", ConvolutionRules::globalMax)
        // Movement.
        .unary("Reshape", (o, x, y, dy) -> o.reshapeLike(dy, x))
        .unary("Flatten", (o, x, y, dy) -> o.reshapeLike(dy, x))
        .unary("Squeeze", (o, x, y, dy) -> o.reshapeLike(dy, x))
        .unary("Unsqueeze", (o, x, y, dy) -> o.reshapeLike(dy, x))
        .rule("Transpose", BackwardRules::transpose)
        .rule("Concat", BackwardRules::concat)
        .rule("Split", BackwardRules::split)
        .rule("Slice", MovementRules::slice)
        .rule("Pad", MovementRules::pad)
        .rule("Expand", (b, n, dy) -> List.of(Optional.of(b.unbroadcast(only(dy), n.input(0)))))
        .rule("Gather", BackwardRules::gather)
        .rule("GatherElements", BackwardRules::gatherElements)
        .rule("GatherND", MovementRules::gatherNd)
        .rule("ScatterElements", MovementRules::scatterElements)
        .rule("ScatterND", MovementRules::scatterNd)
        .rule("OneHot", MovementRules::oneHot)
        .rule("Tile", MovementRules::tile)
        .rule("Trilu", MovementRules::itself)
        .rule("ReverseSequence", MovementRules::itself)
        .rule("DepthToSpace", MovementRules::depthToSpace)
        .rule("SpaceToDepth", MovementRules::spaceToDepth)
        // Reductions.
        .rule("ReduceSum", (b, n, dy) -> List.of(Optional.of(spread(b, n, only(dy)))))
        .rule("ReduceMean", BackwardRules::reduceMean)
        .rule("ReduceMax", ReductionRules.extremum())
        .rule("ReduceMin", ReductionRules.extremum())
        .rule("ReduceProd", ReductionRules::product)
        .rule("ReduceSumSquare", ReductionRules.sumSquare())
        .rule("ReduceL1", ReductionRules.l1())
        .rule("ReduceL2", ReductionRules.l2())
        .rule("ReduceLogSum", ReductionRules.logSum())
        .rule("ReduceLogSumExp", ReductionRules.logSumExp())
        .rule("TopK", ReductionRules::topK)
        .rule("CumSum", BackwardRules::cumSum)
        // Normalisation.
        .rule("Softmax", BackwardRules::softmax)
        .rule("LogSoftmax", BackwardRules::logSoftmax)
        .rule("LayerNormalization", ReductionRules::layerNormalization)
        .rule("RMSNormalization", ReductionRules::rmsNormalization)
        // Our own.
        .own("CausalConv", BackwardRules::causalConv)
        .own("SelectiveScan", BackwardRules::selectiveScan)
        .own("StateSpaceDual", BackwardRules::stateSpaceDual)
        .own("Attention", BackwardRules::attention)
        .own("CausalAttention", BackwardRules::causalAttention)
        .own("CrossEntropy", BackwardRules::crossEntropy)
        .own("LinearCrossEntropy", BackwardRules::linearCrossEntropy)
        .own("LinearCrossEntropySum", BackwardRules::linearCrossEntropy)
        .rules
        .buildOrThrow();
  }

  static Value only(List<Optional<Value>> gradients) {
    for (int i = 1; i < gradients.size(); i++) {
      if (gradients.get(i).isPresent()) {
        throw new IrException("only the first output can be differentiated");
      }
    }
    return gradients.get(0).orElseThrow();
  }

  // ---- Elementwise

  private static Value squared(Ops o, Value x) {
    return o.mul(x, x);
  }

  private static List<Optional<Value>> castLike(Backward b, Node node, Value dy) {
    return List.of(Optional.of(b.ops().cast(dy, node.input(0).elementType())), Optional.empty());
  }

  private static List<Optional<Value>> gelu(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    if (node.attributes().stringValue("approximate", "none").equals("tanh")) {
      return List.of(Optional.of(o.own("GeluTanhGrad", Attributes.NONE, 1, x, only(dy)).get(0)));
    }
    Value cdf = o.mul(o.add(o.onnx("Erf", o.mul(x, Math.sqrt(0.5))), 1), 0.5);
    Value pdf = o.mul(o.exp(o.mul(o.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return Backward.of(o.mul(only(dy), o.add(cdf, o.mul(x, pdf))));
  }

  /** Gradients of two operands that broadcast against each other; computed only where wanted. */
  static List<Optional<Value>> broadcast(Backward b, Node node, Value first, Value second) {
    return List.of(
        b.wants(node.input(0))
            ? Optional.of(b.unbroadcast(first, node.input(0)))
            : Optional.empty(),
        b.wants(node.input(1))
            ? Optional.of(b.unbroadcast(second, node.input(1)))
            : Optional.empty());
  }

  private static Value negated(Backward b, Node node, Value dy) {
    return b.wants(node.input(1)) ? b.ops().neg(dy) : dy;
  }

  private static List<Optional<Value>> mul(Backward b, Node node, List<Optional<Value>> dy) {
    Value x = node.input(0);
    Value y = node.input(1);
    return List.of(product(b, x, only(dy), y), product(b, y, only(dy), x));
  }

  private static Optional<Value> product(Backward b, Value operand, Value dy, Value factor) {
    return b.wants(operand)
        ? Optional.of(b.unbroadcast(b.ops().mul(dy, factor), operand))
        : Optional.empty();
  }

  private static List<Optional<Value>> div(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value y = node.input(1);
    Value quotient = o.div(only(dy), y);
    return List.of(
        b.wants(x) ? Optional.of(b.unbroadcast(quotient, x)) : Optional.empty(),
        b.wants(y)
            ? Optional.of(b.unbroadcast(o.neg(o.mul(quotient, node.output())), y))
            : Optional.empty());
  }

  /** d x^p = p x^(p-1) dx + x^p log(x) dp. */
  private static List<Optional<Value>> pow(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value power = node.input(1);
    Value exponent = o.cast(power, x.elementType());
    List<Optional<Value>> gradients = new ArrayList<>(List.of(Optional.empty(), Optional.empty()));
    if (b.wants(x)) {
      Value slope = o.mul(o.onnx("Pow", x, o.add(exponent, -1)), exponent);
      gradients.set(0, Optional.of(b.unbroadcast(o.mul(only(dy), slope), x)));
    }
    if (b.wants(power)) {
      Value slope = o.mul(node.output(), o.onnx("Log", x));
      Value gradient = o.cast(o.mul(only(dy), slope), power.elementType());
      gradients.set(1, Optional.of(b.unbroadcast(gradient, power)));
    }
    return gradients;
  }

  /** The gradient goes to the operand that was chosen; to both where they are equal. */
  private static List<Optional<Value>> extremum(Backward b, Node node, Value dy) {
    Ops o = b.ops();
    List<Optional<Value>> gradients = new ArrayList<>();
    for (Value operand : node.presentInputs()) {
      Value chosen = o.cast(o.onnx("Equal", operand, node.output()), dy.elementType());
      gradients.add(
          b.wants(operand)
              ? Optional.of(b.unbroadcast(o.mul(dy, chosen), operand))
              : Optional.empty());
    }
    return gradients;
  }

  private static List<Optional<Value>> sum(Backward b, Node node, List<Optional<Value>> dy) {
    return node.presentInputs().stream().map(x -> Optional.of(b.unbroadcast(only(dy), x))).toList();
  }

  private static List<Optional<Value>> where(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value zero = o.scalar(only(dy).elementType(), 0);
    Value then = node.input(1);
    Value otherwise = node.input(2);
    return List.of(
        Optional.empty(),
        b.wants(then)
            ? Optional.of(b.unbroadcast(o.where(node.input(0), only(dy), zero), then))
            : Optional.empty(),
        b.wants(otherwise)
            ? Optional.of(b.unbroadcast(o.where(node.input(0), zero, only(dy)), otherwise))
            : Optional.empty());
  }

  // ---- Products

  private static List<Optional<Value>> matMul(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    Value y = node.input(1);
    Value g = only(dy);
    if (x.shape().rank() == 1 || y.shape().rank() == 1) {
      return withVectors(b, x, y, g);
    }
    // A matrix on the right is shared by all rows on the left: its gradient is one product over all
    // of them.
    boolean shared = y.shape().rank() == 2 && x.shape().rank() > 2;
    return List.of(
        b.wants(x)
            ? Optional.of(b.unbroadcast(o.matMul(g, o.transposeLast(y)), x))
            : Optional.empty(),
        !b.wants(y)
            ? Optional.empty()
            : shared
                ? Optional.of(o.matMul(o.transposeLast(b.asMatrix(x)), b.asMatrix(g)))
                : Optional.of(b.unbroadcast(o.matMul(o.transposeLast(x), g), y)));
  }

  /** A vector on the left is a matrix of one row, one on the right a matrix of one column. */
  private static List<Optional<Value>> withVectors(Backward b, Value x, Value y, Value dy) {
    Ops o = b.ops();
    Value left = x.shape().rank() == 1 ? o.unsqueeze(x, 0) : x;
    Value right = y.shape().rank() == 1 ? o.unsqueeze(y, 1) : y;
    Value column = y.shape().rank() == 1 ? o.unsqueeze(dy, -1) : dy;
    Value g = x.shape().rank() == 1 ? o.unsqueeze(column, -2) : column;
    Value dx = b.unbroadcast(o.matMul(g, o.transposeLast(right)), left);
    Value dright = b.unbroadcast(o.matMul(o.transposeLast(left), g), right);
    return List.of(
        b.wants(x) ? Optional.of(o.reshapeLike(dx, x)) : Optional.empty(),
        b.wants(y) ? Optional.of(o.reshapeLike(dright, y)) : Optional.empty());
  }

  private static List<Optional<Value>> gemm(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Attributes attributes = node.attributes();
    boolean transA = attributes.intValue("transA", 0) != 0;
    boolean transB = attributes.intValue("transB", 0) != 0;
    float alpha = attributes.floatValue("alpha", 1);
    float beta = attributes.floatValue("beta", 1);
    Value x = node.input(0);
    Value y = node.input(1);
    Value g = only(dy);
    Value scaled = alpha == 1 ? g : o.mul(g, alpha);
    Value left = transB ? y : o.transposeLast(y);
    Value dx = transA ? o.transposeLast(o.matMul(scaled, left)) : o.matMul(scaled, left);
    Value right = transA ? x : o.transposeLast(x);
    Value dyy = o.matMul(right, scaled);
    List<Optional<Value>> gradients = new ArrayList<>();
    gradients.add(b.wants(x) ? Optional.of(dx) : Optional.empty());
    gradients.add(b.wants(y) ? Optional.of(transB ? o.transposeLast(dyy) : dyy) : Optional.empty());
    if (node.hasInput(2) && b.wants(node.input(2))) {
      gradients.add(Optional.of(b.unbroadcast(beta == 1 ? g : o.mul(g, beta), node.input(2))));
    }
    return gradients;
  }

  // ---- Movement

  private static List<Optional<Value>> transpose(Backward b, Node node, List<Optional<Value>> dy) {
    int rank = node.input(0).shape().rank();
    long[] reversed = new long[rank];
    Arrays.setAll(reversed, axis -> rank - 1 - axis);
    long[] permutation = node.attributes().intValues("perm", reversed);
    long[] inverse = new long[rank];
    for (int axis = 0; axis < rank; axis++) {
      inverse[(int) permutation[axis]] = axis;
    }
    return Backward.of(b.ops().transpose(only(dy), inverse));
  }

  private static List<Optional<Value>> concat(Backward b, Node node, List<Optional<Value>> dy) {
    int axis = axis(node, 0);
    List<Value> operands = node.presentInputs();
    long[] extents = operands.stream().mapToLong(x -> x.shape().dim(axis).extent()).toArray();
    return b.ops().split(only(dy), axis, extents).stream().map(Optional::of).toList();
  }

  private static List<Optional<Value>> split(Backward b, Node node, List<Optional<Value>> dy) {
    Value[] parts = new Value[node.outputs().size()];
    for (int i = 0; i < parts.length; i++) {
      parts[i] = dy.get(i).isPresent() ? dy.get(i).get() : zerosLike(b, node.output(i));
    }
    return Backward.of(b.ops().concat(axis(node, 0), parts));
  }

  static Value zerosLike(Backward b, Value value) {
    return b.ops().expand(b.ops().scalar(value.elementType(), 0), b.ops().shapeOf(value));
  }

  /** Along the first axis of a table the gradient is summed by row; elsewhere by element. */
  private static List<Optional<Value>> gather(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value table = node.input(0);
    Value indices = node.input(1);
    int axis = axis(node, 0);
    if (axis < 0) {
      axis += table.shape().rank();
    }
    if (axis == 0 && table.shape().rank() == 2) {
      return Backward.of(
          o.own(
                  "EmbeddingGrad",
                  Attributes.of("rows", table.shape().dim(0).extent()),
                  1,
                  indices,
                  only(dy))
              .get(0));
    }
    if (axis == 0 && table.shape().rank() == 1) {
      Value column = o.unsqueeze(only(dy), indices.shape().rank());
      Value rows =
          o.own(
                  "EmbeddingGrad",
                  Attributes.of("rows", table.shape().dim(0).extent()),
                  1,
                  indices,
                  column)
              .get(0);
      return Backward.of(o.reshapeLike(rows, table));
    }
    int indexRank = indices.shape().rank();
    long extent = table.shape().dim(axis).extent();
    // The gathered axes become one.
    int rank = table.shape().rank();
    long[] joined = new long[rank];
    for (int i = 0; i < rank; i++) {
      joined[i] = i == axis ? -1 : table.shape().dim(i).extent();
    }
    Value flat = indexRank == 1 ? only(dy) : o.reshape(only(dy), joined);
    Value places = indexRank == 1 ? indices : o.reshape(indices, -1);
    return Backward.of(gatherGradient(o, flat, places, axis, extent));
  }

  /**
   * The gradient of gathering along an axis of a given extent, by a vector of indices: that axis is
   * brought to the front, summed by index, and put back.
   */
  static Value gatherGradient(Ops o, Value dy, Value indices, int axis, long extent) {
    int rank = dy.shape().rank();
    long[] toFront = new long[rank];
    long[] back = new long[rank];
    long[] unfolded = new long[rank];
    unfolded[0] = extent;
    long width = 1;
    for (int i = 0; i < rank; i++) {
      toFront[i] = i == 0 ? axis : i <= axis ? i - 1 : i;
      back[i] = i < axis ? i + 1 : i == axis ? 0 : i;
      if (i > 0) {
        unfolded[i] = dy.shape().dim((int) toFront[i]).extent();
        width *= unfolded[i];
      }
    }
    Value front = o.reshape(o.transpose(dy, toFront), -1, width);
    Value rows = o.own("EmbeddingGrad", Attributes.of("rows", extent), 1, indices, front).get(0);
    return o.transpose(o.reshape(rows, unfolded), back);
  }

  private static List<Optional<Value>> gatherElements(
      Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value gradient =
        o.onnx(
            "ScatterElements",
            Attributes.of("axis", axis(node, 0)).with("reduction", Attribute.of("add")),
            zerosLike(b, node.input(0)),
            node.input(1),
            only(dy));
    return Backward.of(gradient);
  }

  // ---- Reductions

  /** The gradient of a sum, spread over what was summed. */
  static Value spread(Backward b, Node node, Value dy) {
    Value x = node.input(0);
    int rank = x.shape().rank();
    long[] axes = reducedAxes(b, node);
    boolean kept = node.attributes().intValue("keepdims", 1) != 0;
    Value gradient = kept || axes.length == 0 ? dy : b.ops().unsqueeze(dy, axes);
    if (!kept && axes.length == rank) {
      gradient = b.ops().reshape(dy, filled(rank, 1));
    }
    return b.ops().expand(gradient, b.ops().shapeOf(x));
  }

  private static long[] reducedAxes(Backward b, Node node) {
    int rank = node.input(0).shape().rank();
    long[] axes = node.hasInput(1) ? constant(b, node, 1) : node.attributes().intValues("axes");
    if (axes.length == 0 && node.attributes().intValue("noop_with_empty_axes", 0) == 0) {
      return range(rank);
    }
    return Arrays.stream(axes).map(axis -> axis < 0 ? axis + rank : axis).sorted().toArray();
  }

  private static List<Optional<Value>> reduceMean(Backward b, Node node, List<Optional<Value>> dy) {
    long count = 1;
    for (long axis : reducedAxes(b, node)) {
      count *= node.input(0).shape().dim((int) axis).extent();
    }
    return Backward.of(spread(b, node, b.ops().mul(only(dy), 1.0 / count)));
  }

  private static List<Optional<Value>> cumSum(Backward b, Node node, List<Optional<Value>> dy) {
    Attributes turned =
        node.attributes().with("reverse", 1 - node.attributes().intValue("reverse", 0));
    return Backward.of(b.ops().onnx("CumSum", turned, only(dy), node.input(1)));
  }

  // ---- Normalisation

  private static List<Optional<Value>> softmax(Backward b, Node node, List<Optional<Value>> dy) {
    Attributes axis = Attributes.of("axis", node.attributes().intValue("axis", -1));
    return Backward.of(b.ops().own("SoftmaxGrad", axis, 1, only(dy), node.output()).get(0));
  }

  private static List<Optional<Value>> logSoftmax(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    long axis = node.attributes().intValue("axis", -1);
    Value total = o.reduceSumKeep(only(dy), axis);
    return Backward.of(o.sub(only(dy), o.mul(o.exp(node.output()), total)));
  }

  // ---- Our own

  private static List<Optional<Value>> causalConv(Backward b, Node node, List<Optional<Value>> dy) {
    List<Value> gradients =
        b.ops().own("CausalConvGrad", Attributes.NONE, 3, node.input(0), node.input(1), only(dy));
    return gradients.subList(0, node.inputs().size()).stream().map(Optional::of).toList();
  }

  private static List<Optional<Value>> selectiveScan(
      Backward b, Node node, List<Optional<Value>> dy) {
    Value[] operands = new Value[6];
    for (int i = 0; i < 5; i++) {
      operands[i] = node.input(i);
    }
    operands[5] = only(dy);
    return b.ops().own("SelectiveScanGrad", Attributes.NONE, 5, operands).stream()
        .map(Optional::of)
        .toList();
  }

  private static List<Optional<Value>> stateSpaceDual(
      Backward b, Node node, List<Optional<Value>> dy) {
    return b
        .ops()
        .own(
            "StateSpaceDualGrad",
            node.attributes(),
            5,
            node.input(0),
            node.input(1),
            node.input(2),
            node.input(3),
            node.input(4),
            only(dy))
        .stream()
        .map(Optional::of)
        .toList();
  }

  /** None for the mask, which is not trained. */
  private static List<Optional<Value>> attention(Backward b, Node node, List<Optional<Value>> dy) {
    if (b.wants(node.input(3))) {
      throw new IrException("the mask of " + node + " cannot be differentiated by");
    }
    return b
        .ops()
        .own(
            "AttentionGrad",
            node.attributes(),
            3,
            node.input(0),
            node.input(1),
            node.input(2),
            node.input(3),
            only(dy))
        .stream()
        .map(Optional::of)
        .toList();
  }

  private static List<Optional<Value>> causalAttention(
      Backward b, Node node, List<Optional<Value>> dy) {
    return b
        .ops()
        .own(
            "CausalAttentionGrad",
            node.attributes(),
            3,
            node.input(0),
            node.input(1),
            node.input(2),
            only(dy))
        .stream()
        .map(Optional::of)
        .toList();
  }

  private static List<Optional<Value>> crossEntropy(
      Backward b, Node node, List<Optional<Value>> dy) {
    return Backward.of(
        b.ops()
            .own("CrossEntropyGrad", Attributes.NONE, 1, only(dy), node.output(1), node.input(1))
            .get(0));
  }

  /** The operator gives the gradients for a loss that is the last of all. */
  private static List<Optional<Value>> linearCrossEntropy(
      Backward b, Node node, List<Optional<Value>> dy) {
    Value dLoss = only(dy);
    List<Optional<Value>> gradients = new ArrayList<>();
    for (int i = 1; i < node.outputs().size(); i++) {
      gradients.add(Optional.of(b.ops().mul(node.output(i), dLoss)));
    }
    gradients.add(Optional.empty());
    return gradients;
  }

  // ---- Operands

  private static int axis(Node node, int otherwise) {
    return (int) node.attributes().intValue("axis", otherwise);
  }

  static long[] constant(Backward b, Node node, int index) {
    Tensor tensor =
        b.ops()
            .editor()
            .constantOf(node.input(index))
            .orElseThrow(
                () ->
                    new IrException(
                        node + ": input " + index + " must be constant to differentiate"));
    if (tensor.elementType() == ElementType.FLOAT32) {
      throw new IrException(node + ": input " + index + " should be integer");
    }
    return tensor.toLongs();
  }

  static long[] range(int count) {
    long[] values = new long[count];
    Arrays.setAll(values, i -> i);
    return values;
  }

  static long[] filled(int count, long value) {
    long[] values = new long[count];
    Arrays.fill(values, value);
    return values;
  }
}
