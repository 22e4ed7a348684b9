package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.compiler.decode.DecoderState.Kind;
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
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.Pass;
import dev.manticore.kernels.GatedScanWithState;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongPredicate;

/**
 * Lets a decoder compute what a Mamba block does between its projections in two nodes, where it has
 * some twenty, which for a single token cost more than what they compute: {@code SiluConvWithState}
 * for the causal convolution and its SiLU, {@code GatedScanWithState} for the time step with its
 * projection, the scan, what passes it by and the gate. Their states change shape: {@code
 * [batch,kernel-1,channels]} and {@code [batch,channels/16,states,16]}. What has another form stays
 * as it is.
 */
public final class FuseStateSpaces implements Pass {

  private static final int BLOCK = GatedScanWithState.BLOCK;

  private static final OpId CONVOLUTION = OpId.manticore("CausalConvWithState");

  @Override
  public String name() {
    return "fuse-state-spaces";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    // In files it is written out: so there is one form.
    Graph plain = InlineBodies.of(CONVOLUTION::equals).run(graph);
    Search search = new Search(plain);
    return search.fusions.isEmpty() ? graph : new Rewriting(plain, search).graph();
  }

  /** A factor and what it is a factor of. */
  private record Product(Value value, Value factor) {}

  /** So many columns of a value [batch,length,..], from one on. */
  private record Columns(Value value, long first, long count) {}

  /** Nodes that one takes the place of. */
  private abstract static class Fusion {
    /** The state before and after, an input and an output of the graph. */
    Value past;

    Value present;

    abstract TensorType stateType();

    /** The state before in the shape that it had; only what is not fused reads it. */
    abstract Value asBefore(Ops ops, Value state);

    /** What the last of the nodes gave, and the state after. */
    abstract List<Value> fuse(Ops ops, Map<Value, Value> values, Value state);

    static Value mapped(Map<Value, Value> values, Value value) {
      return values.getOrDefault(value, value);
    }
  }

  private static final class Convolution extends Fusion {
    Columns x;
    Value mask;
    Value weight;
    Value bias;

    @Override
    TensorType stateType() {
      Shape shape = past.shape();
      return past.type().withShape(Shape.of(shape.dim(0), shape.dim(2), shape.dim(1)));
    }

    @Override
    Value asBefore(Ops ops, Value state) {
      return ops.transpose(state, 0, 2, 1);
    }

    @Override
    List<Value> fuse(Ops ops, Map<Value, Value> values, Value state) {
      Value taps = ops.transpose(ops.squeeze(mapped(values, weight), 1), 1, 0);
      return ops.own(
          "SiluConvWithState",
          Attributes.of("first", x.first()),
          2,
          mapped(values, x.value()),
          mapped(values, mask),
          taps,
          mapped(values, bias),
          state);
    }
  }

  private static final class Scan extends Fusion {
    Value x;
    Value mixing;
    Value weight;
    Value bias;
    Value mask;
    Value decay;
    Value skip;
    Columns gate;

    private long channels() {
      return past.shape().dim(1).extent();
    }

    private long states() {
      return past.shape().dim(2).extent();
    }

    @Override
    TensorType stateType() {
      return past.type()
          .withShape(
              Shape.of(
                  past.shape().dim(0),
                  Dim.of(channels() / BLOCK),
                  past.shape().dim(2),
                  Dim.of(BLOCK)));
    }

    @Override
    Value asBefore(Ops ops, Value state) {
      return ops.reshape(ops.transpose(state, 0, 1, 3, 2), 0, channels(), states());
    }

    @Override
    List<Value> fuse(Ops ops, Map<Value, Value> values, Value state) {
      Value rows = ops.reshape(mapped(values, decay), channels() / BLOCK, BLOCK, states());
      return ops.own(
          "GatedScanWithState",
          Attributes.of("first", gate.first()),
          2,
          mapped(values, x),
          mapped(values, mixing),
          mapped(values, weight),
          mapped(values, bias),
          mapped(values, mask),
          ops.transpose(rows, 0, 2, 1),
          mapped(values, skip),
          mapped(values, gate.value()),
          state);
    }
  }

  private static final class Search {
    /** By the last of the nodes that each takes the place of. */
    final Map<Node, Fusion> fusions = new HashMap<>();

    private final Graph graph;
    private final GraphEditor editor;
    private final Map<Value, List<Node>> readers = new HashMap<>();

    /** The outputs by what they are another name of. */
    private final Map<Value, Value> outputs = new HashMap<>();

    Search(Graph graph) {
      this.graph = graph;
      this.editor = graph.edit();
      for (Value output : graph.outputs()) {
        Value source = output;
        Optional<Node> naming = maker(output, "Identity");
        while (naming.isPresent()) {
          source = naming.get().input(0);
          naming = maker(source, "Identity");
        }
        outputs.put(source, output);
      }
      for (Node node : graph.nodes()) {
        new HashSet<>(node.reads())
            .forEach(value -> readers.computeIfAbsent(value, key -> new ArrayList<>()).add(node));
      }
      for (Node node : graph.nodes()) {
        if (node.op().isOnnx("Conv")) {
          convolution(node);
        } else if (node.op().equals(OpId.manticore("SelectiveScanWithState"))) {
          scan(node);
        }
      }
    }

    private Optional<Node> maker(Value value, String operator) {
      return graph.producer(value).filter(node -> node.op().isOnnx(operator));
    }

    private List<Node> readersOf(Value value) {
      return readers.getOrDefault(value, List.of());
    }

    private Optional<Node> onlyReader(Value value, String operator) {
      List<Node> all = readersOf(value);
      return all.size() == 1 && all.get(0).op().isOnnx(operator) && !outputs.containsKey(value)
          ? Optional.of(all.get(0))
          : Optional.empty();
    }

    private boolean isState(Value value, Kind kind) {
      return graph.inputs().contains(value)
          && isFloat(value, 3)
          && value.shape().dim(1).isKnown()
          && value.shape().dim(2).isKnown()
          && DecoderState.of(value.name(), value.type())
              .filter(state -> state.kind() == kind)
              .isPresent();
    }

    private static boolean isFloat(Value value, int rank) {
      return value.isTensor()
          && value.elementType() == ElementType.FLOAT32
          && value.shape().isRanked()
          && value.shape().rank() == rank;
    }

    /** A row of so many values, the same for all tokens. */
    private static boolean isRow(Value value, Dim channels) {
      return isFloat(value, 1) && value.shape().dim(0).equals(channels);
    }

    /** A product of [batch,length,channels] and a mask [batch,length,1]. */
    private Optional<Product> masked(Value value, Dim channels) {
      Optional<Node> product = maker(value, "Mul");
      for (int i = 0; i < 2 && product.isPresent(); i++) {
        Value x = product.get().input(i);
        Value mask = product.get().input(1 - i);
        if (isFloat(x, 3)
            && isFloat(mask, 3)
            && x.shape().dim(2).equals(channels)
            && !channels.equals(Dim.of(1))
            && mask.shape().equals(x.shape().withDim(2, Dim.of(1)))) {
          return Optional.of(new Product(x, mask));
        }
      }
      return Optional.empty();
    }

    /** What a row is combined with by an operator that takes its operands in any order. */
    private Optional<Product> withRow(Node node, Dim channels) {
      for (int i = 0; i < 2; i++) {
        if (isFloat(node.input(i), 3)
            && node.input(i).shape().dim(2).equals(channels)
            && isRow(node.input(1 - i), channels)) {
          return Optional.of(new Product(node.input(i), node.input(1 - i)));
        }
      }
      return Optional.empty();
    }

    /** What SiLU is taken of. */
    private Optional<Value> ofSilu(Value value) {
      return maker(value, "Mul")
          .flatMap(
              product ->
                  List.of(0, 1).stream()
                      .filter(
                          i ->
                              maker(product.input(1 - i), "Sigmoid")
                                  .filter(made -> made.input(0).equals(product.input(i)))
                                  .isPresent())
                      .map(product::input)
                      .findFirst());
    }

    private Optional<Value> turned(Value value) {
      return maker(value, "Transpose")
          .filter(node -> Arrays.equals(node.attributes().intValues("perm"), new long[] {0, 2, 1}))
          .map(node -> node.input(0));
    }

    private void convolution(Node node) {
      Value weight = node.input(1);
      Value all = node.input(0);
      Optional<Node> joined = maker(all, "Concat");
      boolean fits =
          node.presentInputs().size() == 3
              && node.attributes().values().keySet().equals(Set.of("group"))
              && isFloat(weight, 3)
              && weight.shape().isStatic()
              && weight.shape().dim(1).equals(Dim.of(1))
              && weight.shape().dim(0).equals(Dim.of(node.attributes().intValue("group", 1)))
              && joined.isPresent()
              && joined.get().inputs().size() == 2
              && joined.get().attributes().intValue("axis", 0) == 2
              && isState(joined.get().input(0), Kind.CONVOLUTION);
      if (!fits) {
        return;
      }
      Dim channels = weight.shape().dim(0);
      Optional<Product> masked =
          turned(joined.get().input(1)).flatMap(value -> masked(value, channels));
      Optional<Node> back = onlyReader(node.output(), "Transpose");
      Optional<Node> end =
          back.filter(transpose -> turned(transpose.output()).isPresent())
              .flatMap(transpose -> silu(transpose.output()));
      Optional<Value> kept =
          readersOf(all).stream()
              .filter(reader -> keepsLast(reader, all, joined.get().input(1)))
              .map(Node::output)
              .filter(outputs::containsKey)
              .findFirst();
      if (masked.isEmpty() || end.isEmpty() || kept.isEmpty()) {
        return;
      }
      Convolution fusion = new Convolution();
      fusion.past = joined.get().input(0);
      fusion.present = outputs.get(kept.get());
      fusion.x = columns(masked.get().value());
      fusion.mask = masked.get().factor();
      fusion.weight = weight;
      fusion.bias = node.input(2);
      fusions.put(end.get(), fusion);
    }

    /** The product that is SiLU of a value, if nothing else reads that. */
    private Optional<Node> silu(Value value) {
      List<Node> all = readersOf(value);
      return all.size() == 2 && !outputs.containsKey(value)
          ? all.stream()
              .filter(node -> node.op().isOnnx("Mul"))
              .filter(node -> ofSilu(node.output()).filter(value::equals).isPresent())
              .findFirst()
          : Optional.empty();
    }

    /** Whether a node keeps of the steps of before and of these as many as there were before. */
    private boolean keepsLast(Node node, Value all, Value these) {
      return node.op().isOnnx("Slice")
          && node.input(0).equals(all)
          && node.inputs().size() >= 4
          && node.presentInputs().size() == 4
          && isConstant(node.input(2), end -> end >= Integer.MAX_VALUE)
          && isConstant(node.input(3), axis -> axis == 2)
          && maker(node.input(1), "Shape")
              .filter(shape -> shape.attributes().intValue("start", 0) == 1)
              .filter(shape -> shape.attributes().intValue("end", 0) == 2)
              .filter(shape -> shape.input(0).shape().isRanked())
              .filter(shape -> shape.input(0).shape().rank() >= 2)
              .filter(shape -> shape.input(0).shape().dim(1).equals(these.shape().dim(2)))
              .filter(shape -> !shape.input(0).shape().dim(1).equals(Dim.UNKNOWN))
              .isPresent();
    }

    private boolean isConstant(Value value, LongPredicate of) {
      return editor
          .constantOf(value)
          .filter(tensor -> tensor.shape().elementCount() == 1)
          .filter(tensor -> of.test(tensor.toLongs()[0]))
          .isPresent();
    }

    private void scan(Node node) {
      Value x = node.input(0);
      Value past = node.input(5);
      Value present = outputs.get(node.output(1));
      if (present == null
          || !isState(past, Kind.RECURRENT)
          || past.shape().dim(1).extent() % BLOCK != 0) {
        return;
      }
      Dim channels = past.shape().dim(1);
      long states = past.shape().dim(2).extent();
      Optional<Product> delta = masked(node.input(1), channels);
      Optional<Product> step =
          delta
              .flatMap(product -> maker(product.value(), "Softplus"))
              .flatMap(softplus -> maker(softplus.input(0), "Add"))
              .flatMap(sum -> withRow(sum, channels));
      Optional<Node> projection =
          step.flatMap(product -> maker(product.value(), "MatMul"))
              .filter(product -> isFloat(product.input(1), 2))
              .filter(product -> product.input(1).shape().isStatic());
      Optional<Value> mixing =
          projection.flatMap(
              product -> sideBySide(product.input(0), node.input(3), node.input(4), states));
      Optional<Node> sum = onlyReader(node.output(0), "Add");
      Optional<Product> skipped =
          sum.map(made -> other(made, node.output(0)))
              .flatMap(value -> maker(value, "Mul"))
              .flatMap(product -> withRow(product, channels))
              .filter(product -> product.value().equals(x));
      Optional<Node> end = sum.flatMap(made -> onlyReader(made.output(), "Mul"));
      Optional<Value> gate =
          end.flatMap(made -> ofSilu(other(made, sum.get().output())))
              .filter(value -> isFloat(value, 3) && value.shape().dim(2).equals(channels));
      if (mixing.isEmpty() || skipped.isEmpty() || gate.isEmpty()) {
        return;
      }
      Scan fusion = new Scan();
      fusion.past = past;
      fusion.present = present;
      fusion.x = x;
      fusion.mixing = mixing.get();
      fusion.weight = projection.get().input(1);
      fusion.bias = step.get().factor();
      fusion.mask = delta.get().factor();
      fusion.decay = node.input(2);
      fusion.skip = skipped.get().factor();
      fusion.gate = columns(gate.get());
      fusions.put(end.get(), fusion);
    }

    /** What consists of a time step, B and C, in this order, if there is such a value. */
    private Optional<Value> sideBySide(Value step, Value b, Value c, long states) {
      Columns first = columns(step);
      Columns second = columns(b);
      Columns third = columns(c);
      long rank = first.count();
      boolean are =
          first.equals(new Columns(first.value(), 0, rank))
              && second.equals(new Columns(first.value(), rank, states))
              && third.equals(new Columns(first.value(), rank + states, states))
              && isFloat(first.value(), 3)
              && first.value().shape().dim(2).equals(Dim.of(rank + 2 * states));
      return are ? Optional.of(first.value()) : Optional.empty();
    }

    /** What a value [batch,length,columns] is cut out of, or the value as it is. */
    private Columns columns(Value value) {
      long count = value.shape().dim(2).extent();
      Optional<Node> slice =
          maker(value, "Slice")
              .filter(node -> node.presentInputs().size() == 4)
              .filter(node -> isFloat(node.input(0), 3) && node.input(0).shape().dim(2).isKnown())
              .filter(node -> isConstant(node.input(3), axis -> axis == 2 || axis == -1))
              .filter(node -> isConstant(node.input(1), start -> start >= 0));
      return slice
          .map(
              node ->
                  new Columns(
                      node.input(0),
                      editor.constantOf(node.input(1)).orElseThrow().toLongs()[0],
                      count))
          .orElse(new Columns(value, 0, count));
    }

    private static Value other(Node node, Value operand) {
      return node.input(node.input(0).equals(operand) ? 1 : 0);
    }
  }

  private static final class Rewriting {
    private final Graph graph;
    private final Search search;
    private final GraphEditor editor;
    private final Ops ops;
    private final Map<Value, Value> values = new HashMap<>();
    private final Map<Value, Value> states = new HashMap<>();

    Rewriting(Graph graph, Search search) {
      this.graph = graph;
      this.search = search;
      this.editor = new GraphEditor(graph.name());
      this.ops = new Ops(editor);
    }

    Graph graph() {
      Map<Value, Fusion> byPast = new HashMap<>();
      search.fusions.values().forEach(fusion -> byPast.put(fusion.past, fusion));
      for (Value input : graph.inputs()) {
        Fusion fusion = byPast.get(input);
        if (fusion == null) {
          editor.addInput(input);
        } else {
          states.put(input, editor.input(input.name(), fusion.stateType()));
        }
      }
      graph.parameters().forEach(editor::setParameter);
      byPast.forEach((past, fusion) -> values.put(past, fusion.asBefore(ops, states.get(past))));
      Map<Value, Value> presents = new HashMap<>();
      for (Node node : graph.nodes()) {
        editor.withOrigin(node.origin());
        Fusion fusion = search.fusions.get(node);
        if (fusion != null) {
          List<Value> results = fusion.fuse(ops, values, states.get(fusion.past));
          values.put(node.output(), results.get(0));
          presents.put(fusion.present, results.get(1));
        } else if (!isOutput(node)) {
          Copies.copy(editor, node, values);
        }
      }
      for (Value output : graph.outputs()) {
        Node made = graph.producer(output).orElseThrow();
        editor.withOrigin(made.origin());
        Value source = isOutput(made) ? made.input(0) : output;
        Value given = presents.getOrDefault(output, values.getOrDefault(source, source));
        editor.output(given.name().equals(output.name()) ? given : ops.named(output.name(), given));
      }
      graph.metadata().forEach(editor::metadata);
      return editor.freezeLive();
    }

    /** Whether a node only gives a value the name of an output. */
    private boolean isOutput(Node node) {
      return node.op().isOnnx("Identity") && graph.outputs().contains(node.output());
    }
  }
}
