package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.rewrite.IndexFunction.Choice;
import dev.manticore.ir.rewrite.IndexFunction.Linear;
import dev.manticore.ir.rewrite.IndexFunction.Truth;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.BinaryOperator;

/**
 * Reads positions and masks as functions of indices, in whatever way they are computed: ranges
 * compared, triangles cut out of matrices, constant tables of truth values sliced.
 */
final class IndexFunctions {

  /** Masks take a few dozen steps; the residual stream of a deep model is not walked. */
  private static final int DEEPEST = 64;

  /** Elements of the largest constant table that is read. */
  private static final long LARGEST_TABLE = 1L << 25;

  private final Match.Knowledge knowledge;
  private final Map<Value, IndexFunction> known = new HashMap<>();

  IndexFunctions(Match.Knowledge knowledge) {
    this.knowledge = knowledge;
  }

  Optional<IndexFunction> of(Value value) {
    return of(value, 0);
  }

  /** The number that all elements of a value are, if that is known. */
  Optional<Double> constant(Value value) {
    return of(value, Choice.class, 0).filter(Choice::isConstant).map(Choice::then);
  }

  private Optional<IndexFunction> of(Value value, int depth) {
    IndexFunction found = known.get(value);
    if (found != null || depth > DEEPEST) {
      return Optional.ofNullable(found);
    }
    Optional<IndexFunction> function;
    try {
      function = derive(value, depth + 1).map(derived -> onOnes(derived, value.shape()));
    } catch (ArithmeticException e) {
      return Optional.empty();
    }
    function.ifPresent(derived -> known.put(value, derived));
    return function;
  }

  private <T extends IndexFunction> Optional<T> of(Value value, Class<T> kind, int depth) {
    return of(value, depth).filter(kind::isInstance).map(kind::cast);
  }

  /** On axes of one element every index is 0. */
  private static IndexFunction onOnes(IndexFunction function, Shape shape) {
    return function.reindexed(
        linear -> {
          Linear reduced = linear;
          for (Map.Entry<Integer, Long> factor : linear.factors().entrySet()) {
            boolean one =
                shape.isRanked()
                    && factor.getKey() <= shape.rank()
                    && shape.dim(-factor.getKey()).equals(Dim.of(1));
            if (one) {
              reduced =
                  reduced.minus(Linear.index(factor.getKey()).times(Extent.of(factor.getValue())));
            }
          }
          return reduced;
        });
  }

  private Optional<IndexFunction> derive(Value value, int depth) {
    Optional<Tensor> constant = table(value);
    if (constant.isPresent()) {
      return ofTable(constant.get());
    }
    Optional<ImmutableList<Extent>> extents = knowledge.extentsOf(value);
    if (extents.isPresent() && extents.get().size() == 1 && value.elementType().isInteger()) {
      return Optional.of(Linear.of(extents.get().get(0)));
    }
    Optional<Node> made = knowledge.producer(value);
    if (made.isEmpty() || !made.get().op().domain().equals(OpId.ONNX)) {
      return Optional.empty();
    }
    return derive(made.get(), depth);
  }

  private Optional<Tensor> table(Value value) {
    Optional<Tensor> tracked = knowledge.constantOf(value);
    return tracked.isPresent()
        ? tracked
        : knowledge
            .producer(value)
            .filter(node -> node.op().isOnnx("Constant") && node.attributes().has("value"))
            .map(node -> node.attributes().tensor("value"));
  }

  private Optional<IndexFunction> derive(Node node, int depth) {
    return switch (node.op().name()) {
      case "Identity", "Expand" -> of(node.input(0), depth);
      case "Range" -> range(node);
      case "Unsqueeze", "Squeeze", "Reshape" -> reshaped(node, depth);
      case "Transpose" -> transposed(node, depth);
      case "Slice" -> sliced(node, depth);
      case "ConstantOfShape" -> filled(node);
      case "Cast" -> cast(node, depth);
      case "Neg" ->
          of(node.input(0), Linear.class, depth).map(linear -> linear.times(Extent.of(-1)));
      case "Add" -> sum(node, depth);
      case "Sub" -> linear(node, depth, Linear::minus);
      case "Mul" -> product(node, depth);
      case "Less" -> bound(node.input(0), node.input(1), 1, depth);
      case "LessOrEqual" -> bound(node.input(0), node.input(1), 0, depth);
      case "Greater" -> bound(node.input(1), node.input(0), 1, depth);
      case "GreaterOrEqual" -> bound(node.input(1), node.input(0), 0, depth);
      case "And" -> and(node, depth);
      case "Not" -> of(node.input(0), Truth.class, depth).flatMap(Truth::not);
      case "Where" -> where(node, depth);
      case "Trilu" -> triangle(node, depth);
      default -> Optional.empty();
    };
  }

  private Optional<IndexFunction> range(Node node) {
    Optional<Extent> start = knowledge.extentsOf(node.input(0)).map(elements -> elements.get(0));
    boolean single =
        knowledge.extentsOf(node.input(2)).map(step -> step.get(0).isConstant(1)).orElse(false);
    return start.filter(from -> single).map(from -> Linear.index(1).plus(Linear.of(from)));
  }

  /** Axes of one element come and go; the others keep their order. */
  private Optional<IndexFunction> reshaped(Node node, int depth) {
    Shape from = node.input(0).shape();
    Shape to = node.output().shape();
    if (!from.isRanked() || !to.isRanked()) {
      return Optional.empty();
    }
    List<Integer> before = largerAxes(from);
    List<Integer> after = largerAxes(to);
    boolean same = before.size() == after.size();
    for (int i = 0; same && i < before.size(); i++) {
      Dim dim = from.dim(-before.get(i));
      same = before.size() == 1 || !dim.equals(Dim.UNKNOWN) && dim.equals(to.dim(-after.get(i)));
    }
    if (!same) {
      return Optional.empty();
    }
    return of(node.input(0), depth).map(function -> renumbered(function, before, after));
  }

  /** The axes that may have more than one element, counted from the last, first to last. */
  private static List<Integer> largerAxes(Shape shape) {
    List<Integer> axes = new ArrayList<>();
    for (int axis = shape.rank(); axis >= 1; axis--) {
      if (!shape.dim(-axis).equals(Dim.of(1))) {
        axes.add(axis);
      }
    }
    return axes;
  }

  private static IndexFunction renumbered(
      IndexFunction function, List<Integer> before, List<Integer> after) {
    return function.reindexed(
        linear -> {
          Linear result = Linear.of(linear.constant());
          for (Map.Entry<Integer, Long> factor : linear.factors().entrySet()) {
            int axis = after.get(before.indexOf(factor.getKey()));
            result = result.plus(Linear.index(axis).times(Extent.of(factor.getValue())));
          }
          return result;
        });
  }

  private Optional<IndexFunction> transposed(Node node, int depth) {
    Shape shape = node.input(0).shape();
    if (!shape.isRanked()) {
      return Optional.empty();
    }
    int rank = shape.rank();
    long[] reversed = new long[rank];
    Arrays.setAll(reversed, axis -> rank - 1 - axis);
    long[] permutation = node.attributes().intValues("perm", reversed);
    List<Integer> before = new ArrayList<>();
    List<Integer> after = new ArrayList<>();
    for (int axis = 0; axis < rank; axis++) {
      before.add(rank - (int) permutation[axis]);
      after.add(rank - axis);
    }
    return of(node.input(0), depth).map(function -> renumbered(function, before, after));
  }

  private Optional<IndexFunction> sliced(Node node, int depth) {
    Optional<ImmutableList<Extent>> starts = knowledge.extentsOf(node.input(1));
    Optional<ImmutableList<Extent>> axes =
        node.hasInput(3) ? knowledge.extentsOf(node.input(3)) : Optional.empty();
    boolean single =
        !node.hasInput(4)
            || knowledge
                .extentsOf(node.input(4))
                .map(steps -> steps.stream().allMatch(step -> step.isConstant(1)))
                .orElse(false);
    Shape shape = node.input(0).shape();
    Optional<IndexFunction> function = of(node.input(0), depth);
    if (starts.isEmpty()
        || node.hasInput(3) && axes.isEmpty()
        || !single
        || !shape.isRanked()
        || function.isEmpty()) {
      return Optional.empty();
    }
    IndexFunction result = function.get();
    for (int i = 0; i < starts.get().size(); i++) {
      long given = axes.isPresent() ? axes.get().get(i).constant().orElseThrow() : i;
      int axis = (int) (given < 0 ? -given : shape.rank() - given);
      Extent start = starts.get().get(i);
      if (start.constant().isPresent() && start.constant().getAsLong() < 0) {
        Optional<Extent> whole = Extent.of(shape.dim(-axis));
        if (whole.isEmpty()) {
          return Optional.empty();
        }
        start = whole.get().plus(start);
      }
      Extent shift = start;
      result =
          result.reindexed(
              linear ->
                  linear.plus(
                      Linear.of(shift.times(Extent.of(linear.factors().getOrDefault(axis, 0L))))));
    }
    return Optional.of(result);
  }

  private static Optional<IndexFunction> filled(Node node) {
    double value =
        node.attributes().has("value") ? node.attributes().tensor("value").toDoubles()[0] : 0;
    return number(node.output().elementType(), value);
  }

  private static Optional<IndexFunction> number(ElementType type, double value) {
    if (type.isFloating()) {
      return Optional.of(Choice.of(value));
    }
    if (type == ElementType.BOOL) {
      return Optional.of(Truth.EVERYWHERE.and(Truth.of(Linear.of(Extent.of(value != 0 ? 0 : -1)))));
    }
    return type.isInteger() ? Optional.of(Linear.of(Extent.of((long) value))) : Optional.empty();
  }

  private Optional<IndexFunction> cast(Node node, int depth) {
    ElementType to = node.output().elementType();
    Optional<IndexFunction> function = of(node.input(0), depth);
    if (function.isEmpty()) {
      return Optional.empty();
    }
    if (function.get() instanceof Truth truth) {
      return to == ElementType.BOOL
          ? function
          : Optional.of(new Choice(truth, 1, 0)).filter(choice -> to.isFloating()).map(c -> c);
    }
    if (function.get() instanceof Linear) {
      return function.filter(linear -> to.isInteger());
    }
    Choice choice = (Choice) function.get();
    if (to == ElementType.BOOL) {
      return choice.then() != 0 && choice.otherwise() == 0
          ? Optional.of(choice.where())
          : choice.then() == 0 && choice.otherwise() != 0
              ? choice.where().not().map(t -> t)
              : Optional.empty();
    }
    return function.filter(same -> to.isFloating());
  }

  private Optional<IndexFunction> linear(Node node, int depth, BinaryOperator<Linear> function) {
    Optional<Linear> left = of(node.input(0), Linear.class, depth);
    Optional<Linear> right = of(node.input(1), Linear.class, depth);
    return left.isPresent() && right.isPresent()
        ? Optional.of(function.apply(left.get(), right.get()))
        : Optional.empty();
  }

  private Optional<IndexFunction> sum(Node node, int depth) {
    if (node.output().elementType().isInteger()) {
      return linear(node, depth, Linear::plus);
    }
    return choices(node, depth, Double::sum, (left, right) -> Optional.empty());
  }

  private Optional<IndexFunction> product(Node node, int depth) {
    if (node.output().elementType().isInteger()) {
      return linear(
          node,
          depth,
          (left, right) ->
              right.factors().isEmpty()
                  ? left.times(right.constant())
                  : right.times(singleConstant(left)));
    }
    return choices(
        node,
        depth,
        (left, right) -> left * right,
        (left, right) ->
            left.otherwise() == 0 && right.otherwise() == 0
                ? Optional.of(
                    new Choice(left.where().and(right.where()), left.then() * right.then(), 0))
                : Optional.empty());
  }

  private static Extent singleConstant(Linear linear) {
    if (!linear.factors().isEmpty()) {
      throw new ArithmeticException("a product of two indices");
    }
    return linear.constant();
  }

  /** Calculates with two choices where one is constant or both are made alike. */
  private Optional<IndexFunction> choices(
      Node node,
      int depth,
      BinaryOperator<Double> function,
      BiFunction<Choice, Choice, Optional<IndexFunction>> otherwise) {
    Optional<Choice> right = of(node.input(1), Choice.class, depth);
    Optional<Choice> left = right.flatMap(found -> of(node.input(0), Choice.class, depth));
    if (left.isEmpty()) {
      return Optional.empty();
    }
    Choice first = left.get();
    Choice second = right.get();
    if (first.isConstant() || second.isConstant() || first.where().equals(second.where())) {
      Truth where = first.isConstant() ? second.where() : first.where();
      return Optional.of(
          new Choice(
              where,
              function.apply(first.then(), second.then()),
              function.apply(
                  first.isConstant() ? first.then() : first.otherwise(),
                  second.isConstant() ? second.then() : second.otherwise())));
    }
    return otherwise.apply(first, second);
  }

  /** Where {@code smaller + least <= larger}. */
  private Optional<IndexFunction> bound(Value smaller, Value larger, long least, int depth) {
    Optional<Linear> left = of(smaller, Linear.class, depth);
    Optional<Linear> right = of(larger, Linear.class, depth);
    return left.isPresent() && right.isPresent()
        ? Optional.of(Truth.of(right.get().minus(left.get()).minus(Linear.of(Extent.of(least)))))
        : Optional.empty();
  }

  private Optional<IndexFunction> and(Node node, int depth) {
    Optional<Truth> left = of(node.input(0), Truth.class, depth);
    Optional<Truth> right = of(node.input(1), Truth.class, depth);
    return left.isPresent() && right.isPresent()
        ? Optional.of(left.get().and(right.get()))
        : Optional.empty();
  }

  private Optional<IndexFunction> where(Node node, int depth) {
    Optional<Truth> condition = of(node.input(0), Truth.class, depth);
    Optional<Choice> then = of(node.input(1), Choice.class, depth);
    Optional<Choice> otherwise = of(node.input(2), Choice.class, depth);
    if (condition.isEmpty()
        || then.isEmpty()
        || otherwise.isEmpty()
        || !otherwise.get().isConstant()) {
      return Optional.empty();
    }
    double elsewhere = otherwise.get().then();
    return then.get().isConstant()
        ? Optional.of(new Choice(condition.get(), then.get().then(), elsewhere))
        : Optional.of(
                new Choice(condition.get().and(then.get().where()), then.get().then(), elsewhere))
            .filter(choice -> then.get().otherwise() == elsewhere)
            .map(choice -> choice);
  }

  private Optional<IndexFunction> triangle(Node node, int depth) {
    Optional<Extent> diagonal =
        node.hasInput(1)
            ? knowledge.extentsOf(node.input(1)).map(elements -> elements.get(0))
            : Optional.of(Extent.of(0));
    if (diagonal.isEmpty()) {
      return Optional.empty();
    }
    Linear above = Linear.index(1).minus(Linear.index(2)).minus(Linear.of(diagonal.get()));
    Truth kept =
        Truth.of(node.attributes().intValue("upper", 1) == 1 ? above : above.times(Extent.of(-1)));
    Optional<IndexFunction> function = of(node.input(0), depth);
    if (function.isPresent() && function.get() instanceof Truth truth) {
      return Optional.of(truth.and(kept));
    }
    return function
        .filter(Choice.class::isInstance)
        .map(Choice.class::cast)
        .filter(choice -> choice.isConstant() || choice.otherwise() == 0)
        .map(
            choice ->
                new Choice(
                    choice.isConstant() ? kept : choice.where().and(kept), choice.then(), 0));
  }

  /** A constant: one number, numbers counting up by one, or a band of one of two numbers. */
  private static Optional<IndexFunction> ofTable(Tensor table) {
    ElementType type = table.elementType();
    Shape shape = table.shape();
    long count = shape.elementCount();
    if (count == 0 || count > LARGEST_TABLE || type == ElementType.STRING) {
      return Optional.empty();
    }
    double[] elements = table.toDoubles();
    if (Arrays.stream(elements).allMatch(element -> element == elements[0])) {
      return number(type, elements[0]);
    }
    if (type.isInteger()) {
      return counting(elements, shape);
    }
    Optional<Choice> band = band(elements, shape);
    if (type != ElementType.BOOL) {
      return band.map(choice -> choice);
    }
    return band.flatMap(
        choice ->
            choice.then() != 0 ? Optional.of(choice.where()) : choice.where().not().map(t -> t));
  }

  private static Optional<IndexFunction> counting(double[] elements, Shape shape) {
    List<Integer> axes = largerAxes(shape);
    for (int i = 1; i < elements.length; i++) {
      if (elements[i] != elements[0] + i) {
        return Optional.empty();
      }
    }
    return axes.size() == 1
        ? Optional.of(Linear.index(axes.get(0)).plus(Linear.of(Extent.of((long) elements[0]))))
        : Optional.empty();
  }

  /**
   * A matrix that is one number on a band of diagonals, bounded on one side or on both, and another
   * number elsewhere. The diagonal of an element is its column less its row.
   */
  private static Optional<Choice> band(double[] elements, Shape shape) {
    if (shape.rank() < 2
        || shape.dims().subList(0, shape.rank() - 2).stream()
            .anyMatch(dim -> !dim.equals(Dim.of(1)))) {
      return Optional.empty();
    }
    int rows = (int) shape.dim(-2).extent();
    int columns = (int) shape.dim(-1).extent();
    double[] diagonals = new double[rows + columns - 1];
    Arrays.fill(diagonals, Double.NaN);
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        int diagonal = column - row + rows - 1;
        double element = elements[row * columns + column];
        if (Double.isNaN(diagonals[diagonal])) {
          diagonals[diagonal] = element;
        } else if (diagonals[diagonal] != element) {
          return Optional.empty();
        }
      }
    }
    // The number of the main diagonal is the band's.
    double inside = diagonals[rows - 1];
    int first = rows - 1;
    while (first > 0 && diagonals[first - 1] == inside) {
      first--;
    }
    int last = rows - 1;
    while (last + 1 < diagonals.length && diagonals[last + 1] == inside) {
      last++;
    }
    double outside = diagonals[first > 0 ? 0 : diagonals.length - 1];
    for (int i = 0; i < diagonals.length; i++) {
      if ((i < first || i > last) && diagonals[i] != outside) {
        return Optional.empty();
      }
    }
    Linear diagonal = Linear.index(1).minus(Linear.index(2));
    Truth where = Truth.EVERYWHERE;
    if (last < diagonals.length - 1) {
      where = where.and(Truth.of(Linear.of(Extent.of(last - (rows - 1))).minus(diagonal)));
    }
    if (first > 0) {
      where = where.and(Truth.of(diagonal.minus(Linear.of(Extent.of(first - (rows - 1))))));
    }
    return Optional.of(new Choice(where, inside, outside));
  }
}
