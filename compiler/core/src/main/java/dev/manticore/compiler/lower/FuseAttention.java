package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Recognises attention that is spelled out, in float32 and with all shapes known: the product of
 * queries and keys, a scale, a mask that is added, softmax, the product with the values; and writes
 * it as our operator {@code Attention}, which takes heads side by side, so that splitting and
 * joining them goes too. A mask must be [queries,keys] and not depend on parameters.
 */
public final class FuseAttention implements Pass {

  /** What a transpose without permutation does. */
  private static final long[] DEFAULT = {3, 2, 1, 0};

  private static final long[] SWAP_INNER = {0, 2, 1, 3};
  private static final long[] SWAP_LAST = {0, 1, 3, 2};
  private static final long[] KEYS_LAST = {0, 2, 3, 1};

  @Override
  public String name() {
    return "fuse-attention";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    Finder finder = new Finder(graph, editor);
    Ops ops = new Ops(editor);
    Map<Value, Value> fused = new HashMap<>();
    for (Node node : graph.nodes()) {
      finder
          .match(node)
          .ifPresent(
              found -> {
                editor.withOrigin(node.origin().by(name()));
                found.replace(graph, finder, ops, fused);
              });
    }
    if (fused.isEmpty()) {
      return graph;
    }
    editor.replaceUses(fused);
    return editor.freezeLive();
  }

  /**
   * An attention found.
   *
   * @param mixed the product of weights and values, [batch,heads,queries,width]
   * @param queries [batch,heads,queries,width]
   * @param keys [batch,heads,width,keys]
   * @param values [batch,heads,keys,width]
   * @param mask [queries,keys]
   */
  private record Found(
      Value mixed, Value queries, Value keys, Value values, Value mask, float scale) {

    void replace(Graph graph, Finder finder, Ops ops, Map<Value, Value> fused) {
      long heads = mixed.shape().dim(1).extent();
      Value y =
          ops.own(
                  "Attention",
                  Attributes.of("heads", heads).with("scale", Attribute.of(scale)),
                  1,
                  finder.joined(ops, queries),
                  finder.joinedKeys(ops, keys),
                  finder.joined(ops, values),
                  mask)
              .get(0);
      Optional<Value> joined = finder.joinedAgain(mixed).filter(v -> !graph.outputs().contains(v));
      if (joined.isPresent()) {
        fused.put(joined.get(), y);
      } else {
        Shape shape = mixed.shape();
        Value split =
            ops.reshape(
                y, shape.dim(0).extent(), shape.dim(2).extent(), heads, shape.dim(3).extent());
        fused.put(mixed, ops.transpose(split, SWAP_INNER));
      }
    }
  }

  private static final class Finder {
    private final Graph graph;
    private final GraphEditor editor;
    private final Map<Value, Node> onlyReaders = new HashMap<>();
    private final Set<Value> readOften = new HashSet<>();
    private final Set<Value> trained = new HashSet<>();

    Finder(Graph graph, GraphEditor editor) {
      this.graph = graph;
      this.editor = editor;
      trained.addAll(graph.parameters().keySet());
      for (Node node : graph.nodes()) {
        for (Value read : node.reads()) {
          if (onlyReaders.put(read, node) != null) {
            readOften.add(read);
          }
        }
        if (node.reads().stream().anyMatch(trained::contains)) {
          trained.addAll(node.presentOutputs());
        }
      }
    }

    Optional<Found> match(Node node) {
      if (!node.op().isOnnx("MatMul") || !isHeads(node.output())) {
        return Optional.empty();
      }
      Optional<Node> softmax =
          made(node.input(0), "Softmax")
              .filter(made -> Math.floorMod(made.attributes().intValue("axis", -1), 4L) == 3);
      Optional<Node> masked = softmax.flatMap(made -> made(made.input(0), "Add"));
      if (masked.isEmpty() || !isHeads(node.input(1))) {
        return Optional.empty();
      }
      for (int i = 0; i < 2; i++) {
        Value scores = masked.get().input(i);
        Optional<Value> mask = mask(masked.get().input(1 - i), scores);
        float scale = 1;
        Optional<Node> product = Optional.empty();
        if (mask.isPresent()) {
          Optional<Node> scaled = made(scores, "Mul").or(() -> made(scores, "Div"));
          Optional<Double> factor = scaled.flatMap(made -> scalar(made.input(1)));
          if (factor.isPresent()) {
            boolean divides = scaled.get().op().isOnnx("Div");
            scale = (float) (divides ? 1 / factor.get() : factor.get());
            product = made(scaled.get().input(0), "MatMul");
          } else {
            product = made(scores, "MatMul");
          }
        }
        if (product.isPresent()
            && isHeads(product.get().input(0))
            && isHeads(product.get().input(1))) {
          return Optional.of(
              new Found(
                  node.output(),
                  product.get().input(0),
                  product.get().input(1),
                  node.input(1),
                  mask.get(),
                  scale));
        }
      }
      return Optional.empty();
    }

    private Optional<Node> made(Value value, String operator) {
      return graph.producer(value).filter(node -> node.op().isOnnx(operator));
    }

    private Optional<Value> mask(Value value, Value scores) {
      boolean fits =
          value.elementType() == ElementType.FLOAT32
              && scores.shape().isRanked()
              && scores.shape().rank() == 4
              && value.shape().equals(Shape.of(scores.shape().dim(2), scores.shape().dim(3)))
              && !trained.contains(value);
      return fits ? Optional.of(value) : Optional.empty();
    }

    private Optional<Double> scalar(Value value) {
      return editor
          .constantOf(value)
          .filter(tensor -> tensor.shape().elementCount() == 1)
          .map(tensor -> tensor.toDoubles()[0]);
    }

    private static boolean isHeads(Value value) {
      return value.elementType() == ElementType.FLOAT32
          && value.shape().isRanked()
          && value.shape().rank() == 4
          && value.shape().isStatic();
    }

    /** [batch,heads,positions,width] as [batch,positions,heads*width]. */
    Value joined(Ops ops, Value split) {
      return transposed(split, SWAP_INNER)
          .map(inner -> unsplit(ops, inner, split.shape()))
          .orElseGet(() -> join(ops, split));
    }

    /** Keys as the product takes them, [batch,heads,width,keys], as [batch,keys,heads*width]. */
    Value joinedKeys(Ops ops, Value keys) {
      Optional<Value> swapped = transposed(keys, SWAP_LAST);
      if (swapped.isPresent()) {
        return joined(ops, swapped.get());
      }
      Shape shape = keys.shape();
      Shape split = Shape.of(shape.dim(0), shape.dim(1), shape.dim(3), shape.dim(2));
      return transposed(keys, KEYS_LAST)
          .map(inner -> unsplit(ops, inner, split))
          .orElseGet(() -> join(ops, ops.transpose(keys, SWAP_LAST)));
    }

    private static Value join(Ops ops, Value split) {
      Shape shape = split.shape();
      return ops.reshape(
          ops.transpose(split, SWAP_INNER),
          shape.dim(0).extent(),
          shape.dim(2).extent(),
          shape.dim(1).extent() * shape.dim(3).extent());
    }

    private Optional<Value> transposed(Value value, long[] permutation) {
      return made(value, "Transpose")
          .filter(node -> Arrays.equals(node.attributes().intValues("perm", DEFAULT), permutation))
          .map(node -> node.input(0));
    }

    /** [batch,positions,heads,width] with the heads side by side: what a reshape made it of. */
    private Value unsplit(Ops ops, Value split, Shape heads) {
      Dim columns = Dim.of(heads.dim(1).extent() * heads.dim(3).extent());
      Shape whole = Shape.of(heads.dim(0), heads.dim(2), columns);
      return made(split, "Reshape")
          .map(node -> node.input(0))
          .filter(value -> value.shape().equals(whole))
          .orElseGet(() -> ops.reshape(split, whole.extents()));
    }

    /** The value that holds the heads side by side again, if that is all that is made of them. */
    Optional<Value> joinedAgain(Value mixed) {
      Shape shape = mixed.shape();
      Dim columns = Dim.of(shape.dim(1).extent() * shape.dim(3).extent());
      return reader(mixed, "Transpose")
          .filter(node -> Arrays.equals(node.attributes().intValues("perm", DEFAULT), SWAP_INNER))
          .flatMap(node -> reader(node.output(), "Reshape"))
          .map(Node::output)
          .filter(value -> value.shape().equals(Shape.of(shape.dim(0), shape.dim(2), columns)));
    }

    private Optional<Node> reader(Value value, String operator) {
      return readOften.contains(value) || graph.outputs().contains(value)
          ? Optional.empty()
          : Optional.ofNullable(onlyReaders.get(value)).filter(node -> node.op().isOnnx(operator));
    }
  }
}
