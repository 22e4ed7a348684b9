package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Iterables;
import dev.manticore.compiler.inspect.FlopCounter;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What a node cannot do without, however it is computed.
 *
 * @param operations of products of matrices and of scans, a multiplication and an addition being
 *     two
 * @param exponentials values of the exponential function, or of one that needs it
 * @param bytes of its operands, each read once, and of its results, each written once; none of what
 *     only gives memory another shape. Of a table of which some rows are looked up, as many are
 *     read as are written.
 * @param far those of the bytes that cannot be in a cache
 */
record NodeWork(long operations, long exponentials, long bytes, long far) {

  static final NodeWork NONE = new NodeWork(0, 0, 0, 0);

  private static final ImmutableSet<String> VIEWS =
      ImmutableSet.of("Constant", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze");

  private static final ImmutableSet<String> LOOKS_UP =
      ImmutableSet.of("Gather", "GatherElements", "Shape", "Size", "Slice", "Split");

  /** One for each element of the first input. */
  private static final ImmutableSet<String> EXPONENTIAL =
      ImmutableSet.of(
          "BiasGelu",
          "Erf",
          "Exp",
          "FastGelu",
          "Gelu",
          "GeluTanhGrad",
          "LogSoftmax",
          "QuickGelu",
          "Sigmoid",
          "Silu",
          "SiluGrad",
          "Softmax",
          "Softplus",
          "Tanh");

  /** A mask below this leaves a position out. */
  private static final double LEAST_MASK = -1e30;

  /** Products of matrices of an attention, and of its gradient, which computes the first again. */
  private static final int ATTENTION_PRODUCTS = 2;

  private static final int ATTENTION_GRADIENT_PRODUCTS = 5;

  /** The logits of a head, and the gradients of its operand and its weight. */
  private static final int HEAD_PRODUCTS = 3;

  /**
   * Of each position, channel and state of a scan, beside its exponential: delta A, the new state
   * of delta x, B and the old one, and what it adds to y.
   */
  private static final int SCAN_OPERATIONS = 6;

  /**
   * The same for the gradient: delta A and the state again, the gradient of the state after and
   * before the step, and what the gradients of A, B, C, x and delta get.
   */
  private static final int SCAN_GRADIENT_OPERATIONS = 18;

  /** Whether a node only gives memory another shape. */
  static boolean isView(Node node) {
    return node.op().domain().equals(OpId.ONNX) && VIEWS.contains(node.op().name());
  }

  /**
   * The work of a node of a graph.
   *
   * @param machine tells what fits its cache: a node with more has none of it there
   * @param state the values that were last used too long ago to be there
   * @throws dev.manticore.ir.ManticoreException if a shape is not known
   */
  static NodeWork of(Graph graph, Node node, MachineLimits machine, Predicate<Value> state) {
    if (isView(node)) {
      return NONE;
    }
    long bytes = 0;
    long far = 0;
    if (LOOKS_UP.contains(node.op().name())) {
      bytes = 2 * node.presentOutputs().stream().mapToLong(NodeWork::bytes).sum();
    } else {
      for (Value value :
          Iterables.concat(new LinkedHashSet<>(node.presentInputs()), node.presentOutputs())) {
        bytes += bytes(value);
        far += state.test(value) ? bytes(value) : 0;
      }
    }
    return new NodeWork(
        operations(graph, node),
        exponentials(graph, node),
        bytes,
        machine.isNear(bytes) ? far : bytes);
  }

  static long bytes(Value value) {
    return value.type().byteSize();
  }

  private static long operations(Graph graph, Node node) {
    return switch (node.op().name()) {
      case "Attention", "CausalAttention" ->
          2 * ATTENTION_PRODUCTS * pairs(graph, node) * node.input(0).shape().dim(2).extent();
      case "AttentionGrad", "CausalAttentionGrad" ->
          2
              * ATTENTION_GRADIENT_PRODUCTS
              * pairs(graph, node)
              * node.input(0).shape().dim(2).extent();
      case "LinearCrossEntropy", "LinearCrossEntropySum" ->
          2 * HEAD_PRODUCTS * width(node) * logits(node);
      case "SelectiveScan", "SelectiveScanWithState" -> SCAN_OPERATIONS * states(node, 2);
      case "SelectiveScanGrad" -> SCAN_GRADIENT_OPERATIONS * states(node, 2);
      case "GatedScanWithState" ->
          2 * elements(node.input(0)) * node.input(2).shape().dim(0).extent()
              + SCAN_OPERATIONS * states(node, 5);
      default -> FlopCounter.ofProduct(node).orElse(0);
    };
  }

  /** Logits of all rows. */
  private static long logits(Node node) {
    long classes = elements(node.input(1)) / node.input(0).shape().dim(-1).extent();
    return elements(node.input(node.inputs().size() - 1)) * classes;
  }

  /** Of all heads together. */
  private static long width(Node node) {
    long width = 0;
    for (int i = 0; i < node.inputs().size() - 1; i += 2) {
      width += node.input(i).shape().dim(-1).extent();
    }
    return width;
  }

  private static long exponentials(Graph graph, Node node) {
    String name = node.op().name();
    if (EXPONENTIAL.contains(name)) {
      return elements(node.input(0));
    }
    return switch (name) {
      case "CrossEntropyGrad" -> elements(node.input(1));
      case "LinearCrossEntropy", "LinearCrossEntropySum" -> logits(node);
      case "SelectiveScan", "SelectiveScanGrad", "SelectiveScanWithState" -> states(node, 2);
      // Of the states, of the time step and of the gate.
      case "GatedScanWithState" -> states(node, 5) + 2 * elements(node.input(0));
      case "SiluConvWithState" -> elements(node.output(0));
      case "Attention", "AttentionGrad", "CausalAttention", "CausalAttentionGrad" ->
          pairs(graph, node) * node.attributes().intValue("heads", 1);
      default -> 0;
    };
  }

  /** States of all positions and channels of a scan whose rates are the input given. */
  private static long states(Node scan, int rates) {
    return elements(scan.input(0)) * scan.input(rates).shape().dim(1).extent();
  }

  /** Pairs of a query and a key that the mask of an attention lets through, of all sequences. */
  private static long pairs(Graph graph, Node node) {
    Shape queries = node.input(0).shape();
    return queries.dim(0).extent() * pairs(graph, node, queries.dim(1).extent());
  }

  private static long pairs(Graph graph, Node node, long length) {
    if (node.op().name().startsWith("CausalAttention")) {
      long window = Math.min(length, node.attributes().intValue("window", 1));
      return length * window - window * (window - 1) / 2;
    }
    Value mask = node.input(3);
    return constant(graph, mask).map(NodeWork::kept).orElseGet(() -> elements(mask));
  }

  private static long kept(Tensor mask) {
    long kept = 0;
    for (float value : mask.toFloats()) {
      kept += value > LEAST_MASK ? 1 : 0;
    }
    return kept;
  }

  private static Optional<Tensor> constant(Graph graph, Value value) {
    Tensor parameter = graph.parameters().get(value);
    return parameter != null
        ? Optional.of(parameter)
        : graph
            .producer(value)
            .filter(producer -> producer.op().isOnnx("Constant"))
            .map(producer -> producer.attributes().tensor("value"));
  }

  private static long elements(Value value) {
    return value.shape().elementCount();
  }

  NodeWork plus(NodeWork other) {
    return new NodeWork(
        operations + other.operations,
        exponentials + other.exponentials,
        bytes + other.bytes,
        far + other.far);
  }
}
