package dev.manticore.ir.autodiff;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Lists;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.Pass;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Reverse-mode differentiation, graph in, gradients out: walks from the loss back to the values
 * asked for, by the rules of {@link BackwardRules}. Only what lies on a path between the two gets a
 * gradient at all.
 */
public final class Differentiate {

  private static final String PASS = "differentiate";

  /** How many outputs the rules of operators read that may come with fewer. */
  private static final ImmutableMap<String, Integer> OUTPUTS_READ =
      ImmutableMap.of("LayerNormalization", 3, "MaxPool", 2, "Dropout", 2, "TopK", 2);

  /** Operators of floating results that read nothing but the shape and type of their operand. */
  private static final ImmutableSet<String> READING_SHAPES =
      ImmutableSet.of("EyeLike", "RandomNormalLike", "RandomUniformLike");

  private Differentiate() {}

  /** The operators that have a backward rule. */
  public static ImmutableSet<String> operators() {
    return BackwardRules.operators();
  }

  /**
   * The pass that a graph needs first: what has a body and no backward rule is replaced by its
   * body.
   */
  public static Pass preparation() {
    return InlineBodies.of(op -> BackwardRules.find(op).isEmpty());
  }

  /**
   * Adds to an editor the gradients of a scalar.
   *
   * @param loss a scalar that the editor's graph computes
   * @param wanted values to differentiate by; shapes must be static where rules need them
   * @return the gradient of each, in the same order; zeros for one that the loss does not depend on
   * @throws IrException if an operator on a path from a wanted value to the loss has no rule
   */
  public static ImmutableMap<Value, Value> gradients(
      GraphEditor editor, Value loss, Collection<Value> wanted) {
    if (!loss.shape().equals(Shape.scalar())) {
      throw new IrException("the loss must be a scalar, not " + loss);
    }
    List<Node> order = prepared(editor);
    Set<Value> reached = reachedFrom(order, wanted);
    Ops ops = new Ops(editor);
    Backward backward = new Backward(ops, reached);
    Map<Value, Value> gradients = new HashMap<>();
    gradients.put(loss, ops.scalar(loss.elementType(), 1));
    for (Node node : Lists.reverse(order)) {
      List<Optional<Value>> arriving = new ArrayList<>();
      for (Optional<Value> output : node.outputs()) {
        arriving.add(output.map(gradients::get));
      }
      boolean needed = node.presentInputs().stream().anyMatch(reached::contains);
      if (!needed || arriving.stream().allMatch(Optional::isEmpty)) {
        continue;
      }
      editor.withOrigin(originOf(node));
      List<Optional<Value>> leaving = rule(node).apply(backward, node, arriving);
      for (int i = 0; i < Math.min(leaving.size(), node.inputs().size()); i++) {
        if (leaving.get(i).isPresent() && node.hasInput(i) && reached.contains(node.input(i))) {
          gradients.merge(node.input(i), leaving.get(i).get(), ops::add);
        }
      }
    }
    editor.withOrigin(Origin.NONE);
    ImmutableMap.Builder<Value, Value> results = ImmutableMap.builder();
    for (Value value : wanted) {
      Value gradient = gradients.get(value);
      results.put(
          value,
          gradient != null
              ? gradient
              : ops.expand(ops.scalar(value.elementType(), 0), ops.shapeOf(value)));
    }
    return results.buildOrThrow();
  }

  /**
   * The nodes in order, with the outputs that rules read and the forward pass alone would not ask
   * for.
   */
  private static List<Node> prepared(GraphEditor editor) {
    editor.nodes().forEach(node -> complete(editor, node));
    return editor.orderedNodes();
  }

  private static void complete(GraphEditor editor, Node node) {
    int wanted =
        node.op().domain().equals(OpId.ONNX) ? OUTPUTS_READ.getOrDefault(node.op().name(), 0) : 0;
    if (node.presentOutputs().size() >= wanted) {
      return;
    }
    List<TensorType> types =
        editor.infer(node.op(), node.name(), node.attributes(), node.inputs(), wanted);
    ImmutableList.Builder<Optional<Value>> outputs = ImmutableList.builder();
    for (int i = 0; i < wanted; i++) {
      outputs.add(
          Optional.of(
              node.hasOutput(i)
                  ? node.output(i)
                  : new Value(editor.freshName(node.name() + ".output" + i), types.get(i))));
    }
    editor.replaceNode(
        node,
        new Node(
            node.op(),
            node.name(),
            node.attributes(),
            node.inputs(),
            outputs.build(),
            node.origin()));
  }

  private static Set<Value> reachedFrom(List<Node> order, Collection<Value> wanted) {
    Set<Value> reached = new HashSet<>(wanted);
    for (Node node : order) {
      boolean shapes =
          node.op().domain().equals(OpId.ONNX) && READING_SHAPES.contains(node.op().name());
      if (!shapes && node.reads().stream().anyMatch(reached::contains)) {
        node.presentOutputs().stream()
            .filter(output -> output.elementType().isFloating())
            .forEach(reached::add);
      }
    }
    return reached;
  }

  private static BackwardRule rule(Node node) {
    return BackwardRules.find(node.op())
        .orElseThrow(
            () ->
                new IrException(
                    node
                        + " lies between a parameter and the loss, and "
                        + node.op()
                        + " cannot be differentiated"));
  }

  private static Origin originOf(Node node) {
    Origin origin = node.origin().nodes().isEmpty() ? Origin.of("", node.name()) : node.origin();
    return origin.by(PASS);
  }
}
