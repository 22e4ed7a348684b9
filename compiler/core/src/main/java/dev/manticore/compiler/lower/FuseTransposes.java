package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Lets products read their operands transposed: {@code MatMul} of transposes becomes ONNX Runtime's
 * {@code FusedMatMul}, a transposed product of matrices the product of the transposed, a transpose
 * of a transpose nothing.
 */
public final class FuseTransposes implements Pass {

  @Override
  public String name() {
    return "fuse-transposes";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    Graph turned = turnProducts(graph);
    GraphEditor editor = turned.edit();
    boolean changed = turned != graph;
    for (Node node : turned.nodes()) {
      if (node.op().isOnnx("MatMul")) {
        changed |= fuse(editor, node);
      }
    }
    return changed ? editor.freezeLive() : graph;
  }

  /**
   * Transpose(MatMul(a, b)) of matrices = MatMul(Transpose(b), Transpose(a)), if nothing else reads
   * the product.
   */
  private static Graph turnProducts(Graph graph) {
    GraphEditor editor = graph.edit();
    boolean changed = false;
    for (Node node : graph.nodes()) {
      if (!swapsLastAxes(node) || node.input(0).shape().rank() != 2) {
        continue;
      }
      Optional<Node> product =
          graph.producer(node.input(0)).filter(made -> made.op().isOnnx("MatMul"));
      if (product.isEmpty() || !readOnce(graph, product.get().output())) {
        continue;
      }
      Value left = transposed(editor, graph, product.get().input(1));
      Value right = transposed(editor, graph, product.get().input(0));
      editor.replaceNode(
          node,
          new Node(
              OpId.onnx("MatMul"),
              node.name(),
              Attributes.NONE,
              ImmutableList.of(Optional.of(left), Optional.of(right)),
              node.outputs(),
              product.get().origin().by("fuse-transposes")));
      changed = true;
    }
    return changed ? editor.freezeLive() : graph;
  }

  /** The transpose of a matrix: what it is the transpose of, if it is one. */
  private static Value transposed(GraphEditor editor, Graph graph, Value value) {
    Optional<Node> made = graph.producer(value).filter(FuseTransposes::swapsLastAxes);
    return made.isPresent()
        ? made.get().input(0)
        : editor.add(OpId.onnx("Transpose"), Attributes.of("perm", Attribute.ofInts(1, 0)), value);
  }

  private static boolean fuse(GraphEditor editor, Node node) {
    Operand left = Operand.of(editor, node.input(0));
    Operand right = Operand.of(editor, node.input(1));
    if (left.value.equals(node.input(0)) && right.value.equals(node.input(1))) {
      return false;
    }
    boolean plain = !left.transposed && !right.transposed;
    editor.replaceNode(
        node,
        new Node(
            plain ? OpId.onnx("MatMul") : OpId.microsoft("FusedMatMul"),
            node.name(),
            plain
                ? Attributes.NONE
                : Attributes.of("transA", left.transposed ? 1 : 0)
                    .with("transB", right.transposed ? 1 : 0),
            ImmutableList.of(Optional.of(left.value), Optional.of(right.value)),
            node.outputs(),
            node.origin()));
    return true;
  }

  /** What an operand is the transpose of, or of the transpose of which it is the transpose. */
  private record Operand(Value value, boolean transposed) {

    static Operand of(GraphEditor editor, Value value) {
      Operand operand = new Operand(value, false);
      Optional<Node> made = transposeOf(editor, value);
      while (made.isPresent()) {
        operand = new Operand(made.get().input(0), !operand.transposed);
        made = transposeOf(editor, operand.value);
      }
      return operand;
    }

    private static Optional<Node> transposeOf(GraphEditor editor, Value value) {
      return editor.producer(value).filter(FuseTransposes::swapsLastAxes);
    }
  }

  private static boolean swapsLastAxes(Node node) {
    if (!node.op().isOnnx("Transpose")) {
      return false;
    }
    int rank = node.input(0).shape().rank();
    long[] swapped = IntStream.range(0, rank).asLongStream().toArray();
    if (rank < 2) {
      return false;
    }
    swapped[rank - 1] = rank - 2;
    swapped[rank - 2] = rank - 1;
    long[] reversed = IntStream.range(0, rank).mapToLong(axis -> rank - 1 - axis).toArray();
    return Arrays.equals(node.attributes().intValues("perm", reversed), swapped);
  }

  private static boolean readOnce(Graph graph, Value value) {
    List<Node> readers =
        graph.nodes().stream().filter(node -> node.reads().contains(value)).limit(2).toList();
    return readers.size() == 1 && !graph.outputs().contains(value);
  }
}
