package dev.manticore.compiler.decode;

import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Whether every attention of a model keeps tokens from seeing later ones, without which it cannot
 * be read in pieces. Its masks are computed for a short sequence, and looked at.
 */
final class CausalCheck {

  private static final int LENGTH = 5;

  /** What is added to attention that is excluded is no more than this. */
  private static final double EXCLUDED = -1e4;

  private CausalCheck() {}

  /**
   * Returns at once if all attention is causal.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-DECODE}, naming a node that is not
   */
  static void require(Graph model, Attentions attentions, Positions positions) {
    Set<Value> masks = new LinkedHashSet<>();
    for (Node node : model.nodes()) {
      if (node.presentOutputs().stream().anyMatch(attentions::isWeights)) {
        node.reads().stream().filter(positions::contains).forEach(masks::add);
      }
    }
    Map<Value, NdArray> computed = masks.isEmpty() ? Map.of() : compute(model, masks);
    Set<Node> causal = new HashSet<>();
    for (Node node : model.nodes()) {
      boolean weighs = node.presentOutputs().stream().anyMatch(attentions::isWeights);
      if (weighs && excludesLater(node, computed, model)) {
        causal.add(attentions.scoresOf(node.output()));
      }
    }
    for (Node scores : attentions.scores()) {
      if (!causal.contains(scores)) {
        throw DecoderBuilder.failure(
            scores, "attends to later tokens, or no mask is seen that keeps it from doing so");
      }
    }
  }

  private static Map<Value, NdArray> compute(Graph model, Set<Value> masks) {
    // Of all parameters only those that masks are made of are looked at.
    Set<Value> needed = new HashSet<>(masks);
    Set<Node> nodes = new HashSet<>();
    for (Node node : model.nodes().reverse()) {
      if (node.presentOutputs().stream().anyMatch(needed::contains)) {
        nodes.add(node);
        needed.addAll(node.reads());
      }
    }
    GraphEditor editor = new GraphEditor("masks");
    editor.addInput(model.inputs().get(0));
    model
        .parameters()
        .forEach(
            (parameter, tensor) -> {
              if (needed.contains(parameter)) {
                editor.setParameter(parameter, tensor);
              }
            });
    model.nodes().stream().filter(nodes::contains).forEach(editor::addNode);
    masks.forEach(editor::output);
    Graph graph = editor.freeze();
    Value ids = graph.inputs().get(0);
    Tensor tokens = Tensor.ofDoubles(ids.elementType(), Shape.of(1, LENGTH), new double[LENGTH]);
    Map<String, NdArray> results =
        new Interpreter().run(graph, Map.of(ids.name(), NdArray.of(tokens)));
    Map<Value, NdArray> computed = new HashMap<>();
    masks.forEach(mask -> computed.put(mask, results.get(mask.name())));
    return computed;
  }

  private static boolean excludesLater(Node node, Map<Value, NdArray> masks, Graph model) {
    if (node.op().isOnnx("Add")) {
      return node.reads().stream()
          .map(masks::get)
          .anyMatch(mask -> mask != null && all(mask, value -> value <= EXCLUDED));
    }
    if (!node.op().isOnnx("Where")) {
      return false;
    }
    NdArray seen = masks.get(node.input(0));
    if (seen == null) {
      return false;
    }
    return isExcluded(node.input(2), masks, model) && all(seen, value -> value == 0)
        || isExcluded(node.input(1), masks, model) && all(seen, value -> value != 0);
  }

  private static boolean isExcluded(Value value, Map<Value, NdArray> masks, Graph model) {
    Optional<Tensor> constant =
        model
            .producer(value)
            .filter(node -> node.op().isOnnx("Constant"))
            .filter(node -> node.attributes().values().containsKey("value"))
            .map(node -> node.attributes().tensor("value"));
    NdArray mask = masks.get(value);
    return constant.isPresent() && constant.get().toDoubles()[0] <= EXCLUDED
        || mask != null && all(mask, entry -> entry <= EXCLUDED);
  }

  private interface Condition {
    boolean holds(double value);
  }

  /** Whether something holds at each key that is later than its query, which are the last axes. */
  private static boolean all(NdArray mask, Condition condition) {
    int rank = mask.rank();
    if (rank < 2 || mask.dim(rank - 1) != LENGTH || mask.dim(rank - 2) != LENGTH) {
      return false;
    }
    for (int i = 0; i < mask.size(); i++) {
      int key = i % LENGTH;
      int query = i / LENGTH % LENGTH;
      if (key > query && !condition.holds(mask.data()[i])) {
        return false;
      }
    }
    return true;
  }
}
