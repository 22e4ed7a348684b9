package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Lets products of matrices run as the kernel of ours where it wins: those of known shapes that are
 * large enough for the call of a kernel not to show, of which no operand is a constant that ONNX
 * Runtime would lay out anew once for all runs. What is added to a product that nothing else reads
 * is added by the kernel.
 */
public final class UseProducts implements Pass {

  private static final String KERNEL = "FusedMatMul";

  /** Addends that a kernel takes. */
  private static final int ADDENDS = 2;

  /** Multiplications of a product that is worth the call. */
  static final long WORTH = 1L << 20;

  /** A product by fewer rows reads its matrix once, which is what limits it. */
  private static final long ROWS = 16;

  /** A scaled product, or one that is transposed otherwise, stays with ONNX Runtime. */
  private static final ImmutableSet<String> PLAIN = ImmutableSet.of("transA", "transB");

  @Override
  public String name() {
    return "use-products";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    Map<Value, Integer> readers = new HashMap<>();
    graph
        .nodes()
        .forEach(node -> node.reads().forEach(value -> readers.merge(value, 1, Integer::sum)));
    graph.outputs().forEach(value -> readers.merge(value, 1, Integer::sum));
    GraphEditor editor = graph.edit();
    // Products by what they give; an addition to one makes it a longer one.
    Map<Value, Node> products = new HashMap<>();
    for (Node node : graph.nodes()) {
      Optional<Node> made =
          fits(graph, node)
              ? Optional.of(product(node))
              : sum(node, value -> readers.get(value) == 1 ? products.get(value) : null);
      made.ifPresent(
          product -> {
            editor.replaceNode(node, product);
            products.put(product.output(), product);
          });
    }
    return products.isEmpty() ? graph : editor.freezeLive();
  }

  private static Node product(Node node) {
    return new Node(
        kernel(0),
        node.name(),
        Attributes.of("transA", node.attributes().intValue("transA", 0))
            .with("transB", node.attributes().intValue("transB", 0)),
        ImmutableList.copyOf(node.inputs()),
        node.outputs(),
        node.origin());
  }

  private static OpId kernel(int addends) {
    return OpId.kernel(KERNEL + "Add".repeat(addends));
  }

  /**
   * The product with one more addend that an addition of it is, if it is one.
   *
   * @param product the product that gives a value which is read once, or null
   */
  private static Optional<Node> sum(Node node, Function<Value, Node> product) {
    if (!node.op().isOnnx("Add")) {
      return Optional.empty();
    }
    for (int side = 0; side < 2; side++) {
      Node made = product.apply(node.input(side));
      Value addend = node.input(1 - side);
      if (made != null
          && made.inputs().size() < 2 + ADDENDS
          && made.output().type().equals(node.output().type())
          && isAddend(addend.shape(), node.output().shape())) {
        return Optional.of(
            new Node(
                kernel(made.inputs().size() - 1),
                made.name(),
                made.attributes(),
                ImmutableList.<Optional<Value>>builder()
                    .addAll(made.inputs())
                    .add(Optional.of(addend))
                    .build(),
                node.outputs(),
                made.origin()));
      }
    }
    return Optional.empty();
  }

  /** Whether it is of the shape of the product, or a row that is added to all of them. */
  private static boolean isAddend(Shape addend, Shape product) {
    if (!addend.isStatic()) {
      return false;
    }
    return addend.equals(product)
        || addend.rank() >= 1
            && addend.rank() <= product.rank()
            && addend.dim(addend.rank() - 1).equals(product.dim(product.rank() - 1))
            && Dim.of(addend.elementCount()).equals(product.dim(product.rank() - 1));
  }

  private static boolean fits(Graph graph, Node node) {
    boolean fused = node.op().equals(OpId.microsoft("FusedMatMul"));
    if (!fused && !node.op().isOnnx("MatMul")) {
      return false;
    }
    Value a = node.input(0);
    Value b = node.input(1);
    boolean transposedA = node.attributes().intValue("transA", 0) != 0;
    boolean transposedB = node.attributes().intValue("transB", 0) != 0;
    if (!a.shape().isStatic()
        || !b.shape().isStatic()
        || a.shape().rank() < 2
        || b.shape().rank() != 2
        || transposedA && a.shape().rank() > 2
        || a.type().elementType() != ElementType.FLOAT32
        || graph.parameters().containsKey(a)
        || graph.parameters().containsKey(b)
        || !PLAIN.containsAll(node.attributes().values().keySet())) {
      return false;
    }
    long columns = b.shape().extents()[transposedB ? 0 : 1];
    long depth = b.shape().extents()[transposedB ? 1 : 0];
    long rows = a.shape().elementCount() / Math.max(1, depth);
    return rows >= ROWS && rows * depth * columns >= WORTH;
  }
}
