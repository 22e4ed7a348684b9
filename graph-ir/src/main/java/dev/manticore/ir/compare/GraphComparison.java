package dev.manticore.ir.compare;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Two graphs compared: whether they have one structure on equal parameters and, if not, where they
 * part.
 *
 * @param same whether all outputs are made in the same way of equal values
 * @param places where one graph does something else than the other, in the order of the first one
 * @param parameters parameters that stand in the same place and hold other numbers
 * @param operators how many nodes of each operator either graph has, where these differ
 */
public record GraphComparison(
    boolean same,
    ImmutableList<Place> places,
    ImmutableList<ParameterDifference> parameters,
    ImmutableList<Count> operators) {

  /** Elements of the largest parameters whose difference is measured. */
  private static final long LARGEST_MEASURED = 1L << 26;

  /**
   * A pair of values that are made differently of values that are equal, or cannot be paired up.
   *
   * @param first what makes the value in the first graph, with its operands
   * @param second what makes it in the second graph
   * @param readers what reads them, from there towards the outputs
   */
  public record Place(String first, String second, ImmutableList<String> readers) {}

  /**
   * @param largest the largest difference of two elements
   */
  public record ParameterDifference(String first, String second, double largest) {}

  /** How often an operator occurs in either graph. */
  public record Count(String operator, int first, int second) {}

  /** Compares two graphs, which should be in normal form. */
  public static GraphComparison of(Graph first, Graph second) {
    return new Comparison(first, second).run();
  }

  private static final class Comparison {

    private static final int NEIGHBOURHOOD = 3;

    private record Pair(Value first, Value second) {}

    private final Graph first;
    private final Graph second;
    private final Map<Value, Integer> ofFirst;
    private final Map<Value, Integer> ofSecond;
    private final Map<Pair, Pair> cameFrom = new HashMap<>();
    private final Set<Pair> parted = new LinkedHashSet<>();
    private final List<ParameterDifference> parameters = new ArrayList<>();

    Comparison(Graph first, Graph second) {
      this.first = first;
      this.second = second;
      ValueNumbers numbers = new ValueNumbers();
      this.ofFirst = numbers.number(first);
      this.ofSecond = numbers.number(second);
    }

    GraphComparison run() {
      boolean same = first.outputs().size() == second.outputs().size();
      Deque<Pair> open = new ArrayDeque<>();
      for (int i = 0; i < Math.min(first.outputs().size(), second.outputs().size()); i++) {
        Pair pair = new Pair(first.outputs().get(i), second.outputs().get(i));
        if (!isEqual(pair)) {
          same = false;
          open.add(pair);
        }
      }
      Set<Pair> seen = new HashSet<>(open);
      while (!open.isEmpty()) {
        Pair pair = open.poll();
        for (Pair further : further(pair)) {
          if (seen.add(further)) {
            cameFrom.put(further, pair);
            open.add(further);
          }
        }
      }
      return new GraphComparison(same, places(), ImmutableList.copyOf(parameters), operators());
    }

    private boolean isEqual(Pair pair) {
      return ofFirst.get(pair.first()).equals(ofSecond.get(pair.second()));
    }

    /** The pairs of operands that make two values differ; none where the graphs part. */
    private List<Pair> further(Pair pair) {
      Optional<Value> left = parameter(first, pair.first());
      Optional<Value> right = parameter(second, pair.second());
      if (left.isPresent() && right.isPresent()) {
        compareParameters(pair, left.get(), right.get());
        return List.of();
      }
      Optional<Node> one = first.producer(pair.first());
      Optional<Node> other = second.producer(pair.second());
      if (one.isEmpty() || other.isEmpty() || !isAlike(one.get(), other.get())) {
        parted.add(pair);
        return List.of();
      }
      List<Pair> operands = operands(one.get(), other.get());
      List<Pair> differing = operands.stream().filter(operand -> !isEqual(operand)).toList();
      if (differing.isEmpty()) {
        parted.add(pair);
      }
      return differing;
    }

    /** The parameter that a value is, or is the transpose of. */
    private static Optional<Value> parameter(Graph graph, Value value) {
      Value read =
          graph
              .producer(value)
              .filter(node -> node.op().isOnnx("Transpose"))
              .map(node -> node.input(0))
              .orElse(value);
      return Optional.of(read).filter(graph.parameters()::containsKey);
    }

    private void compareParameters(Pair pair, Value left, Value right) {
      if (!pair.first().type().equals(pair.second().type())
          || left.shape().elementCount() > LARGEST_MEASURED) {
        parted.add(pair);
        return;
      }
      double[] a = elements(first, left, pair.first());
      double[] b = elements(second, right, pair.second());
      double largest = 0;
      for (int i = 0; i < a.length; i++) {
        double difference = Math.abs(a[i] - b[i]);
        largest =
            Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(largest, difference);
      }
      parameters.add(new ParameterDifference(left.name(), right.name(), largest));
    }

    /** The elements of a parameter as they are read. */
    private static double[] elements(Graph graph, Value parameter, Value read) {
      Tensor tensor = graph.parameters().get(parameter);
      double[] elements = tensor.toDoubles();
      if (read == parameter || tensor.shape().rank() != 2) {
        return elements;
      }
      int rows = (int) tensor.shape().dim(0).extent();
      int columns = (int) tensor.shape().dim(1).extent();
      double[] transposed = new double[elements.length];
      for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
          transposed[column * rows + row] = elements[row * columns + column];
        }
      }
      return transposed;
    }

    private static boolean isAlike(Node one, Node other) {
      return one.op().is(other.op().domain(), other.op().name())
          && one.inputs().size() == other.inputs().size()
          && !one.inputs().isEmpty()
          && one.attributes().graphs().isEmpty()
          && one.attributes().equals(other.attributes());
    }

    /** Operands by position; of two that may be swapped, those that fit better. */
    private List<Pair> operands(Node one, Node other) {
      List<Pair> straight = new ArrayList<>();
      for (int i = 0; i < one.inputs().size(); i++) {
        if (one.hasInput(i) && other.hasInput(i)) {
          straight.add(new Pair(one.input(i), other.input(i)));
        }
      }
      boolean commutative = one.op().isOnnx("Add") || one.op().isOnnx("Mul");
      if (!commutative || straight.size() != 2) {
        return straight;
      }
      List<Pair> crossed =
          List.of(new Pair(one.input(0), other.input(1)), new Pair(one.input(1), other.input(0)));
      return fit(crossed) > fit(straight) ? crossed : straight;
    }

    private int fit(List<Pair> pairs) {
      int fit = 0;
      for (Pair pair : pairs) {
        if (isEqual(pair)) {
          fit += 3;
        } else if (pair.first().valueType().equals(pair.second().valueType())) {
          fit++;
        }
        Optional<Node> one = first.producer(pair.first());
        Optional<Node> other = second.producer(pair.second());
        if (one.isPresent() == other.isPresent()
            && (one.isEmpty() || isAlike(one.get(), other.get()))) {
          fit++;
        }
      }
      return fit;
    }

    private ImmutableList<Place> places() {
      Map<Value, Integer> order = new HashMap<>();
      for (int i = 0; i < first.nodes().size(); i++) {
        for (Value output : first.nodes().get(i).presentOutputs()) {
          order.put(output, i);
        }
      }
      return parted.stream()
          .sorted(Comparator.comparingInt(pair -> order.getOrDefault(pair.first(), -1)))
          .map(this::place)
          .collect(ImmutableList.toImmutableList());
    }

    private Place place(Pair pair) {
      ImmutableList.Builder<String> readers = ImmutableList.builder();
      Pair reader = cameFrom.get(pair);
      for (int i = 0; i < NEIGHBOURHOOD && reader != null; i++) {
        readers.add(describe(first, reader.first()));
        reader = cameFrom.get(reader);
      }
      return new Place(
          describe(first, pair.first()), describe(second, pair.second()), readers.build());
    }

    /** A value, and what makes it of what. */
    private static String describe(Graph graph, Value value) {
      return graph
          .producer(value)
          .map(
              node ->
                  value
                      + " = "
                      + node.op()
                      + node.presentInputs().stream().map(input -> "%" + input.name()).toList())
          .orElse(value + (graph.parameters().containsKey(value) ? " (parameter)" : " (input)"));
    }

    private ImmutableList<Count> operators() {
      Map<String, int[]> counts = new TreeMap<>();
      count(first, 0, counts);
      count(second, 1, counts);
      return counts.entrySet().stream()
          .filter(entry -> entry.getValue()[0] != entry.getValue()[1])
          .map(entry -> new Count(entry.getKey(), entry.getValue()[0], entry.getValue()[1]))
          .collect(ImmutableList.toImmutableList());
    }

    private static void count(Graph graph, int index, Map<String, int[]> counts) {
      graph
          .nodes()
          .forEach(node -> counts.computeIfAbsent(node.op().toString(), op -> new int[2])[index]++);
    }
  }
}
