package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.primitives.Longs;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.Pass;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Recognises the state space of Mamba-1 where it has been written out as a {@code Scan}, as in the
 * files of an artifact, by its body: then a device's kernel can compute it.
 */
public final class RecogniseScans implements Pass {

  /** The state, then x, delta, B and C. */
  private static final int OPERANDS = 5;

  private static final OpId WITH_STATE = OpId.manticore("SelectiveScanWithState");

  @Override
  public String name() {
    return "recognise-scans";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    boolean changed = false;
    for (Node node : graph.nodes()) {
      Optional<Value> decay = decay(node);
      if (decay.isEmpty()) {
        continue;
      }
      editor.replaceNode(
          node,
          new Node(
              WITH_STATE,
              node.name(),
              Attributes.NONE,
              ImmutableList.of(
                  Optional.of(node.input(1)),
                  Optional.of(node.input(2)),
                  decay,
                  Optional.of(node.input(3)),
                  Optional.of(node.input(4)),
                  Optional.of(node.input(0))),
              ImmutableList.of(Optional.of(node.output(1)), Optional.of(node.output(0))),
              node.origin().by(name())));
      changed = true;
    }
    return changed ? editor.freezeLive() : graph;
  }

  /** What is captured as A, if a node is a selective scan. */
  private static Optional<Value> decay(Node node) {
    boolean isCandidate =
        node.op().isOnnx("Scan")
            && node.inputs().size() == OPERANDS
            && node.presentInputs().size() == OPERANDS
            && node.presentInputs().stream().allMatch(input -> isFloat(input, 3))
            && node.attributes().intValue("num_scan_inputs", 0) == OPERANDS - 1
            && node.outputs().size() == 2
            && node.presentOutputs().size() == 2;
    if (!isCandidate) {
      return Optional.empty();
    }
    Graph body = node.attributes().graphs().get(0);
    if (body.captures().size() != 1 || !isFloat(body.captures().iterator().next(), 2)) {
      return Optional.empty();
    }
    Value captured = body.captures().iterator().next();
    Node written = written(node, captured.type());
    Comparison comparison = new Comparison(written.attributes().graphs().get(0), body);
    boolean same = axes(written).equals(axes(node)) && comparison.areSame();
    return same ? Optional.of(captured) : Optional.empty();
  }

  /** Whether a value is what kernels take: of float32, and of a rank. */
  private static boolean isFloat(Value value, int rank) {
    return value.isTensor()
        && value.elementType() == ElementType.FLOAT32
        && value.shape().isRanked()
        && value.shape().rank() == rank;
  }

  /** What is scanned, along which axes and in which direction. */
  private static List<List<Long>> axes(Node scan) {
    return Stream.of(
            "scan_input_axes",
            "scan_output_axes",
            "scan_input_directions",
            "scan_output_directions")
        .map(name -> Longs.asList(scan.attributes().intValues(name)))
        .toList();
  }

  /** The node that our operator is written out as, on operands of the same types. */
  private static Node written(Node like, TensorType decay) {
    GraphEditor editor = new GraphEditor("written");
    Value[] inputs = new Value[OPERANDS];
    for (int i = 0; i < OPERANDS; i++) {
      inputs[i] = editor.input("x" + i, like.input(i).type());
    }
    Value a = editor.input("a", decay);
    new Ops(editor)
        .own(
            WITH_STATE.name(),
            Attributes.NONE,
            2,
            inputs[1],
            inputs[2],
            a,
            inputs[3],
            inputs[4],
            inputs[0])
        .forEach(editor::output);
    return InlineBodies.of(WITH_STATE).run(editor.freeze()).nodes().stream()
        .filter(node -> node.op().isOnnx("Scan"))
        .findFirst()
        .orElseThrow();
  }

  /** Two bodies, node by node from their outputs; what they capture corresponds. */
  private static final class Comparison {
    private final Graph first;
    private final Graph second;
    private final Map<Value, Value> corresponding = new HashMap<>();

    Comparison(Graph first, Graph second) {
      this.first = first;
      this.second = second;
    }

    boolean areSame() {
      if (first.inputs().size() != second.inputs().size()
          || first.outputs().size() != second.outputs().size()) {
        return false;
      }
      for (int i = 0; i < first.inputs().size(); i++) {
        corresponding.put(first.inputs().get(i), second.inputs().get(i));
      }
      for (int i = 0; i < first.outputs().size(); i++) {
        if (!same(first.outputs().get(i), second.outputs().get(i))) {
          return false;
        }
      }
      return true;
    }

    private boolean same(Value a, Value b) {
      Value known = corresponding.get(a);
      if (known != null) {
        return known.equals(b);
      }
      Optional<Node> makesA = first.producer(a);
      Optional<Node> makesB = second.producer(b);
      boolean same =
          makesA.isEmpty() && makesB.isEmpty()
              ? !second.inputs().contains(b)
              : makesA.isPresent() && makesB.isPresent() && same(makesA.get(), makesB.get());
      if (same) {
        corresponding.put(a, b);
      }
      return same;
    }

    private boolean same(Node a, Node b) {
      Optional<Tensor> constant = first.edit().constantOf(a.output(0));
      if (constant.isPresent()) {
        return second
            .edit()
            .constantOf(b.output(0))
            .filter(other -> other.type().equals(constant.get().type()))
            .filter(other -> Arrays.equals(other.toDoubles(), constant.get().toDoubles()))
            .isPresent();
      }
      if (!a.op().equals(b.op())
          || !a.attributes().equals(b.attributes())
          || a.inputs().size() != b.inputs().size()
          || a.presentInputs().size() != b.presentInputs().size()
          || a.presentOutputs().size() != 1
          || b.presentOutputs().size() != 1) {
        return false;
      }
      for (int i = 0; i < a.presentInputs().size(); i++) {
        if (!same(a.presentInputs().get(i), b.presentInputs().get(i))) {
          return false;
        }
      }
      return true;
    }
  }
}
