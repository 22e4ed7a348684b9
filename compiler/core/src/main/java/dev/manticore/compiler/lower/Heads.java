package dev.manticore.compiler.lower;

import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * How a graph lays out the heads of its attentions: split, [batch,heads,positions,width], or side
 * by side, [batch,positions,heads*width], which our operators of attention take. Where a graph
 * splits what was side by side, or joins it again, that is what is found.
 */
final class Heads {

  /** What a transpose without permutation does. */
  private static final long[] DEFAULT = {3, 2, 1, 0};

  private static final long[] SWAP_INNER = {0, 2, 1, 3};
  private static final long[] SWAP_LAST = {0, 1, 3, 2};
  private static final long[] KEYS_LAST = {0, 2, 3, 1};

  private final Graph graph;
  private final UnaryOperator<Value> now;
  private final Map<Value, Node> onlyReaders = new HashMap<>();
  private final Set<Value> readOften = new HashSet<>();

  /** Of a graph that is edited: its values are read as they are. */
  Heads(Graph graph) {
    this(graph, value -> value);
  }

  /**
   * @param now what a value of the graph is called where it is read
   */
  Heads(Graph graph, UnaryOperator<Value> now) {
    this.graph = graph;
    this.now = now;
    for (Node node : graph.nodes()) {
      for (Value read : node.reads()) {
        if (onlyReaders.put(read, node) != null) {
          readOften.add(read);
        }
      }
    }
  }

  /** Whether heads and width of split heads are known. */
  static boolean areKnown(Shape split) {
    return split.isRanked()
        && split.rank() == 4
        && split.dim(1).isKnown()
        && split.dim(3).isKnown();
  }

  /** Heads side by side, split as a shape says. */
  static Value split(Ops ops, Value joined, Shape shape) {
    return ops.transpose(
        ops.reshape(joined, 0, 0, shape.dim(1).extent(), shape.dim(3).extent()), SWAP_INNER);
  }

  /** [batch,heads,positions,width] as [batch,positions,heads*width]. */
  Value joined(Ops ops, Value split) {
    return transposed(split, SWAP_INNER)
        .map(inner -> unsplit(ops, inner, split.shape()))
        .orElseGet(() -> join(ops, now.apply(split)));
  }

  /** Keys as the product takes them, [batch,heads,width,keys], as [batch,keys,heads*width]. */
  Value joinedKeys(Ops ops, Value keys) {
    Optional<Value> swapped = swappedLast(keys);
    if (swapped.isPresent()) {
      return joined(ops, swapped.get());
    }
    Shape shape = keys.shape();
    Shape split = Shape.of(shape.dim(0), shape.dim(1), shape.dim(3), shape.dim(2));
    return transposed(keys, KEYS_LAST)
        .map(inner -> unsplit(ops, inner, split))
        .orElseGet(() -> join(ops, ops.transpose(now.apply(keys), SWAP_LAST)));
  }

  /** What a value of rank 4 is with its last axes swapped, if it was made by swapping them. */
  Optional<Value> swappedLast(Value value) {
    return transposed(value, SWAP_LAST);
  }

  private static Value join(Ops ops, Value split) {
    return ops.reshape(ops.transpose(split, SWAP_INNER), 0, 0, columns(split.shape()).extent());
  }

  private static Dim columns(Shape split) {
    return Dim.of(split.dim(1).extent() * split.dim(3).extent());
  }

  private Optional<Value> transposed(Value value, long[] permutation) {
    return graph
        .producer(value)
        .filter(node -> transposes(node, permutation))
        .map(node -> node.input(0));
  }

  private static boolean transposes(Node node, long[] permutation) {
    return node.op().isOnnx("Transpose")
        && Arrays.equals(node.attributes().intValues("perm", DEFAULT), permutation);
  }

  /** [batch,positions,heads,width] with the heads side by side: what a reshape made it of. */
  private Value unsplit(Ops ops, Value split, Shape heads) {
    Shape whole = Shape.of(heads.dim(0), heads.dim(2), columns(heads));
    return graph
        .producer(split)
        .filter(node -> node.op().isOnnx("Reshape"))
        .map(node -> node.input(0))
        .filter(value -> value.shape().equals(whole))
        .map(now)
        .orElseGet(() -> ops.reshape(now.apply(split), 0, 0, columns(heads).extent()));
  }

  /** The value that holds the heads side by side again, if that is all that is made of them. */
  Optional<Value> joinedAgain(Value mixed) {
    Shape shape = mixed.shape();
    return onlyReader(mixed)
        .filter(node -> transposes(node, SWAP_INNER))
        .flatMap(node -> onlyReader(node.output()))
        .filter(node -> node.op().isOnnx("Reshape"))
        .map(Node::output)
        .filter(value -> value.shape().equals(Shape.of(shape.dim(0), shape.dim(2), columns(shape))))
        .filter(value -> !graph.outputs().contains(value));
  }

  /** The node that reads a value, if one does, and the graph does not give it out. */
  Optional<Node> onlyReader(Value value) {
    return readOften.contains(value) || graph.outputs().contains(value)
        ? Optional.empty()
        : Optional.ofNullable(onlyReaders.get(value));
  }
}
