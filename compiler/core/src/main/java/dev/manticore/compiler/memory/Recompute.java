package dev.manticore.compiler.memory;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Keeps a training step within a budget of memory: orders its nodes, and runs nodes of the forward
 * a second time in the backward where their results would be held for too long.
 *
 * <p>It comes after all other passes: what eliminates common subexpressions would undo it. The
 * graph has to be run without ONNX Runtime's optimization, for the same reason and for the sake of
 * the order. Each node computes what it did, of the same operands: results are the same, bit for
 * bit.
 */
public final class Recompute implements Pass {

  private final long budget;
  private final String loss;

  /**
   * @param budget the most bytes that values of a step may take at a time
   * @param loss the name of the output that divides the forward from the backward
   */
  public Recompute(long budget, String loss) {
    this.budget = budget;
    this.loss = loss;
  }

  @Override
  public String name() {
    return "recompute";
  }

  @Override
  public ImmutableSet<GraphProperty> requires() {
    return ImmutableSet.of(GraphProperty.STATIC_SHAPES);
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.copyOf(GraphProperty.values());
  }

  /**
   * @throws ManticoreException {@code MNT-MEMORY} if the budget is too small, with the least that
   *     would do
   */
  @Override
  public Graph run(Graph step) {
    return plan(step).graph();
  }

  /**
   * A step within its budget.
   *
   * @param graph the step
   * @param bytes the most that its values take at a time
   * @param keptBytes the same if nothing were run a second time
   * @param recomputed nodes that are run a second time
   * @param recomputation what these are of the cost of the whole step, an estimate; from 0 to 1
   */
  public record Planned(
      Graph graph, long bytes, long keptBytes, int recomputed, double recomputation) {}

  /**
   * Plans a step.
   *
   * @throws ManticoreException {@code MNT-MEMORY} if the budget is too small, with the least that
   *     would do
   */
  public Planned plan(Graph step) {
    StepMemory memory = new StepMemory(step, loss, StepMemory.costs(step));
    RecomputationSearch search = new RecomputationSearch(memory);
    RecomputationSearch.Plan plan =
        search.cheapest(budget).orElseThrow(() -> tooSmall(search.least().peak()));
    long kept = memory.run(new BitSet(), budget).peak();
    return new Planned(
        rebuilt(step, memory, plan),
        plan.peak(),
        kept,
        (int)
            Arrays.stream(memory.order(plan.again()))
                .filter(code -> code >= memory.nodes().size())
                .count(),
        plan.cost() / memory.cost());
  }

  private ManticoreException tooSmall(long least) {
    return new ManticoreException(
        "MNT-MEMORY",
        "a training step cannot keep its values within "
            + ByteSize.text(budget)
            + ": the least that would do is "
            + (ByteSize.text(budget).equals(ByteSize.text(least))
                ? least + " B"
                : ByteSize.text(least))
            + "; raise 'memory', or lower 'batch' or the length of sequences");
  }

  /** The step with its nodes in the order in which they run. */
  private Graph rebuilt(Graph step, StepMemory memory, RecomputationSearch.Plan plan) {
    ImmutableList<Node> nodes = memory.nodes();
    GraphEditor editor = new GraphEditor(step.name());
    editor.reserveNames(step);
    step.inputs().forEach(editor::addInput);
    step.parameters().forEach(editor::setParameter);
    step.opsets().forEach(editor::opset);
    step.metadata().forEach(editor::metadata);
    step.functions().forEach(editor::function);
    step.nodes().stream().filter(node -> node.op().isOnnx("Constant")).forEach(editor::addNode);
    Map<Value, Value> second = new HashMap<>();
    List<Node> order = new ArrayList<>();
    for (int code : memory.order(plan.again())) {
      Node node = nodes.get(code % nodes.size());
      Node added =
          code >= nodes.size()
              ? again(editor, node, second)
              : memory.isForward(code) ? node : reading(node, second);
      editor.addNode(added);
      order.add(added);
    }
    step.outputs().forEach(editor::output);
    ExecutionOrder.impose(editor, order);
    return editor.freeze();
  }

  /** A node that makes, of what is there in the backward, what another made in the forward. */
  private Node again(GraphEditor editor, Node node, Map<Value, Value> second) {
    Node reading = reading(node, second);
    ImmutableList.Builder<Optional<Value>> outputs = ImmutableList.builder();
    for (Optional<Value> output : node.outputs()) {
      Optional<Value> made =
          output.map(value -> new Value(editor.freshName(value.name() + "/again"), value.type()));
      outputs.add(made);
      made.ifPresent(value -> second.put(output.orElseThrow(), value));
    }
    return new Node(
        node.op(),
        editor.freshName(node.name() + "/again"),
        node.attributes(),
        reading.inputs(),
        outputs.build(),
        node.origin().by(name()));
  }

  /** A node that reads what was made a second time, where it was. */
  private static Node reading(Node node, Map<Value, Value> second) {
    if (node.reads().stream().noneMatch(second::containsKey)) {
      return node;
    }
    return new Node(
        node.op(),
        node.name(),
        node.attributes(),
        node.inputs().stream()
            .map(input -> input.map(value -> second.getOrDefault(value, value)))
            .collect(ImmutableList.toImmutableList()),
        node.outputs(),
        node.origin(),
        node.annotations());
  }
}
