package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.compiler.decode.DecoderState.Kind;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * Lets a decoder keep its keys and values where they are: a cache that grows by what it is joined
 * with becomes one with free slots, of any number, and {@code AttentionWithState} writes into the
 * next of them. Where the caller gives the same memory as the state before and after a run, nothing
 * is copied. A decoder that does anything else with a growing cache stays as it is.
 */
public final class KeepCaches implements Pass {

  /** What a score becomes that is no larger than this weighs nothing. */
  private static final double EXCLUDED = -1e30;

  /** The axis of tokens of keys and values. */
  private static final int TOKENS = 2;

  @Override
  public String name() {
    return "keep-caches";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    Search search = new Search(graph);
    return search.isComplete() ? new Rewriting(graph, search).graph().orElse(graph) : graph;
  }

  /** A cache of keys or values: before, what is added, and both. */
  private record Cache(Value past, Value added, Value all) {}

  /**
   * A node between a product of queries and keys and the softmax.
   *
   * @param operand which operand comes from the product
   */
  private record Step(Node node, int operand) {}

  /** What has been done to a product of queries and cached keys. */
  private record Scores(Cache keys, Value queries, ImmutableList<Step> steps) {

    Scores then(Node node, int operand) {
      return new Scores(
          keys,
          queries,
          ImmutableList.<Step>builder().addAll(steps).add(new Step(node, operand)).build());
    }
  }

  private record Attention(Scores scores, Cache values) {}

  /** The attentions to growing caches, by the products of weights and values. */
  private static final class Search {
    final Map<Node, Attention> attentions = new HashMap<>();

    /** The nodes that an attention takes the place of. */
    final Set<Node> replaced = new HashSet<>();

    final Set<Value> growing = new HashSet<>();
    private final Set<Value> attended = new HashSet<>();
    private final Heads heads;
    private final Set<Value> outputs;
    private final Map<Value, Integer> readers = new HashMap<>();
    private final Map<Value, Cache> caches = new HashMap<>();
    private final Map<Value, Cache> turned = new HashMap<>();
    private final Map<Value, Scores> scores = new HashMap<>();
    private final Map<Value, Scores> weights = new HashMap<>();
    private final GraphEditor editor;

    Search(Graph graph) {
      this.heads = new Heads(graph);
      this.editor = graph.edit();
      this.outputs = Set.copyOf(graph.outputs());
      for (Value input : graph.inputs()) {
        if (input.isTensor()
            && DecoderState.of(input.name(), input.type())
                .filter(DecoderState::grows)
                .isPresent()) {
          growing.add(input);
        }
      }
      for (Node node : graph.nodes()) {
        if (!names(node)) {
          node.reads().forEach(value -> readers.merge(value, 1, Integer::sum));
        }
      }
      graph.nodes().forEach(this::visit);
    }

    /** Whether a node only gives a value the name of an output. */
    boolean names(Node node) {
      return node.op().isOnnx("Identity") && outputs.contains(node.output());
    }

    boolean isComplete() {
      return !growing.isEmpty()
          && attended.equals(growing)
          && outputs.stream().noneMatch(readers::containsKey);
    }

    private void visit(Node node) {
      if (!node.op().domain().isEmpty() || node.presentOutputs().size() != 1) {
        return;
      }
      switch (node.op().name()) {
        case "Concat" -> {
          if (grows(node)) {
            replaced.add(node);
            caches.put(node.output(), new Cache(node.input(0), node.input(1), node.output()));
          }
        }
        case "Transpose" -> {
          Optional<Value> all = heads.swappedLast(node.output());
          if (all.isPresent() && caches.containsKey(all.get()) && isReadOnce(all.get())) {
            replaced.add(node);
            turned.put(node.output(), caches.get(all.get()));
          }
        }
        case "MatMul" -> product(node);
        case "Softmax" -> {
          Scores taken = scores.get(node.input(0));
          boolean overKeys = Math.floorMod(node.attributes().intValue("axis", -1), 4L) == 3;
          if (taken != null && overKeys && isReadOnce(node.output())) {
            replaced.add(node);
            weights.put(node.output(), taken);
          }
        }
        default -> step(node);
      }
    }

    private boolean grows(Node node) {
      return node.inputs().size() == 2
          && growing.contains(node.input(0))
          && node.input(0).elementType() == ElementType.FLOAT32
          && isReadOnce(node.input(0))
          && Heads.areKnown(node.input(1).shape())
          && Math.floorMod(node.attributes().intValue("axis", 0), 4L) == TOKENS;
    }

    private boolean isReadOnce(Value value) {
      return readers.getOrDefault(value, 0) == 1;
    }

    private void product(Node node) {
      Cache keys = turned.get(node.input(1));
      if (keys != null
          && isReadOnce(node.input(1))
          && isReadOnce(node.output())
          && haveSameHeads(node.input(0), keys.added())) {
        replaced.add(node);
        scores.put(node.output(), new Scores(keys, node.input(0), ImmutableList.of()));
      }
      Scores taken = weights.get(node.input(0));
      Cache values = caches.get(node.input(1));
      if (taken != null
          && values != null
          && isReadOnce(values.all())
          && haveSameHeads(taken.keys().added(), values.added())) {
        attentions.put(node, new Attention(taken, values));
        attended.add(taken.keys().past());
        attended.add(values.past());
      }
    }

    private static boolean haveSameHeads(Value a, Value b) {
      return Heads.areKnown(a.shape())
          && Heads.areKnown(b.shape())
          && a.shape().dim(1).equals(b.shape().dim(1))
          && a.shape().dim(3).equals(b.shape().dim(3));
    }

    private void step(Node node) {
      List<Value> read = node.reads().stream().filter(scores::containsKey).toList();
      if (read.size() != 1 || !isReadOnce(node.output())) {
        return;
      }
      int operand = node.presentInputs().indexOf(read.get(0));
      boolean understood =
          switch (node.op().name()) {
            case "Add" -> true;
            case "Mul" -> scalar(node.input(1 - operand)).isPresent();
            case "Div" -> operand == 0 && scalar(node.input(1)).isPresent();
            case "Where" ->
                operand == 1 && scalar(node.input(2)).filter(to -> to <= EXCLUDED).isPresent();
            default -> false;
          };
      if (understood) {
        replaced.add(node);
        scores.put(node.output(), scores.get(read.get(0)).then(node, operand));
      }
    }

    Optional<Double> scalar(Value value) {
      return editor
          .constantOf(value)
          .filter(tensor -> tensor.shape().elementCount() == 1)
          .map(tensor -> tensor.toDoubles()[0]);
    }
  }

  private static final class Rewriting {
    private final Graph graph;
    private final Search search;
    private final Heads heads;
    private final GraphEditor editor;
    private final Ops ops;
    private final Map<Value, Value> values = new HashMap<>();

    Rewriting(Graph graph, Search search) {
      this.graph = graph;
      this.search = search;
      this.heads = new Heads(graph, this::mapped);
      this.editor = new GraphEditor(graph.name());
      this.ops = new Ops(editor);
    }

    /** Empty if a mask has a shape that the operator does not take. */
    Optional<Graph> graph() {
      for (Value input : graph.inputs()) {
        if (search.growing.contains(input)) {
          values.put(input, editor.input(input.name(), withRoom(input)));
        } else {
          editor.addInput(input);
        }
      }
      graph.parameters().forEach(editor::setParameter);
      for (Node node : graph.nodes()) {
        editor.withOrigin(node.origin());
        if (search.attentions.containsKey(node)) {
          if (!attend(node, search.attentions.get(node))) {
            return Optional.empty();
          }
        } else if (!search.replaced.contains(node)
            && !search.names(node)
            && !values.containsKey(node.output(0))) {
          Copies.copy(editor, node, values);
        }
      }
      for (Value output : graph.outputs()) {
        Node made = graph.producer(output).orElseThrow();
        editor.withOrigin(made.origin());
        Value given = mapped(search.names(made) ? made.input(0) : output);
        boolean isNamed = given.name().equals(output.name());
        editor.output(isNamed ? given : ops.named(output.name(), given));
      }
      graph.metadata().forEach(editor::metadata);
      return Optional.of(editor.freezeLive());
    }

    /** Keys lie turned, as the operator has them. */
    private static TensorType withRoom(Value cache) {
      Shape shape = cache.shape().withDim(TOKENS, Dim.of(DecoderState.CAPACITY));
      boolean turned = DecoderState.of(cache.name(), cache.type()).orElseThrow().kind() == Kind.KEY;
      return cache
          .type()
          .withShape(
              turned ? Shape.of(shape.dim(0), shape.dim(1), shape.dim(3), shape.dim(2)) : shape);
    }

    private Value mapped(Value value) {
      return values.getOrDefault(value, value);
    }

    private boolean attend(Node mix, Attention attention) {
      Scores scores = attention.scores();
      double scale = 1;
      Value bias = null;
      for (Step step : scores.steps()) {
        Node node = step.node();
        Value other = mapped(node.input(step.operand() == 0 ? 1 : 0));
        switch (node.op().name()) {
          case "Mul" -> {
            scale *= search.scalar(node.input(1 - step.operand())).orElseThrow();
            bias = bias == null ? null : ops.mul(bias, other);
          }
          case "Div" -> {
            scale /= search.scalar(node.input(1)).orElseThrow();
            bias = bias == null ? null : ops.div(bias, other);
          }
          case "Where" -> {
            Value kept = bias == null ? ops.scalar(ElementType.FLOAT32, 0) : bias;
            bias = ops.where(other, kept, mapped(node.input(2)));
          }
          default -> bias = bias == null ? other : ops.add(bias, other);
        }
      }
      Optional<Value> mask = Optional.ofNullable(bias).flatMap(b -> mask(b, scores.queries()));
      if (mask.isEmpty()) {
        return false;
      }
      Shape split = mix.output().shape();
      Value queries = heads.joined(ops, scores.queries());
      Value keysBefore = mapped(scores.keys().past());
      Value valuesBefore = mapped(attention.values().past());
      Value mixed = new Value(editor.freshName("AttentionWithState"), queries.type());
      Value keys = present(keysBefore);
      Value kept = present(valuesBefore);
      editor.addNode(
          Node.of(
              OpId.manticore("AttentionWithState"),
              mixed.name(),
              Attributes.of("heads", split.dim(1).extent())
                  .with("scale", Attribute.of((float) scale)),
              List.of(
                  queries,
                  heads.joined(ops, scores.keys().added()),
                  heads.joined(ops, attention.values().added()),
                  keysBefore,
                  valuesBefore,
                  mask.get()),
              List.of(mixed, keys, kept)));
      values.put(scores.keys().all(), keys);
      values.put(attention.values().all(), kept);
      Optional<Value> again = heads.joinedAgain(mix.output());
      if (again.isPresent()) {
        values.put(again.get(), mixed);
      } else {
        values.put(mix.output(), Heads.split(ops, mixed, split));
      }
      return true;
    }

    /** The number of all tokens, by the mask that tells of them. */
    private Dim total() {
      return graph.inputs().stream()
          .filter(input -> input.name().equals(Decoder.ATTENTION_MASK))
          .filter(input -> input.shape().isRanked() && input.shape().rank() == 2)
          .map(input -> input.shape().dim(1))
          .findFirst()
          .orElse(Dim.UNKNOWN);
    }

    /** Two unknown extents are not known to be the same. */
    private static boolean isSame(Dim a, Dim b) {
      return !a.equals(Dim.UNKNOWN) && a.equals(b);
    }

    /** The state after a run, under the name that it has outside: nothing copies it there. */
    private Value present(Value past) {
      DecoderState state = DecoderState.of(past.name(), past.type()).orElseThrow();
      return new Value(editor.freshName(state.present()), past.type());
    }

    /**
     * What is added to scores as [batch or 1,heads or 1,queries,keys], and finite: a row of which
     * all is excluded still has a sum.
     */
    private Optional<Value> mask(Value bias, Value queries) {
      Shape shape = bias.shape();
      boolean fits =
          shape.isRanked()
              && shape.rank() >= 2
              && shape.rank() <= 4
              && isSame(shape.dim(-2), queries.shape().dim(-2))
              && isSame(shape.dim(-1), total());
      if (!fits) {
        return Optional.empty();
      }
      long[] front = LongStream.range(0, 4 - shape.rank()).toArray();
      Value ranked = front.length == 0 ? bias : ops.unsqueeze(bias, front);
      return Optional.of(
          ops.onnx("Max", ranked, ops.scalar(ElementType.FLOAT32, -Float.MAX_VALUE)));
    }
  }
}
