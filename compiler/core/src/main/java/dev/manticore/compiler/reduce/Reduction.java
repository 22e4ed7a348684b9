package dev.manticore.compiler.reduce;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import dev.manticore.ir.pass.Specialise;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * Shrinks a graph while a test holds (delta debugging, Zeller and Hildebrandt, 2002): outputs and
 * nodes are left out, what they made becomes an input, or a parameter where its value is known;
 * inputs become zeros; extents become smaller. What it ends with holds, and no single one of these
 * steps leads further, unless it was stopped before.
 */
public final class Reduction {

  /** Tensors of more elements are neither made nor cut. */
  private static final long LARGEST = 1 << 22;

  /**
   * Where it stops.
   *
   * @param tries how often the test may be run
   * @param time how long all may take
   */
  public record Bounds(int tries, Duration time) {}

  /**
   * What it came to.
   *
   * @param tries how often the test was run
   * @param finished whether nothing more can be left out, as far as is tried
   */
  public record Result(Graph graph, int tries, boolean finished) {}

  /** The bounds were reached. */
  private static final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1;

    Stopped() {
      super(null, null, false, false);
    }
  }

  private final Predicate<Graph> test;
  private final Consumer<Graph> smaller;
  private final Bounds bounds;
  private final Ticker ticker;
  private final long start;
  private Graph best;
  private int tries;

  private Reduction(
      Graph graph, Predicate<Graph> test, Bounds bounds, Ticker ticker, Consumer<Graph> smaller) {
    this.best = graph;
    this.test = test;
    this.bounds = bounds;
    this.ticker = ticker;
    this.start = ticker.read();
    this.smaller = smaller;
  }

  /**
   * Shrinks a graph.
   *
   * @param graph for which the test holds
   * @param smaller is told of every smaller one for which it does
   */
  public static Result run(
      Graph graph, Predicate<Graph> test, Bounds bounds, Ticker ticker, Consumer<Graph> smaller) {
    return new Reduction(graph, test, bounds, ticker, smaller).run();
  }

  private Result run() {
    try {
      Graph before;
      do {
        before = best;
        bare();
        outputs();
        nodes();
        inputs();
        extents();
      } while (best != before);
      return new Result(best, tries, true);
    } catch (Stopped e) {
      return new Result(best, tries, false);
    }
  }

  /** Whether a graph may take the place of the best one; then it does. */
  private boolean accept(Graph candidate) {
    if (tries >= bounds.tries() || ticker.read() - start >= bounds.time().toNanos()) {
      throw new Stopped();
    }
    tries++;
    if (!test.test(candidate)) {
      return false;
    }
    best = candidate;
    smaller.accept(candidate);
    return true;
  }

  /** Without what is not computed with. */
  private void bare() {
    Graph graph = best;
    boolean dressed =
        !graph.metadata().isEmpty()
            || !graph.model().equals(Graph.ModelInfo.NONE)
            || graph.parameters().keySet().stream().anyMatch(value -> !isRead(graph, value));
    if (dressed) {
      accept(build(graph, graph.nodes(), graph.outputs(), graph.edit()));
    }
  }

  private static boolean isRead(Graph graph, Value value) {
    return graph.outputs().contains(value)
        || graph.nodes().stream().anyMatch(node -> node.reads().contains(value));
  }

  private void outputs() {
    Graph graph = best;
    GraphEditor known = graph.edit();
    shrink(
        graph.outputs(),
        kept -> !kept.isEmpty() && accept(build(graph, graph.nodes(), kept, known)));
  }

  private void nodes() {
    Graph graph = best;
    GraphEditor known = graph.edit();
    shrink(
        graph.nodes(),
        kept -> {
          if (kept.isEmpty()) {
            return false;
          }
          Set<Value> made = new HashSet<>();
          kept.forEach(node -> made.addAll(node.presentOutputs()));
          Set<Value> read = new HashSet<>();
          kept.forEach(node -> read.addAll(node.reads()));
          List<Value> outputs = new ArrayList<>();
          graph.outputs().stream().filter(made::contains).forEach(outputs::add);
          for (Node node : kept) {
            boolean isEnd = node.presentOutputs().stream().noneMatch(read::contains);
            boolean isOutput = node.presentOutputs().stream().anyMatch(outputs::contains);
            if (isEnd && !isOutput) {
              outputs.add(node.presentOutputs().get(0));
            }
          }
          return accept(build(graph, kept, outputs, known));
        });
  }

  /** Leaves out chunks, ever smaller ones, from the end on, as long as the test holds. */
  private static <T> void shrink(List<T> all, Predicate<List<T>> holds) {
    List<T> kept = new ArrayList<>(all);
    for (int chunk = Math.max(1, kept.size() / 2); chunk >= 1; chunk /= 2) {
      boolean again = true;
      while (again) {
        again = false;
        for (int end = kept.size(); end > 0; end = Math.min(end - chunk, kept.size())) {
          List<T> without = new ArrayList<>(kept.subList(0, Math.max(0, end - chunk)));
          without.addAll(kept.subList(end, kept.size()));
          if (holds.test(ImmutableList.copyOf(without))) {
            kept = without;
            // Only single ones are gone over again: what is left may have become superfluous.
            again = chunk == 1;
          }
        }
      }
    }
  }

  /** The graph of some nodes; what they read and nothing makes becomes an input, or is kept. */
  private static Graph build(
      Graph graph, List<Node> nodes, List<Value> outputs, GraphEditor known) {
    GraphEditor editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    Set<Node> live = new HashSet<>();
    Set<Value> needed = new HashSet<>(outputs);
    for (int i = nodes.size() - 1; i >= 0; i--) {
      if (nodes.get(i).presentOutputs().stream().anyMatch(needed::contains)) {
        live.add(nodes.get(i));
        needed.addAll(nodes.get(i).reads());
      }
    }
    graph.inputs().stream().filter(needed::contains).forEach(editor::addInput);
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (needed.contains(value)) {
                editor.setParameter(value, tensor);
              }
            });
    Set<Value> made = new HashSet<>();
    live.forEach(node -> made.addAll(node.presentOutputs()));
    for (Node node : graph.nodes()) {
      if (live.contains(node)) {
        editor.addNode(node);
        continue;
      }
      for (Value output : node.presentOutputs()) {
        if (needed.contains(output) && !made.contains(output)) {
          Optional<Tensor> constant =
              known.constantOf(output).filter(tensor -> tensor.type().equals(output.valueType()));
          if (constant.isPresent()) {
            editor.setParameter(output, constant.get());
          } else {
            editor.addInput(output);
          }
        }
      }
    }
    outputs.forEach(editor::output);
    ImmutableSet<String> domains =
        live.stream().map(node -> node.op().domain()).collect(ImmutableSet.toImmutableSet());
    graph
        .opsets()
        .forEach(
            (domain, version) -> {
              if (domains.contains(domain) || domain.equals(OpId.ONNX)) {
                editor.opset(domain, version);
              }
            });
    graph.functions().forEach(editor::function);
    return editor.freeze();
  }

  /** Makes inputs zeros. */
  private void inputs() {
    for (Value input : best.inputs()) {
      if (!(input.valueType() instanceof TensorType type)
          || !type.shape().isStatic()
          || type.elementType() == ElementType.STRING
          || type.shape().elementCount() > LARGEST) {
        continue;
      }
      GraphEditor editor = best.edit();
      editor.removeInput(input);
      byte[] zeros = new byte[Math.toIntExact(type.byteSize())];
      editor.setParameter(input, new Tensor(type, TensorData.ofBytes(zeros)));
      accept(editor.freeze());
    }
  }

  /** Makes extents of inputs and parameters smaller, everywhere at once. */
  private void extents() {
    Set<Long> extents = new TreeSet<>();
    best.inputs().forEach(value -> collect(value.valueType(), extents));
    best.parameters().keySet().forEach(value -> collect(value.valueType(), extents));
    for (long extent : ImmutableList.copyOf(extents).reverse()) {
      for (long less : new TreeSet<>(List.of(1L, 2L, extent / 2))) {
        if (less < extent && resized(best, extent, less).map(this::accept).orElse(false)) {
          break;
        }
      }
    }
  }

  private static void collect(ValueType type, Set<Long> extents) {
    if (type instanceof TensorType tensor && tensor.shape().isRanked()) {
      tensor.shape().dims().stream()
          .filter(Dim::isKnown)
          .map(Dim::extent)
          .filter(extent -> extent > 1)
          .forEach(extents::add);
    }
  }

  /** The graph with another extent in place of one; empty if that is none that fits together. */
  private static Optional<Graph> resized(Graph graph, long extent, long less) {
    try {
      GraphEditor editor = graph.edit();
      Map<Value, Value> replacements = new HashMap<>();
      for (Value input : graph.inputs()) {
        editor.removeInput(input);
        Value changed =
            input.isTensor() ? new Value(input.name(), resized(input.type(), extent, less)) : input;
        if (input.isTensor()) {
          replacements.put(input, changed);
        }
        editor.addInput(changed);
      }
      Map<Value, Tensor> parameters = new LinkedHashMap<>(graph.parameters());
      for (Map.Entry<Value, Tensor> entry : parameters.entrySet()) {
        Tensor changed = withExtents(resized(entry.getValue(), extent, less), extent, less);
        if (changed != entry.getValue()) {
          editor.parameterToInput(entry.getKey());
          editor.removeInput(entry.getKey());
          Value value = new Value(entry.getKey().name(), changed.type());
          editor.setParameter(value, changed);
          replacements.put(entry.getKey(), value);
        }
      }
      for (Node node : graph.nodes()) {
        if (node.op().isOnnx("Constant") && node.attributes().has("value")) {
          Tensor value = node.attributes().tensor("value");
          Tensor changed = withExtents(value, extent, less);
          if (changed != value) {
            editor.replaceNode(
                node,
                new Node(
                    node.op(),
                    node.name(),
                    Attributes.of("value", Attribute.of(changed)),
                    node.inputs(),
                    node.outputs(),
                    node.origin()));
          }
        }
      }
      editor.replaceUses(replacements);
      return Optional.of(Specialise.of(Map.of()).run(editor.freeze()));
    } catch (ManticoreException e) {
      return Optional.empty();
    }
  }

  private static TensorType resized(TensorType type, long extent, long less) {
    return type.shape().isRanked()
        ? type.withShape(
            Shape.of(
                type.shape().dims().stream()
                    .map(dim -> dim.equals(Dim.of(extent)) ? Dim.of(less) : dim)
                    .toList()))
        : type;
  }

  /** The first elements along every axis of an extent. */
  private static Tensor resized(Tensor tensor, long extent, long less) {
    TensorType type = resized(tensor.type(), extent, less);
    if (type.equals(tensor.type())
        || tensor.elementType() == ElementType.STRING
        || tensor.shape().elementCount() > LARGEST) {
      return tensor;
    }
    double[] values = tensor.toDoubles();
    long[] old = tensor.shape().extents();
    double[] kept = new double[Math.toIntExact(type.shape().elementCount())];
    long[] index = new long[old.length];
    for (int i = 0; i < kept.length; i++) {
      long from = 0;
      for (int axis = 0; axis < old.length; axis++) {
        from = from * old[axis] + index[axis];
      }
      kept[i] = values[(int) from];
      for (int axis = old.length - 1; axis >= 0; axis--) {
        if (++index[axis] < type.shape().dim(axis).extent()) {
          break;
        }
        index[axis] = 0;
      }
    }
    return Tensor.ofDoubles(type.elementType(), type.shape(), kept);
  }

  /** A small vector of integers, which may be a shape, with another extent in place of one. */
  private static Tensor withExtents(Tensor tensor, long extent, long less) {
    if (tensor.elementType() != ElementType.INT64
        || tensor.shape().rank() > 1
        || tensor.shape().elementCount() > 16) {
      return tensor;
    }
    long[] values = tensor.toLongs();
    boolean changed = false;
    for (int i = 0; i < values.length; i++) {
      if (values[i] == extent) {
        values[i] = less;
        changed = true;
      }
    }
    return changed ? Tensor.ofLongs(tensor.shape(), values) : tensor;
  }
}
