package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Where a model attends: the product of queries and keys, what is done to it element by element, a
 * softmax over the keys, and the product with the values.
 */
final class Attentions {

  private static final ImmutableSet<String> ELEMENTWISE =
      ImmutableSet.of(
          "Abs",
          "Add",
          "And",
          "Cast",
          "Ceil",
          "Clip",
          "Cos",
          "Div",
          "Equal",
          "Erf",
          "Exp",
          "Floor",
          "Greater",
          "GreaterOrEqual",
          "Identity",
          "IsInf",
          "IsNaN",
          "Less",
          "LessOrEqual",
          "Log",
          "Max",
          "Min",
          "Mod",
          "Mul",
          "Neg",
          "Not",
          "Or",
          "Pow",
          "Reciprocal",
          "Round",
          "Sigmoid",
          "Sign",
          "Sin",
          "Sqrt",
          "Sub",
          "Tanh",
          "Where",
          "Xor");

  /** Whether an axis is that of the queries or that of the keys is known for these only. */
  private final Map<Value, Node> weights = new HashMap<>();

  private final Set<Node> scores = new HashSet<>();
  private final Set<Node> mixes = new HashSet<>();
  private final Set<Node> softmaxes = new HashSet<>();

  private Attentions() {}

  /**
   * @param data the values that depend on the token ids, not only on their shape
   * @throws ManticoreException {@code MNT-DECODE} if something else is done with attention weights
   */
  static Attentions find(Graph graph, Set<Value> data) {
    Attentions found = new Attentions();
    for (Node node : graph.nodes()) {
      if (node.op().isOnnx("Softmax") && data.contains(node.input(0))) {
        long axis = node.attributes().intValue("axis", -1);
        if (axis != -1 && axis != node.input(0).shape().rank() - 1) {
          throw DecoderBuilder.failure(node, "is not taken over the last axis, that of the keys");
        }
        found.scores.add(scoresOf(node, graph, data));
        found.softmaxes.add(node);
      }
    }
    for (Node node : graph.nodes()) {
      if (found.scores.contains(node)) {
        found.weights.put(node.output(), node);
        continue;
      }
      List<Value> read = node.reads().stream().filter(found.weights::containsKey).toList();
      if (read.isEmpty()) {
        continue;
      }
      if (node.op().isOnnx("MatMul") && !found.weights.containsKey(node.input(1))) {
        found.mixes.add(node);
      } else if (found.softmaxes.contains(node) || isElementwise(node)) {
        Node origin = found.weights.get(read.get(0));
        node.presentOutputs().forEach(output -> found.weights.put(output, origin));
      } else {
        throw DecoderBuilder.failure(
            node, "is applied to attention weights, which is not understood");
      }
    }
    return found;
  }

  /** The product of queries and keys that a softmax is taken of. */
  private static Node scoresOf(Node softmax, Graph graph, Set<Value> data) {
    Value value = softmax.input(0);
    while (true) {
      Node node =
          graph
              .producer(value)
              .orElseThrow(
                  () ->
                      DecoderBuilder.failure(
                          softmax, "is not taken of a product of queries and keys"));
      List<Value> operands = node.reads().stream().filter(data::contains).distinct().toList();
      if (node.op().isOnnx("MatMul") && node.reads().stream().allMatch(data::contains)) {
        return node;
      }
      if (operands.size() != 1 || !isElementwise(node)) {
        throw DecoderBuilder.failure(
            softmax, "is not taken of a product of queries and keys, but of " + node);
      }
      value = operands.get(0);
    }
  }

  /** Whether a node computes each element from those at the same place of its operands. */
  static boolean isElementwise(Node node) {
    return node.op().domain().isEmpty() && ELEMENTWISE.contains(node.op().name());
  }

  /** Whether a node multiplies queries with keys, its operands 0 and 1. */
  boolean isScores(Node node) {
    return scores.contains(node);
  }

  boolean isSoftmax(Node node) {
    return softmaxes.contains(node);
  }

  /** Whether a node multiplies weights with values, its operands 0 and 1. */
  boolean isMix(Node node) {
    return mixes.contains(node);
  }

  /** Whether the last two axes of a value are those of queries and keys. */
  boolean isWeights(Value value) {
    return weights.containsKey(value);
  }

  /** The product of queries and keys that weights come from. */
  Node scoresOf(Value weight) {
    return weights.get(weight);
  }

  Set<Node> scores() {
    return scores;
  }
}
