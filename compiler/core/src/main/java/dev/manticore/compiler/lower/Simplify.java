package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Takes out nodes that change nothing: padding by nothing, slices of everything, reshapes to the
 * same shape, expansions to the same shape, products with one, identities that no output needs.
 */
public final class Simplify implements Pass {

  @Override
  public String name() {
    return "simplify";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    Map<Value, Value> same = new HashMap<>();
    for (Node node : graph.nodes()) {
      Optional<Value> operand = unchanged(editor, node);
      if (operand.isPresent() && !graph.outputs().contains(node.output())) {
        Value source = same.getOrDefault(operand.get(), operand.get());
        same.put(node.output(), source);
      }
    }
    if (same.isEmpty()) {
      return graph;
    }
    editor.replaceUses(same);
    return editor.freezeLive();
  }

  /** The operand that a node gives back as it is. */
  private static Optional<Value> unchanged(GraphEditor editor, Node node) {
    if (!node.op().domain().isEmpty() || node.inputs().isEmpty() || !node.hasInput(0)) {
      return Optional.empty();
    }
    Value first = node.input(0);
    boolean sameType = isStatic(first) && first.type().equals(node.output().type());
    return switch (node.op().name()) {
      case "Identity" -> Optional.of(first);
      case "Cast", "Pad", "Slice", "Reshape", "Expand", "Squeeze", "Unsqueeze", "Flatten" ->
          sameType ? Optional.of(first) : Optional.empty();
      case "Mul" -> product(editor, node);
      default -> Optional.empty();
    };
  }

  private static Optional<Value> product(GraphEditor editor, Node node) {
    for (int i = 0; i < 2; i++) {
      Value other = node.input(1 - i);
      if (isStatic(other)
          && other.type().equals(node.output().type())
          && editor.constantOf(node.input(i)).map(Simplify::isOne).orElse(false)) {
        return Optional.of(other);
      }
    }
    return Optional.empty();
  }

  private static boolean isOne(Tensor tensor) {
    return tensor.shape().equals(Shape.scalar()) && tensor.toDoubles()[0] == 1;
  }

  private static boolean isStatic(Value value) {
    return value.shape().isRanked() && value.shape().isStatic();
  }
}
