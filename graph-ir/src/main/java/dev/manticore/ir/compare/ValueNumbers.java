package dev.manticore.ir.compare;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BinaryOperator;

/**
 * Numbers the values of several graphs, equal ones alike: values that the same operators make of
 * equal values. Inputs are equal by position, parameters and constants by content, a parameter and
 * the transpose of a parameter too. Sums are equal if their terms are, in whatever order and
 * grouping; products likewise. Constants of floating point may differ by rounding.
 */
final class ValueNumbers {

  /** Relative difference of constants that are the same but for rounding. */
  private static final double ROUNDING = 1e-6;

  /** Elements of the largest constant that is compared number by number. */
  private static final int SMALL = 4096;

  private static final ImmutableSet<String> COMMUTATIVE =
      ImmutableSet.of("And", "Or", "Xor", "Equal", "Max", "Min");

  /** Terms of a sum or factors of a product, as the sum of numbers drawn for each. */
  private record Form(long first, long second) {

    static Form of(int number) {
      return new Form(mix(number), mix(number ^ 0x5851f42d4c957f2dL));
    }

    Form plus(Form other) {
      return new Form(first + other.first, second + other.second);
    }

    Form minus(Form other) {
      return new Form(first - other.first, second - other.second);
    }

    /** The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
    private static long mix(long bits) {
      long z = bits + 0x9e3779b97f4a7c15L;
      z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
      z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
      return z ^ (z >>> 31);
    }
  }

  private record Sum(Form form) {}

  private record Product(Form form) {}

  private record Operation(
      String domain, String name, List<Object> attributes, List<Integer> operands, int output) {}

  private enum Layout {
    AS_IT_IS,
    TRANSPOSED
  }

  private record Input(int position, String type) {}

  private record Stored(Tensor tensor, int number) {}

  private final Map<Object, Integer> numbers = new HashMap<>();
  private final Map<Integer, Form> sums = new HashMap<>();
  private final Map<Integer, Form> products = new HashMap<>();
  private final Map<Long, List<Stored>> parameters = new HashMap<>();
  private final Map<TensorType, List<Stored>> constants = new HashMap<>();
  private int next;

  /** Numbers the values of a graph, those of its subgraphs left out. */
  Map<Value, Integer> number(Graph graph) {
    Map<Value, Integer> numbered = new HashMap<>();
    for (int i = 0; i < graph.inputs().size(); i++) {
      numbered.put(graph.inputs().get(i), of(new Input(i, kind(graph.inputs().get(i)))));
    }
    graph
        .parameters()
        .forEach((value, tensor) -> numbered.put(value, stored(tensor, Layout.AS_IT_IS)));
    number(graph, numbered);
    return numbered;
  }

  private static String kind(Value value) {
    ValueType type = value.valueType();
    return type instanceof TensorType tensor ? tensor.elementType().text() : type.toString();
  }

  private void number(Graph graph, Map<Value, Integer> numbered) {
    for (Node node : graph.nodes()) {
      Optional<Integer> special = special(graph, node, numbered);
      if (special.isPresent()) {
        numbered.put(node.output(), special.get());
        continue;
      }
      List<Integer> operands = new ArrayList<>();
      for (Optional<Value> input : node.inputs()) {
        operands.add(input.map(numbered::get).orElse(-1));
      }
      while (!operands.isEmpty() && operands.get(operands.size() - 1) == -1) {
        operands.remove(operands.size() - 1);
      }
      if (node.op().domain().isEmpty() && COMMUTATIVE.contains(node.op().name())) {
        Collections.sort(operands);
      }
      List<Object> attributes = attributes(node, numbered);
      for (int i = 0; i < node.outputs().size(); i++) {
        if (node.hasOutput(i)) {
          numbered.put(
              node.output(i),
              of(new Operation(node.op().domain(), node.op().name(), attributes, operands, i)));
        }
      }
    }
  }

  private int of(Object key) {
    return numbers.computeIfAbsent(key, absent -> next++);
  }

  private Optional<Integer> special(Graph graph, Node node, Map<Value, Integer> numbered) {
    if (!node.op().domain().equals(OpId.ONNX) || node.outputs().size() != 1) {
      return Optional.empty();
    }
    return switch (node.op().name()) {
      case "Constant" ->
          node.attributes().has("value")
              ? Optional.of(constant(node.attributes().tensor("value")))
              : Optional.empty();
      case "Identity" -> Optional.ofNullable(numbered.get(node.input(0)));
      case "Transpose" -> transposed(graph, node);
      case "Add" -> sum(node, numbered, Form::plus);
      case "Sub" -> sum(node, numbered, Form::minus);
      case "Mul" -> {
        Optional<Form> form = combined(node, numbered, products, Form::plus);
        yield form.map(
            product -> {
              int number = of(new Product(product));
              products.putIfAbsent(number, product);
              return number;
            });
      }
      default -> Optional.empty();
    };
  }

  private Optional<Integer> sum(
      Node node, Map<Value, Integer> numbered, BinaryOperator<Form> function) {
    return combined(node, numbered, sums, function)
        .map(
            sum -> {
              int number = of(new Sum(sum));
              sums.putIfAbsent(number, sum);
              return number;
            });
  }

  private static Optional<Form> combined(
      Node node,
      Map<Value, Integer> numbered,
      Map<Integer, Form> forms,
      BinaryOperator<Form> function) {
    Integer left = numbered.get(node.input(0));
    Integer right = numbered.get(node.input(1));
    if (left == null || right == null) {
      return Optional.empty();
    }
    return Optional.of(
        function.apply(
            forms.getOrDefault(left, Form.of(left)), forms.getOrDefault(right, Form.of(right))));
  }

  /** The transpose of a parameter is what a parameter of the transposed content is. */
  private Optional<Integer> transposed(Graph graph, Node node) {
    Tensor tensor = graph.parameters().get(node.input(0));
    if (tensor == null || tensor.shape().rank() != 2) {
      return Optional.empty();
    }
    long[] permutation = node.attributes().intValues("perm", 1, 0);
    return Arrays.equals(permutation, new long[] {1, 0})
        ? Optional.of(stored(tensor, Layout.TRANSPOSED))
        : Optional.empty();
  }

  /**
   * The number of a stored tensor.
   *
   * @param layout whether the tensor is meant or its transpose
   */
  private int stored(Tensor tensor, Layout layout) {
    List<Stored> alike =
        parameters.computeIfAbsent(
            TensorContents.fingerprint(tensor), fingerprint -> new ArrayList<>());
    boolean asIs = layout == Layout.AS_IT_IS || TensorContents.transposed(tensor, tensor);
    for (Stored known : alike) {
      if (TensorContents.equal(known.tensor(), tensor)) {
        return known.number() + (asIs ? 0 : 1);
      }
      if (TensorContents.transposed(known.tensor(), tensor)) {
        return known.number() + (asIs ? 1 : 0);
      }
    }
    // The number after a tensor's own is that of its transpose.
    Stored added = new Stored(tensor, next);
    next += 2;
    alike.add(added);
    return added.number() + (asIs ? 0 : 1);
  }

  private int constant(Tensor tensor) {
    List<Stored> alike = constants.computeIfAbsent(tensor.type(), type -> new ArrayList<>());
    for (Stored known : alike) {
      if (sameNumbers(known.tensor(), tensor)) {
        return known.number();
      }
    }
    alike.add(new Stored(tensor, next));
    return next++;
  }

  static boolean sameNumbers(Tensor one, Tensor other) {
    if (!one.type().equals(other.type())) {
      return false;
    }
    if (!one.elementType().isFloating() || one.shape().elementCount() > SMALL) {
      return TensorContents.equal(one, other);
    }
    double[] left = one.toDoubles();
    double[] right = other.toDoubles();
    for (int i = 0; i < left.length; i++) {
      boolean close =
          left[i] == right[i]
              || Math.abs(left[i] - right[i])
                  <= ROUNDING * Math.max(Math.abs(left[i]), Math.abs(right[i]));
      if (!close) {
        return false;
      }
    }
    return true;
  }

  private List<Object> attributes(Node node, Map<Value, Integer> numbered) {
    ImmutableList.Builder<Object> all = ImmutableList.builder();
    node.attributes()
        .values()
        .forEach(
            (name, attribute) -> {
              all.add(name);
              if (attribute instanceof Attribute.TensorValue value) {
                all.add(constant(value.value()));
              } else if (attribute instanceof Attribute.GraphValue subgraph) {
                all.add(subgraph(subgraph.value(), numbered));
              } else {
                all.add(attribute);
              }
            });
    return all.build();
  }

  /** The outputs of a subgraph, its own inputs numbered by position. */
  private List<Integer> subgraph(Graph graph, Map<Value, Integer> around) {
    Map<Value, Integer> inner = new HashMap<>(around);
    for (int i = 0; i < graph.inputs().size(); i++) {
      inner.put(graph.inputs().get(i), of(List.of("subgraph", i, kind(graph.inputs().get(i)))));
    }
    graph
        .parameters()
        .forEach((value, tensor) -> inner.put(value, stored(tensor, Layout.AS_IT_IS)));
    number(graph, inner);
    return graph.outputs().stream().map(inner::get).toList();
  }
}
