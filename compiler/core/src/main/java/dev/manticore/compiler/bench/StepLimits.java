package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.inspect.FlopCounter;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.runtime.Device;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * What this machine allows a training step to be at best: what the step has to compute and to move,
 * beside how fast the machine is in each.
 *
 * @param machine how fast it is
 * @param productShapes products of matrices of different shapes in the step
 * @param fastestProduct of these shapes, in operations a second
 * @param productOperations of all products of the step that are nodes of their own
 * @param productMilliseconds of these, each as fast as it is alone
 * @param leastBytes of the step: each tensor that is no view is written once if a node makes it,
 *     and read once if a node reads it, parameters, moments and gradients among them
 * @param kinds by operator, that with the largest floor first
 * @param unknown nodes without a known shape, which count nothing
 */
public record StepLimits(
    MachineLimits machine,
    int productShapes,
    double fastestProduct,
    long productOperations,
    double productMilliseconds,
    long leastBytes,
    ImmutableList<Kind> kinds,
    int unknown) {

  private static final Duration WARM = Duration.ofMillis(100);
  private static final Duration TIMED = Duration.ofMillis(250);

  /** What bounds a kind of node from below. */
  public enum Bound {
    OPERATIONS,
    EXPONENTIALS,
    BANDWIDTH
  }

  /**
   * All nodes of an operator.
   *
   * @param operator without its domain, as profiles have it
   * @param operations of products of matrices and of scans
   * @param exponentials values of the exponential function
   * @param bytes of operands and results, each once for each node
   * @param operationMilliseconds what the operations take at the rate of the step's products
   * @param exponentialMilliseconds what the exponentials take at their rate
   * @param byteMilliseconds what the bytes take: at the bandwidth of memory those of the step's
   *     state, where all of it does not fit the cache, and those of nodes that do not fit it; at
   *     the bandwidth of the cache all others
   */
  public record Kind(
      String operator,
      int nodes,
      long operations,
      long exponentials,
      long bytes,
      double operationMilliseconds,
      double exponentialMilliseconds,
      double byteMilliseconds) {

    static Kind of(
        String operator,
        int nodes,
        NodeWork work,
        double operationMilliseconds,
        MachineLimits machine) {
      return new Kind(
          operator,
          nodes,
          work.operations(),
          work.exponentials(),
          work.bytes(),
          operationMilliseconds,
          1e3 * work.exponentials() / machine.exponentialsPerSecond(),
          machine.milliseconds(work.far(), work.bytes() - work.far()));
    }

    /**
     * What is computed or what is moved, whichever takes longer: the two may go on at the same
     * time. Operations and exponentials, which consist of operations, need the same units.
     */
    public double floorMilliseconds() {
      return Math.max(arithmeticMilliseconds(), byteMilliseconds);
    }

    private double arithmeticMilliseconds() {
      return operationMilliseconds + exponentialMilliseconds;
    }

    /** What most of the floor goes to. */
    public Bound bound() {
      if (byteMilliseconds >= arithmeticMilliseconds()) {
        return Bound.BANDWIDTH;
      }
      return operationMilliseconds >= exponentialMilliseconds
          ? Bound.OPERATIONS
          : Bound.EXPONENTIALS;
    }
  }

  /** Measures the machine and the products of a step, each alone; takes some seconds. */
  public static StepLimits measure(Device device, StepRequest request) {
    Graph step = StepBenchmark.trainingGraph(device, request);
    MachineLimits machine = MachineLimits.measure(request.threads());
    NodeTimer timer = new NodeTimer(device, request.threads(), WARM, TIMED);
    return of(step, machine, node -> timer.milliseconds(NodeTimer.alone(step, node)));
  }

  /** Times a node alone, in milliseconds. */
  interface Timing {
    double milliseconds(Node node);
  }

  /** Adds up the work of a step, and times one product of each shape. */
  static StepLimits of(Graph step, MachineLimits machine, Timing timing) {
    Predicate<Value> far = far(step, machine);
    Map<String, Double> shapes = new HashMap<>();
    Map<String, List<Node>> byOperator =
        step.nodes().stream()
            .collect(
                Collectors.groupingBy(
                    node -> node.op().name(), LinkedHashMap::new, Collectors.toList()));
    Map<String, NodeWork> work = new LinkedHashMap<>();
    Map<String, Double> products = new HashMap<>();
    double fastest = 0;
    double productMilliseconds = 0;
    long productOperations = 0;
    int unknown = 0;
    for (Map.Entry<String, List<Node>> kind : byOperator.entrySet()) {
      NodeWork sum = NodeWork.NONE;
      for (Node node : kind.getValue()) {
        try {
          sum = sum.plus(NodeWork.of(step, node, machine, far));
          long operations = FlopCounter.ofProduct(node).orElse(0);
          if (operations > 0) {
            double alone =
                shapes.computeIfAbsent(shape(step, node), key -> timing.milliseconds(node));
            fastest = Math.max(fastest, 1e3 * operations / alone);
            products.merge(kind.getKey(), alone, Double::sum);
            productMilliseconds += alone;
            productOperations += operations;
          }
        } catch (ManticoreException e) {
          // A shape that is not known.
          unknown++;
        }
      }
      work.put(kind.getKey(), sum);
    }
    double perOperation = productOperations == 0 ? 0 : productMilliseconds / productOperations;
    ImmutableList.Builder<Kind> kinds = ImmutableList.builder();
    work.forEach(
        (operator, sum) ->
            kinds.add(
                Kind.of(
                    operator,
                    byOperator.get(operator).size(),
                    sum,
                    products.getOrDefault(operator, sum.operations() * perOperation),
                    machine)));
    return new StepLimits(
        machine,
        shapes.size(),
        fastest,
        productOperations,
        productMilliseconds,
        leastBytes(step),
        ImmutableList.sortedCopyOf(
            Comparator.comparingDouble(Kind::floorMilliseconds).reversed(), kinds.build()),
        unknown);
  }

  /** Parameters and moments, before and after: used once a step, and all of them in between. */
  private static Predicate<Value> far(Graph step, MachineLimits machine) {
    Set<Value> state = new HashSet<>(step.inputs());
    long bytes = state.stream().mapToLong(StepLimits::knownBytes).sum();
    state.addAll(step.outputs());
    return machine.isNear(bytes) ? value -> false : state::contains;
  }

  /** Products of one shape: the same operator on operands of the same types, constant or not. */
  private static String shape(Graph step, Node node) {
    StringBuilder shape = new StringBuilder(node.op() + " " + node.attributes().values());
    for (Value input : node.presentInputs()) {
      shape.append(' ').append(input.type());
      boolean constant =
          step.parameters().containsKey(input)
              || step.producer(input).map(made -> made.op().isOnnx("Constant")).orElse(false);
      shape.append(constant ? " constant" : "");
    }
    return shape.toString();
  }

  private static long leastBytes(Graph step) {
    Map<Value, Value> viewed = new HashMap<>();
    Set<Value> read = new HashSet<>();
    long bytes = 0;
    for (Node node : step.nodes()) {
      if (NodeWork.isView(node)) {
        if (!node.op().isOnnx("Constant")) {
          Value source = node.input(0);
          viewed.put(node.output(), viewed.getOrDefault(source, source));
        }
        continue;
      }
      for (Value input : node.presentInputs()) {
        Value source = viewed.getOrDefault(input, input);
        bytes += read.add(source) ? knownBytes(source) : 0;
      }
      for (Value output : node.presentOutputs()) {
        bytes += knownBytes(output);
      }
    }
    return bytes;
  }

  private static long knownBytes(Value value) {
    return value.isTensor() && value.shape().isRanked() && value.shape().isStatic()
        ? NodeWork.bytes(value)
        : 0;
  }

  /** Operations a second of all products together, each as fast as it is alone. */
  public double productRate() {
    return productMilliseconds == 0 ? 0 : 1e3 * productOperations / productMilliseconds;
  }

  /** Values of the exponential function in a step. */
  public long exponentials() {
    return kinds.stream().mapToLong(Kind::exponentials).sum();
  }

  /** The time that a step takes at least: the sum of the floors of its kinds. */
  public double floorMilliseconds() {
    return kinds.stream().mapToDouble(Kind::floorMilliseconds).sum();
  }
}
