package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
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
    Heads heads = new Heads(graph);
    Ops ops = new Ops(editor);
    Map<Value, Value> fused = new HashMap<>();
    for (Node node : graph.nodes()) {
      finder
          .match(node)
          .ifPresent(
              found -> {
                editor.withOrigin(node.origin().by(name()));
                found.replace(heads, ops, fused);
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

    void replace(Heads heads, Ops ops, Map<Value, Value> fused) {
      Value y =
          ops.own(
                  "Attention",
                  Attributes.of("heads", mixed.shape().dim(1).extent())
                      .with("scale", Attribute.of(scale)),
                  1,
                  heads.joined(ops, queries),
                  heads.joinedKeys(ops, keys),
                  heads.joined(ops, values),
                  mask)
              .get(0);
      Optional<Value> joined = heads.joinedAgain(mixed);
      if (joined.isPresent()) {
        fused.put(joined.get(), y);
      } else {
        fused.put(mixed, Heads.split(ops, y, mixed.shape()));
      }
    }
  }

  private static final class Finder {
    private final Graph graph;
    private final GraphEditor editor;
    private final Set<Value> trained = new HashSet<>();

    Finder(Graph graph, GraphEditor editor) {
      this.graph = graph;
      this.editor = editor;
      trained.addAll(graph.parameters().keySet());
      for (Node node : graph.nodes()) {
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
  }
}
