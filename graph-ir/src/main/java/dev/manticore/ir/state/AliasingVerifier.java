package dev.manticore.ir.state;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Proves that a graph may write its new state over its old one.
 *
 * <p>ONNX Runtime orders nodes by data alone and does not check that all reads of a tensor come
 * before the write that overwrites it; a violation gives wrong results without a word. The rule:
 * for each binding (p, p'), every reader of p, or of a view of p, is an ancestor of the node that
 * makes p', or is that node; and that node is elementwise at p's own shape, or a kernel declared to
 * work in place. Execution must be sequential.
 */
public final class AliasingVerifier {

  private static final ImmutableSet<String> VIEWS =
      ImmutableSet.of("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity");

  /**
   * Operators that read each element of an operand of the result's shape before they write that
   * element.
   */
  private static final ImmutableSet<String> ELEMENTWISE =
      ImmutableSet.of(
          "Add",
          "Sub",
          "Mul",
          "Div",
          "Neg",
          "Exp",
          "Log",
          "Sqrt",
          "Tanh",
          "Sigmoid",
          "Abs",
          "Where",
          "Max",
          "Min",
          "Identity",
          "Reciprocal");

  /** Kernels that may write an output over an input: output index by input index. */
  private static final ImmutableMap<OpId, ImmutableMap<Integer, Integer>> IN_PLACE =
      ImmutableMap.of(
          OpId.kernel("AdamW"), ImmutableMap.of(0, 0, 1, 1, 2, 2),
          OpId.kernel("AttentionWithState"), ImmutableMap.of(3, 1, 4, 2));

  private final Graph graph;
  private final List<String> problems = new ArrayList<>();
  private final Map<Node, Integer> places = new HashMap<>();
  private final List<List<Value>> reads = new ArrayList<>();
  private final List<BitSet> ancestry;

  private AliasingVerifier(Graph graph) {
    this.graph = graph;
    for (Node node : graph.nodes()) {
      places.put(node, places.size());
      reads.add(node.reads());
    }
    this.ancestry = ancestry();
  }

  /**
   * @throws IrException if the rule does not hold for a binding, naming the state and the node that
   *     reads it too late
   */
  public static void verify(Graph graph, List<StateBinding> bindings) {
    AliasingVerifier verifier = new AliasingVerifier(graph);
    Set<String> bound = new HashSet<>();
    for (StateBinding binding : bindings) {
      if (!bound.add("input " + binding.input()) || !bound.add("output " + binding.output())) {
        verifier.problems.add(binding + " binds a value that another binding has");
      }
      verifier.check(graph.input(binding.input()), graph.output(binding.output()));
    }
    if (!verifier.problems.isEmpty()) {
      throw new IrException(
          graph + " cannot update its state in place: " + String.join("; ", verifier.problems));
    }
  }

  private void check(Value before, Value after) {
    if (!before.type().equals(after.type())) {
      problems.add(before + " cannot be overwritten by " + after);
      return;
    }
    Node writer = graph.producer(after).orElse(null);
    if (writer == null) {
      if (after != before) {
        problems.add(after + " is not computed by any node");
      }
      return;
    }
    Set<Value> aliases = aliases(before);
    for (Value output : graph.outputs()) {
      if (aliases.contains(output)) {
        problems.add(
            "output " + output + " is a view of '" + before.name() + "', which is overwritten");
      }
    }
    checkWriter(before, after, writer, aliases);
    BitSet earlier = ancestry.get(places.get(writer));
    for (int i = 0; i < graph.nodes().size(); i++) {
      Node node = graph.nodes().get(i);
      if (node != writer && !earlier.get(i) && reads.get(i).stream().anyMatch(aliases::contains)) {
        problems.add(
            node + " may read '" + before.name() + "' after " + writer + " has overwritten it");
      }
    }
  }

  private void checkWriter(Value before, Value after, Node writer, Set<Value> aliases) {
    OpId op = writer.op();
    ImmutableMap<Integer, Integer> inPlace =
        IN_PLACE.getOrDefault(new OpId(op.domain(), op.name(), 1), ImmutableMap.of());
    for (int i = 0; i < writer.inputs().size(); i++) {
      if (!writer.hasInput(i) || !aliases.contains(writer.input(i))) {
        continue;
      }
      boolean declared =
          inPlace.containsKey(i) && writer.outputs().indexOf(Optional.of(after)) == inPlace.get(i);
      boolean elementwise =
          op.domain().equals(OpId.ONNX)
              && ELEMENTWISE.contains(op.name())
              && writer.input(i).shape().equals(after.shape());
      if (!declared && !elementwise) {
        problems.add(
            writer
                + " reads '"
                + before.name()
                + "' while it overwrites it, and is not known to do so element by element");
      }
    }
    boolean writes =
        !inPlace.isEmpty() || (op.domain().equals(OpId.ONNX) && ELEMENTWISE.contains(op.name()));
    if (!writes) {
      problems.add(
          writer
              + " makes '"
              + after.name()
              + "', and is neither elementwise nor declared to work in place");
    }
  }

  /** A value and all views of it. */
  private Set<Value> aliases(Value value) {
    Set<Value> aliases = new LinkedHashSet<>(Set.of(value));
    for (Node node : graph.nodes()) {
      if (node.op().domain().equals(OpId.ONNX)
          && VIEWS.contains(node.op().name())
          && aliases.contains(node.input(0))) {
        aliases.addAll(node.presentOutputs());
      }
    }
    return aliases;
  }

  /** For each node, in order, the nodes that it depends on, itself left out. */
  private List<BitSet> ancestry() {
    List<BitSet> ancestry = new ArrayList<>();
    for (int i = 0; i < graph.nodes().size(); i++) {
      BitSet ancestors = new BitSet();
      for (Value read : reads.get(i)) {
        Integer producer = graph.producer(read).map(places::get).orElse(null);
        if (producer != null) {
          ancestors.set(producer);
          ancestors.or(ancestry.get(producer));
        }
      }
      ancestry.add(ancestors);
    }
    return ancestry;
  }
}
