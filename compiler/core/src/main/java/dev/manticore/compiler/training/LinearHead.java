package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A product that logits are, or are the sum of, as in a hybrid.
 *
 * @param x {@code [.., width]}
 * @param weight {@code [width, classes]}
 * @param transposed whether the weight is {@code [classes, width]}
 * @param scale what the product is multiplied by, a single number
 */
record LinearHead(Value x, Value weight, boolean transposed, Optional<Value> scale) {

  /** Heads of which the loss is one operator. */
  private static final int MOST = 2;

  /** The products that a graph's logits are the sum of, if they are of one or two, stored alike. */
  static Optional<ImmutableList<LinearHead>> of(Graph graph, Value logits) {
    List<LinearHead> heads = new ArrayList<>();
    return collect(graph, logits, Optional.empty(), heads)
            && heads.size() <= MOST
            && heads.stream().map(LinearHead::transposed).distinct().count() == 1
        ? Optional.of(ImmutableList.copyOf(heads))
        : Optional.empty();
  }

  private static boolean collect(
      Graph graph, Value value, Optional<Value> scale, List<LinearHead> heads) {
    Optional<Node> made = graph.producer(value);
    if (made.isEmpty()) {
      return false;
    }
    Node node = made.get();
    if (node.op().isOnnx("Identity")) {
      return collect(graph, node.input(0), scale, heads);
    }
    if (node.op().isOnnx("Add")) {
      return List.of(node.input(0), node.input(1)).stream()
          .allMatch(
              part -> part.shape().equals(value.shape()) && collect(graph, part, scale, heads));
    }
    if (node.op().isOnnx("Mul") && scale.isEmpty()) {
      for (int side = 0; side < 2; side++) {
        Value factor = node.input(side);
        if (factor.shape().isStatic()
            && factor.shape().elementCount() == 1
            && node.input(1 - side).shape().equals(value.shape())) {
          return collect(graph, node.input(1 - side), Optional.of(factor), heads);
        }
      }
    }
    if (!node.op().isOnnx("MatMul") || node.input(1).shape().rank() != 2) {
      return false;
    }
    Optional<Node> turned =
        graph.producer(node.input(1)).filter(maker -> maker.op().isOnnx("Transpose"));
    heads.add(
        new LinearHead(
            node.input(0),
            turned.map(maker -> maker.input(0)).orElse(node.input(1)),
            turned.isPresent(),
            scale));
    return true;
  }

  /**
   * The mean cross-entropy of the sum of all heads, as one operator.
   *
   * @param rows rows of logits that are held at a time, one at least
   */
  static Value crossEntropy(Ops ops, List<LinearHead> heads, Value labels, long rows) {
    List<Value> operands = new ArrayList<>();
    for (LinearHead head : heads) {
      // The scale of a product is that of its operand, of which there is less.
      operands.add(head.scale().map(scale -> ops.mul(head.x(), scale)).orElse(head.x()));
      operands.add(head.weight());
    }
    operands.add(labels);
    return ops.own(
            heads.size() == 1 ? "LinearCrossEntropy" : "LinearCrossEntropySum",
            Attributes.of("transB", heads.get(0).transposed() ? 1 : 0).with("rows", rows),
            operands.size(),
            operands.toArray(Value[]::new))
        .get(0);
  }
}
