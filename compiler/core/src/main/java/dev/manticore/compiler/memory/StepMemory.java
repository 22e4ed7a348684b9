package dev.manticore.compiler.memory;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.inspect.FlopCounter;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What a training step holds in memory from node to node, if some nodes of its forward are run a
 * second time where its backward needs what they make.
 *
 * <p>The forward is what the loss depends on; it runs in the order of the graph. The backward is
 * the rest, also in the order of the graph, but for what is a function of forward values alone (a
 * local derivative, a view) and for what is run again: each of those waits for the first that reads
 * it. A value is held from the node that makes it until the last that reads it. A node that is run
 * again reads what is still held, and otherwise the results of others that are run again.
 *
 * <p>Inputs and outputs of the graph are the caller's memory and count nothing; constants are held
 * all the time.
 */
final class StepMemory {

  /** Makes of one buffer another name or shape of it. */
  private static final ImmutableSet<String> VIEWS =
      ImmutableSet.of("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze");

  /** Of ONNX Runtime: they may write their result over an operand that nobody reads after them. */
  private static final ImmutableSet<String> IN_PLACE =
      ImmutableSet.of(
          "Abs",
          "Add",
          "Div",
          "Exp",
          "Log",
          "Mul",
          "Neg",
          "Reciprocal",
          "Relu",
          "Sigmoid",
          "Sqrt",
          "Sub",
          "Tanh");

  /** The arena of ONNX Runtime hands out whole blocks of so many bytes. */
  private static final long BLOCK = 256;

  /** Of memory that belongs to the caller. */
  private static final int ELSEWHERE = -1;

  private final ImmutableList<Node> nodes;
  private final Map<Node, Integer> places = new HashMap<>();
  private final int forwardCount;
  private final long constantBytes;
  private final double[] costs;

  /** Of each node the nodes whose results it reads, and of each of these reads the buffer. */
  private final int[][] producers;

  private final int[][] buffersRead;

  /** Of each node the buffers that it makes. */
  private final int[][] buffersMade;

  private final boolean[] isView;
  private final boolean[] isForward;
  private final boolean[] isLate;
  private final boolean[] isInPlace;

  /** The node whose result a view is a view of; itself for other nodes; -1 if it is no node's. */
  private final int[] root;

  private final long[] sizes;

  /** Of each node, whether all that it is is to be kept: it is not run again. */
  private final BitSet fixed = new BitSet();

  private final Simulation simulation;

  /**
   * @param step a step as it is run, with all shapes known
   * @param loss the output that divides forward from backward
   * @param cost of a node, in any unit
   */
  StepMemory(Graph step, String loss, ToDoubleFunction<Node> cost) {
    this.nodes =
        step.nodes().stream()
            .filter(node -> !isConstant(node))
            .collect(ImmutableList.toImmutableList());
    int count = nodes.size();
    nodes.forEach(node -> places.put(node, places.size()));
    this.producers = new int[count][];
    this.buffersRead = new int[count][];
    this.buffersMade = new int[count][];
    this.isView = new boolean[count];
    this.isInPlace = new boolean[count];
    this.root = new int[count];
    this.costs = new double[count];
    Map<Value, Integer> buffers = new HashMap<>();
    List<Long> bytes = new ArrayList<>();
    step.inputs().forEach(input -> buffers.put(input, ELSEWHERE));
    step.parameters().keySet().forEach(parameter -> buffers.put(parameter, ELSEWHERE));
    long constants = 0;
    for (Node node : step.nodes()) {
      if (isConstant(node)) {
        buffers.put(node.output(), ELSEWHERE);
        constants += rounded(node.output());
      }
    }
    this.constantBytes = constants;
    ImmutableSet<Value> outputs = ImmutableSet.copyOf(step.outputs());
    for (int i = 0; i < count; i++) {
      Node node = nodes.get(i);
      List<Value> reads = node.reads();
      producers[i] =
          reads.stream()
              .mapToInt(
                  value ->
                      step.producer(value).map(made -> places.getOrDefault(made, -1)).orElse(-1))
              .toArray();
      buffersRead[i] = reads.stream().mapToInt(buffers::get).toArray();
      isView[i] = isView(node) && !outputs.contains(node.output());
      isInPlace[i] =
          node.op().domain().equals(OpId.ONNX)
              && IN_PLACE.contains(node.op().name())
              && !outputs.contains(node.output());
      root[i] = isView[i] ? (producers[i][0] < 0 ? -1 : root[producers[i][0]]) : i;
      if (isView[i]) {
        buffers.put(node.output(), buffersRead[i][0]);
        buffersMade[i] = new int[0];
      } else {
        List<Integer> made = new ArrayList<>();
        for (Value output : node.presentOutputs()) {
          if (outputs.contains(output)) {
            buffers.put(output, ELSEWHERE);
          } else {
            buffers.put(output, bytes.size());
            made.add(bytes.size());
            bytes.add(rounded(output));
          }
        }
        buffersMade[i] = made.stream().mapToInt(Integer::intValue).toArray();
        costs[i] = cost.applyAsDouble(node);
      }
      if (!node.attributes().graphs().isEmpty()) {
        fixed.set(i);
        for (int producer : producers[i]) {
          if (producer >= 0 && root[producer] >= 0) {
            fixed.set(root[producer]);
          }
        }
      }
    }
    this.sizes = bytes.stream().mapToLong(Long::longValue).toArray();
    this.isForward = forward(step, loss);
    int forwards = 0;
    for (boolean forward : isForward) {
      forwards += forward ? 1 : 0;
    }
    this.forwardCount = forwards;
    this.isLate = late();
    this.simulation = new Simulation();
  }

  private static boolean isConstant(Node node) {
    return node.op().isOnnx("Constant");
  }

  private static boolean isView(Node node) {
    return node.op().domain().equals(OpId.ONNX) && VIEWS.contains(node.op().name());
  }

  private static long rounded(Value value) {
    long bytes = value.type().byteSize();
    return (bytes + BLOCK - 1) / BLOCK * BLOCK;
  }

  private boolean[] forward(Graph step, String loss) {
    boolean[] forward = new boolean[nodes.size()];
    step.producer(step.output(loss)).ifPresent(node -> forward[places.get(node)] = true);
    for (int i = nodes.size() - 1; i >= 0; i--) {
      if (forward[i]) {
        for (int producer : producers[i]) {
          if (producer >= 0) {
            forward[producer] = true;
          }
        }
      }
    }
    return forward;
  }

  /**
   * Nodes of the backward that depend on no gradient. Gradients all depend on the last forward
   * value that any node of the backward reads; a node that depends only on earlier ones is none.
   */
  private boolean[] late() {
    int[] latest = new int[nodes.size()];
    int last = -1;
    for (int i = 0; i < nodes.size(); i++) {
      latest[i] = isForward[i] ? i : -1;
      if (!isForward[i]) {
        for (int producer : producers[i]) {
          latest[i] = Math.max(latest[i], producer < 0 ? -1 : latest[producer]);
        }
        last = Math.max(last, latest[i]);
      }
    }
    boolean[] late = new boolean[nodes.size()];
    for (int i = 0; i < nodes.size(); i++) {
      late[i] = !isForward[i] && latest[i] < last;
    }
    return late;
  }

  /** The cost of a node by what it computes and moves, in operations of a product of matrices. */
  static ToDoubleFunction<Node> costs(Graph step) {
    FlopCounter flops = FlopCounter.of(step);
    return node -> {
      double operations =
          node.presentOutputs().stream()
              .findFirst()
              .map(output -> (double) flops.of(output.name()))
              .orElse(0.0);
      double bytes = 0;
      for (Value value : node.reads()) {
        bytes += value.isTensor() ? value.type().byteSize() : 0;
      }
      for (Value value : node.presentOutputs()) {
        bytes += value.isTensor() ? value.type().byteSize() : 0;
      }
      boolean products =
          FlopCounter.ofProduct(node).isPresent() || node.op().name().endsWith("Attention");
      return operations * (products ? 1 : OTHER_OPERATION) + bytes * BYTE;
    };
  }

  /** What an operation outside of products of matrices takes, in operations inside of them. */
  private static final double OTHER_OPERATION = 10;

  /** What a byte takes that is read or written. */
  private static final double BYTE = 6;

  /** The nodes, constants left out. */
  ImmutableList<Node> nodes() {
    return nodes;
  }

  /** The cost of all nodes, each run once. */
  double cost() {
    return Arrays.stream(costs).sum();
  }

  /** Nodes that may be run again: those of the forward that make something of their own. */
  BitSet candidates() {
    BitSet candidates = new BitSet();
    for (int i = 0; i < nodes.size(); i++) {
      if (isForward[i] && !isView[i] && !fixed.get(i) && buffersMade[i].length > 0) {
        candidates.set(i);
      }
    }
    return candidates;
  }

  /** The candidates whose results a node reads, seen through views. */
  int[] sources(int node) {
    return Arrays.stream(producers[node])
        .filter(producer -> producer >= 0 && root[producer] >= 0)
        .map(producer -> root[producer])
        .distinct()
        .toArray();
  }

  boolean isForward(int node) {
    return isForward[node];
  }

  /**
   * What a run of the step takes.
   *
   * @param peak the most bytes that are held at a time
   * @param cost of all that is run again
   * @param excess bytes that are held beyond a budget, summed over the nodes during which they are
   */
  record Run(long peak, double cost, double excess) {}

  /**
   * Runs the step, as far as its memory goes.
   *
   * @param again the nodes that are run again where the backward needs what they make
   */
  Run run(BitSet again, long budget) {
    simulation.run(again);
    return simulation.measure(budget);
  }

  /**
   * The order in which nodes run, by place; one that is run again is its place and the number of
   * nodes more.
   *
   * @param again the nodes that are run again
   */
  int[] order(BitSet again) {
    simulation.run(again);
    return Arrays.copyOf(simulation.order, simulation.length);
  }

  /** Used over and over: a search runs a step some ten thousand times. */
  private final class Simulation {

    private final int count = nodes.size();

    /** Whether what a node makes is made again for the backward. */
    private final boolean[] again = new boolean[count];

    private final int[] order = new int[2 * count];
    private final boolean[] done = new boolean[2 * count];
    private final int[] pending = new int[2 * count + 1];
    private final int[] readers = new int[2 * sizes.length];
    private int length;
    private double cost;

    void run(BitSet chosen) {
      length = 0;
      cost = 0;
      Arrays.fill(done, false);
      for (int i = 0; i < count; i++) {
        again[i] = isForward[i] && root[i] >= 0 && chosen.get(root[i]);
      }
      for (int i = 0; i < count; i++) {
        if (isForward[i]) {
          append(i);
        }
      }
      for (int i = 0; i < count; i++) {
        if (!isForward[i] && !isLate[i]) {
          emit(i);
        }
      }
      // What only the caller reads.
      for (int i = 0; i < count; i++) {
        if (!isForward[i]) {
          emit(i);
        }
      }
    }

    private void append(int code) {
      order[length++] = code;
      done[code] = true;
    }

    /** The node that a node of the backward, or one that is run again, reads from. */
    private int source(int producer) {
      return again[producer] ? producer + count : producer;
    }

    /** Depth first without recursion: graphs are deeper than the stack. */
    private void emit(int root) {
      pending[0] = root;
      int depth = done[root] ? 0 : 1;
      while (depth > 0) {
        int code = pending[depth - 1];
        int missing = missing(code);
        if (missing >= 0) {
          pending[depth++] = missing;
          continue;
        }
        depth--;
        if (code >= count) {
          cost += costs[code - count];
        }
        append(code);
      }
    }

    /** The first of what a node reads from that has not run; -1 if all have. */
    private int missing(int code) {
      for (int producer : producers[code % count]) {
        if (producer >= 0 && !done[source(producer)]) {
          return source(producer);
        }
      }
      return -1;
    }

    private int buffer(int code, int read) {
      int node = code % count;
      int buffer = buffersRead[node][read];
      boolean second = code >= count || !isForward[node];
      int producer = producers[node][read];
      return buffer != ELSEWHERE && second && producer >= 0 && again[producer]
          ? buffer + sizes.length
          : buffer;
    }

    private boolean readsOnce(int code, int buffer) {
      int reads = 0;
      for (int read = 0; read < buffersRead[code % count].length; read++) {
        reads += buffer(code, read) == buffer ? 1 : 0;
      }
      return reads == 1;
    }

    Run measure(long budget) {
      Arrays.fill(readers, 0);
      for (int k = 0; k < length; k++) {
        int node = order[k] % count;
        for (int read = 0; read < buffersRead[node].length; read++) {
          int buffer = buffer(order[k], read);
          if (buffer != ELSEWHERE && !isView[node]) {
            readers[buffer]++;
          }
        }
      }
      long now = constantBytes;
      long peak = now;
      double excess = 0;
      for (int k = 0; k < length; k++) {
        int code = order[k];
        int node = code % count;
        int offset = code >= count ? sizes.length : 0;
        if (isView[node]) {
          continue;
        }
        long freed = 0;
        boolean overwrites = false;
        long made = 0;
        for (int buffer : buffersMade[node]) {
          made += sizes[buffer];
        }
        for (int read = 0; read < buffersRead[node].length; read++) {
          int buffer = buffer(code, read);
          if (buffer != ELSEWHERE && --readers[buffer] == 0) {
            long size = sizes[buffer % sizes.length];
            freed += size;
            overwrites |= isInPlace[node] && size == made && readsOnce(code, buffer);
          }
        }
        long held = now + (overwrites ? 0 : made);
        peak = Math.max(peak, held);
        excess += Math.max(0, held - budget);
        now += made - freed;
        for (int buffer : buffersMade[node]) {
          if (readers[buffer + offset] == 0) {
            now -= sizes[buffer];
          }
        }
      }
      return new Run(peak, cost, excess);
    }
  }
}
