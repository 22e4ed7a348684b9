package dev.manticore.compiler.inspect;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.pass.InlineBodies;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Counts the floating-point operations of a graph from its operators and its shapes, which should
 * all be known.
 *
 * <p>A multiplication and the addition of its product are two. An elementwise function, the
 * exponential say, is one for each element of its result; a reduction one for each element that it
 * reads; what a normalisation or a softmax consists of is added up. Moving, selecting, comparing
 * and converting, and all that is done with integers, is none. An operator with a body counts as
 * its body does; a {@code Scan} or {@code Loop} as its body times its turns; an {@code If} as the
 * larger of its branches.
 */
public final class FlopCounter {

  /** Operators whose results are as many operations as they have elements. */
  private static final ImmutableSet<String> ELEMENTWISE =
      words(
          "Abs Acos Acosh Add Asin Asinh Atan Atanh Ceil Celu Cos Cosh Div Elu Erf Exp "
              + "FastGelu Floor Gelu HardSigmoid HardSwish LeakyRelu Log Mish Mod Mul Neg PRelu "
              + "Pow QuickGelu Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus "
              + "Softsign Sqrt Sub Swish Tan Tanh ThresholdedRelu");

  /** Operators of any number of operands, joined one after the other. */
  private static final ImmutableSet<String> VARIADIC = ImmutableSet.of("Max", "Mean", "Min", "Sum");

  private static final ImmutableSet<String> MOVEMENT =
      words(
          "And ArgMax ArgMin Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor "
              + "Cast CastLike Clip Compress Concat Constant ConstantOfShape DepthToSpace "
              + "Dropout Equal Expand EyeLike Flatten Gather GatherElements GatherND Greater "
              + "GreaterOrEqual Hardmax Identity IsInf IsNaN Less LessOrEqual NonZero Not OneHot "
              + "Optional Or Pad RandomNormal RandomNormalLike RandomUniform RandomUniformLike "
              + "Range Reshape ReverseSequence ScatterElements ScatterND Shape Size Slice "
              + "SpaceToDepth Split Squeeze Tile TopK Transpose Trilu Unique Unsqueeze Where Xor");

  /** Products of matrices, to which an input after the second is added. */
  private static final ImmutableSet<String> PRODUCTS = words("FusedMatMul Gemm MatMul");

  /** Operations for each element of the first input. */
  private static final ImmutableMap<String, Integer> PER_INPUT =
      ImmutableMap.<String, Integer>builder()
          .put("CumSum", 1)
          .put("GlobalAveragePool", 1)
          .put("GlobalMaxPool", 1)
          .put("ReduceL1", 2)
          .put("ReduceL2", 2)
          .put("ReduceLogSum", 1)
          .put("ReduceLogSumExp", 2)
          .put("ReduceMax", 1)
          .put("ReduceMean", 1)
          .put("ReduceMin", 1)
          .put("ReduceProd", 1)
          .put("ReduceSum", 1)
          .put("ReduceSumSquare", 2)
          // Largest, difference, exponential, sum, quotient (of the logarithm: difference).
          .put("Softmax", 5)
          .put("LogSoftmax", 5)
          // Mean, difference, square, mean, quotient, scale, shift.
          .put("BatchNormalization", 4)
          .put("GroupNormalization", 7)
          .put("InstanceNormalization", 7)
          .put("LayerNormalization", 7)
          .put("MeanVarianceNormalization", 5)
          // Square, mean, quotient, scale.
          .put("RMSNormalization", 4)
          .put("SimplifiedLayerNormalization", 4)
          .put("LpNormalization", 3)
          // Two products and a sum for each element.
          .put("RotaryEmbedding", 3)
          .buildOrThrow();

  private static ImmutableSet<String> words(String text) {
    return ImmutableSet.copyOf(Splitter.on(' ').split(text));
  }

  private final Catalogue catalogue = Catalogue.standard();
  private final GraphEditor known;
  private final Map<String, Long> counts = new HashMap<>();
  private final Map<String, Integer> uncounted = new LinkedHashMap<>();

  private FlopCounter(Graph graph) {
    this.known = graph.edit();
    graph.nodes().forEach(this::remember);
  }

  /** Counts a graph. */
  public static FlopCounter of(Graph graph) {
    return new FlopCounter(graph);
  }

  /** The operations of the node that makes a value of this name; 0 where they cannot be counted. */
  public long of(String output) {
    return counts.getOrDefault(output, 0L);
  }

  /** The operators that could not be counted, and how many nodes of each there are. */
  public ImmutableMap<String, Integer> uncounted() {
    return ImmutableMap.copyOf(uncounted);
  }

  private void remember(Node node) {
    long count = count(node);
    node.presentOutputs().stream()
        .findFirst()
        .ifPresent(output -> counts.put(output.name(), count));
  }

  private long count(Graph graph) {
    long sum = 0;
    for (Node node : graph.nodes()) {
      sum = Math.addExact(sum, count(node));
    }
    return sum;
  }

  private long count(Node node) {
    OptionalLong count;
    try {
      count = attempt(node);
    } catch (ManticoreException e) {
      // A shape that is not known.
      count = OptionalLong.empty();
    }
    if (count.isEmpty()) {
      uncounted.merge(node.op().toString(), 1, Integer::sum);
    }
    return count.orElse(0);
  }

  private OptionalLong attempt(Node node) {
    String name = node.op().name();
    String domain = node.op().domain();
    boolean standard = domain.equals(OpId.ONNX) || domain.equals(OpId.MICROSOFT);
    if (standard && name.equals("Scan")) {
      return OptionalLong.of(
          Math.multiplyExact(count(node.attributes().graph("body")), turns(node)));
    }
    if (standard && name.equals("Loop")) {
      Optional<Tensor> limit =
          node.hasInput(0) ? known.constantOf(node.input(0)) : Optional.empty();
      long body = count(node.attributes().graph("body"));
      return limit.isEmpty()
          ? OptionalLong.empty()
          : OptionalLong.of(Math.multiplyExact(body, limit.get().toLongs()[0]));
    }
    if (standard && name.equals("If")) {
      return OptionalLong.of(
          Math.max(
              count(node.attributes().graph("then_branch")),
              count(node.attributes().graph("else_branch"))));
    }
    if (standard && MOVEMENT.contains(name)) {
      return OptionalLong.of(0);
    }
    OptionalLong product = ofProduct(node);
    if (product.isPresent()) {
      int addends = node.presentInputs().size() - 2;
      return OptionalLong.of(product.getAsLong() + addends * elements(node.output()));
    }
    Optional<Graph> body = standard ? Optional.empty() : body(node);
    if (body.isPresent()) {
      return OptionalLong.of(count(body.get()));
    }
    if (!standard) {
      return OptionalLong.empty();
    }
    if (!node.output().isTensor() || !node.output().elementType().isFloating()) {
      return catalogue.find(node.op()).isPresent() ? OptionalLong.of(0) : OptionalLong.empty();
    }
    if (ELEMENTWISE.contains(name)) {
      return OptionalLong.of(elements(node.output()));
    }
    if (VARIADIC.contains(name)) {
      return OptionalLong.of(elements(node.output()) * (node.presentInputs().size() - 1));
    }
    if (PER_INPUT.containsKey(name)) {
      return OptionalLong.of(Math.multiplyExact(elements(node.input(0)), PER_INPUT.get(name)));
    }
    return switch (name) {
      case "Conv" -> {
        Shape weights = node.input(1).shape();
        long window = weights.elementCount() / weights.dim(0).extent();
        yield OptionalLong.of(
            2 * product(node, window) + (node.hasInput(2) ? elements(node.output()) : 0));
      }
      case "AveragePool", "MaxPool" -> {
        long window = 1;
        for (long extent : node.attributes().intValues("kernel_shape")) {
          window *= extent;
        }
        yield OptionalLong.of(product(node, window));
      }
      case "Einsum" -> OptionalLong.of(einsum(node));
      default -> OptionalLong.empty();
    };
  }

  /**
   * The operations of the product of matrices that a node is, without those of what is added to it;
   * empty if it is none.
   *
   * @throws ManticoreException if a shape is not known
   */
  public static OptionalLong ofProduct(Node node) {
    String name = node.op().name();
    boolean product =
        switch (node.op().domain()) {
          case OpId.ONNX, OpId.MICROSOFT -> PRODUCTS.contains(name);
          case OpId.KERNEL -> name.startsWith("FusedMatMul");
          default -> false;
        };
    return product && node.output().isTensor() && node.output().elementType().isFloating()
        ? OptionalLong.of(2 * product(node, summed(node)))
        : OptionalLong.empty();
  }

  /** How many products are summed for each element of a matrix product. */
  private static long summed(Node node) {
    Shape left = node.input(0).shape();
    boolean transposed =
        node.attributes().has("transA") && node.attributes().intValue("transA", 0) != 0;
    return left.dim(transposed && left.rank() > 1 ? -2 : -1).extent();
  }

  private static long product(Node node, long each) {
    return Math.multiplyExact(elements(node.output()), each);
  }

  /** One multiplication for each operand after the first, and the additions. */
  private static long einsum(Node node) {
    String equation = node.attributes().stringValue("equation", "").replace(" ", "");
    String[] terms = equation.split("->")[0].split(",");
    Map<Character, Long> labels = new HashMap<>();
    long broadcast = 1;
    for (int i = 0; i < terms.length; i++) {
      Shape shape = node.input(i).shape();
      int dots = terms[i].indexOf("...");
      String before = dots < 0 ? terms[i] : terms[i].substring(0, dots);
      String after = dots < 0 ? "" : terms[i].substring(dots + 3);
      for (int j = 0; j < before.length(); j++) {
        labels.merge(before.charAt(j), shape.dim(j).extent(), Math::max);
      }
      for (int j = 0; j < after.length(); j++) {
        labels.merge(after.charAt(j), shape.dim(j - after.length()).extent(), Math::max);
      }
      long between = 1;
      for (int axis = before.length(); axis < shape.rank() - after.length(); axis++) {
        between = Math.multiplyExact(between, shape.dim(axis).extent());
      }
      broadcast = Math.max(broadcast, between);
    }
    long count = Math.multiplyExact(broadcast, 2L * Math.max(1, terms.length - 1));
    for (long extent : labels.values()) {
      count = Math.multiplyExact(count, extent);
    }
    return count;
  }

  private static long turns(Node scan) {
    int scanned = Math.toIntExact(scan.attributes().intValue("num_scan_inputs", 1));
    int first = scan.inputs().size() - scanned;
    long[] axes = scan.attributes().intValues("scan_input_axes", new long[scanned]);
    return scan.input(first).shape().dim((int) axes[0]).extent();
  }

  private static long elements(Value value) {
    return value.shape().elementCount();
  }

  /** What a node computes as a graph of its own, with all shapes inferred. */
  private Optional<Graph> body(Node node) {
    Call call =
        new Call(
            node.op(),
            node.attributes(),
            node.inputs(),
            node.outputs().size(),
            known::constantOf,
            known::extentsOf);
    if (catalogue.find(node.op()).flatMap(operator -> operator.body(call)).isEmpty()) {
      return Optional.empty();
    }
    GraphEditor editor = new GraphEditor(node.name());
    Map<Value, Value> operands = new HashMap<>();
    for (Value input : node.presentInputs()) {
      operands.computeIfAbsent(
          input,
          value ->
              known
                  .constantOf(value)
                  .map(constant -> editor.constant(value.name(), constant))
                  .orElseGet(() -> editor.freshInput(value.name(), typed(value))));
    }
    editor
        .add(
            node.op(),
            node.op().name(),
            node.attributes(),
            node.inputs().stream().map(input -> input.map(operands::get)).toList(),
            node.outputs().size())
        .forEach(editor::output);
    return Optional.of(InlineBodies.all().run(editor.freeze()));
  }

  private static TensorType typed(Value value) {
    if (value.elementType() != ElementType.STRING
        && value.shape().isRanked()
        && value.shape().dims().stream().allMatch(Dim::isKnown)) {
      return value.type();
    }
    throw new ManticoreException("MNT-INSPECT", "the shape of " + value + " is not known");
  }
}
