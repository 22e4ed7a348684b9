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
    Optional<Node> left = editor.producer(node.input(0)).filter(FuseTransposes::swapsLastAxes);
    Optional<Node> right = editor.producer(node.input(1)).filter(FuseTransposes::swapsLastAxes);
    if (left.isEmpty() && right.isEmpty()) {
      return false;
    }
    Attributes attributes =
        Attributes.of("transA", left.isPresent() ? 1 : 0).with("transB", right.isPresent() ? 1 : 0);
    Value a = left.isPresent() ? left.get().input(0) : node.input(0);
    Value b = right.isPresent() ? right.get().input(0) : node.input(1);
    editor.replaceNode(
        node,
        new Node(
            OpId.microsoft("FusedMatMul"),
            node.name(),
            attributes,
            ImmutableList.of(Optional.of(a), Optional.of(b)),
            node.outputs(),
            node.origin()));
    return true;
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
