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
import dev.manticore.ir.rewrite.CausalMasks;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Recognises attention that is spelled out, in float32 and with all shapes known: the product of
 * queries and keys, a scale, a mask, softmax, the product with the values; and writes it as an
 * operator of ours, which takes heads side by side, so that splitting and joining them goes too.
 *
 * <p>Where every query sees itself and the keys before it, all or a number of them, that is {@code
 * CausalAttention}, and the mask goes. Any other mask that is added, is [queries,keys] and does not
 * depend on parameters stays as the operand of an {@code Attention}.
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
   */
  private record Found(
      Value mixed, Value queries, Value keys, Value values, Mask mask, float scale) {

    void replace(Heads heads, Ops ops, Map<Value, Value> fused) {
      Attributes attributes =
          Attributes.of("heads", mixed.shape().dim(1).extent()).with("scale", Attribute.of(scale));
      Value y =
          mask.attend(
              ops,
              attributes,
              heads.joined(ops, queries),
              heads.joinedKeys(ops, keys),
              heads.joined(ops, values));
      Optional<Value> joined = heads.joinedAgain(mixed);
      if (joined.isPresent()) {
        fused.put(joined.get(), y);
      } else {
        fused.put(mixed, Heads.split(ops, y, mixed.shape()));
      }
    }
  }

  /** A mask, as the operator takes it. */
  private interface Mask {

    /** The attention of queries to keys and values, heads side by side. */
    Value attend(Ops ops, Attributes attributes, Value queries, Value keys, Value values);

    /** That of a window of keys. */
    static Mask causal(long window) {
      return (ops, attributes, queries, keys, values) ->
          ops.own("CausalAttention", attributes.with("window", window), 1, queries, keys, values)
              .get(0);
    }

    /** One that is added, [queries,keys]. */
    static Mask added(Value mask) {
      return (ops, attributes, queries, keys, values) ->
          ops.own("Attention", attributes, 1, queries, keys, values, mask).get(0);
    }
  }

  /**
   * Scores under a mask.
   *
   * @param scores [batch,heads,queries,keys]
   */
  private record Masked(Value scores, Mask mask) {}

  private static final class Finder {
    private final Graph graph;
    private final CausalMasks causalMasks;
    private final GraphEditor editor;
    private final Set<Value> trained = new HashSet<>();

    Finder(Graph graph, GraphEditor editor) {
      this.graph = graph;
      this.editor = editor;
      this.causalMasks = new CausalMasks(graph);
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
      if (softmax.isEmpty() || !isHeads(node.input(1))) {
        return Optional.empty();
      }
      for (Masked masked : masked(softmax.get().input(0))) {
        Value scores = masked.scores();
        Optional<Node> scaled = made(scores, "Mul").or(() -> made(scores, "Div"));
        Optional<Double> factor = scaled.flatMap(made -> scalar(made.input(1)));
        Optional<Node> product =
            made(factor.isPresent() ? scaled.get().input(0) : scores, "MatMul")
                .filter(made -> isHeads(made.input(0)) && isHeads(made.input(1)));
        if (product.isPresent()) {
          boolean divides = factor.isPresent() && scaled.get().op().isOnnx("Div");
          double scale = factor.orElse(1.0);
          return Optional.of(
              new Found(
                  node.output(),
                  product.get().input(0),
                  product.get().input(1),
                  node.input(1),
                  masked.mask(),
                  (float) (divides ? 1 / scale : scale)));
        }
      }
      return Optional.empty();
    }

    /** The ways to see scores under a mask, the one without its table first. */
    private List<Masked> masked(Value value) {
      List<Masked> found = new ArrayList<>();
      causalMasks
          .find(value)
          .map(causal -> new Masked(causal.scores(), Mask.causal(causal.window())))
          .ifPresent(found::add);
      made(value, "Add")
          .ifPresent(
              sum -> {
                for (int i = 0; i < 2; i++) {
                  Value scores = sum.input(i);
                  mask(sum.input(1 - i), scores)
                      .ifPresent(mask -> found.add(new Masked(scores, Mask.added(mask))));
                }
              });
      return found;
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
