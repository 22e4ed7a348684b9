package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.oneOf;
import static dev.manticore.ir.rewrite.Pattern.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.rewrite.IndexFunction.Linear;
import dev.manticore.ir.rewrite.IndexFunction.Truth;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Attention: masks as one additive mask that all layers share, {@code Where(visible, 0, -max)} with
 * {@code visible} compared from a range of positions; rotary positions turned half by half.
 */
final class AttentionRules {

  /** A mask's number in the normal form: the least float32. */
  private static final double LEAST = -Float.MAX_VALUE;

  private AttentionRules() {}

  static ImmutableList<Rule> all() {
    return ImmutableList.of(mask(), rotary());
  }

  private static Rule mask() {
    return Rule.named("attention-mask")
        .matching(
            op("Softmax", any("masked"))
                .where(
                    "it is over the last axis",
                    (match, node) -> node.attributes().intValue("axis", -1) == -1))
        .provided("the scores are masked by positions alone", match -> masked(match).isPresent())
        .provided(
            "the masks add nothing to the shape",
            match ->
                fits(masked(match).orElseThrow().scores().shape(), match.value("masked").shape()))
        .provided(
            "queries and keys are as many", match -> isSquare(masked(match).orElseThrow().scores()))
        .provided(
            "every position sees itself",
            match -> seesItself(masked(match).orElseThrow().visible()))
        .replacedIfPossible(
            (match, ops) -> {
              Masked masked = masked(match).orElseThrow();
              ShapeBuilder shapes = new ShapeBuilder(ops, match.graphInputs());
              Value scores = masked.scores();
              Value all = scores;
              if (!masked.visible().atLeastZero().isEmpty()) {
                Optional<Value> length = Extent.of(scores.shape().dim(-1)).flatMap(shapes::scalar);
                if (length.isEmpty()) {
                  return Optional.empty();
                }
                all =
                    ops.add(
                        scores, mask(ops, masked.visible(), length.get(), scores.elementType()));
              }
              return Optional.of(List.of(ops.onnx("Softmax", match.root().attributes(), all)));
            });
  }

  private static Optional<Masked> masked(Match match) {
    return Masked.of(match.knowledge(), match.value("masked"));
  }

  /**
   * Whether masks add nothing to the shape; of one that is cut to a length its own is not known.
   */
  private static boolean fits(Shape inner, Shape masked) {
    if (!ShapeBuilder.isKnown(inner) || !masked.isRanked() || masked.rank() != inner.rank()) {
      return false;
    }
    for (int axis = 0; axis < inner.rank(); axis++) {
      Dim dim = masked.dim(axis);
      if (!dim.equals(inner.dim(axis)) && !dim.equals(Dim.UNKNOWN)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isSquare(Value scores) {
    Shape shape = scores.shape();
    return shape.isRanked()
        && shape.rank() >= 2
        && shape.dim(-1).equals(shape.dim(-2))
        && !shape.dim(-1).equals(Dim.UNKNOWN);
  }

  /** Bounds on how far a key is from its query, which all hold of a distance of 0. */
  private static boolean seesItself(Truth visible) {
    return visible.atLeastZero().stream()
        .allMatch(
            bound ->
                bound.factors().keySet().equals(ImmutableSet.of(1, 2))
                    && Math.abs(bound.factors().get(1)) == 1
                    && bound.factors().get(1) + bound.factors().get(2) == 0
                    && bound.constant().constant().orElse(-1) >= 0);
  }

  private static Value mask(Ops ops, Truth visible, Value length, ElementType type) {
    Value keys =
        ops.onnx(
            "Range", ops.scalar(ElementType.INT64, 0), length, ops.scalar(ElementType.INT64, 1));
    List<Value> bounds =
        visible.atLeastZero().stream()
            .sorted(Comparator.comparingLong(bound -> bound.factors().get(1)))
            .map(bound -> bound(ops, bound, keys))
            .toList();
    Value shown = bounds.get(0);
    for (Value bound : bounds.subList(1, bounds.size())) {
      shown = ops.onnx("And", shown, bound);
    }
    return ops.where(shown, ops.scalar(type, 0), ops.scalar(type, LEAST));
  }

  /** Keys up to so many positions after their query, or from so many before it. */
  private static Value bound(Ops ops, Linear bound, Value keys) {
    long reach = bound.constant().constant().orElseThrow();
    Value number = ops.scalar(ElementType.INT64, reach);
    if (bound.factors().get(1) < 0) {
      Value last = reach == 0 ? keys : ops.add(keys, number);
      return ops.onnx("LessOrEqual", keys, ops.unsqueeze(last, 1));
    }
    Value first = reach == 0 ? keys : ops.sub(keys, number);
    return ops.onnx("LessOrEqual", ops.unsqueeze(first, 1), keys);
  }

  /**
   * {@code x·cos + concat(-x₂, x₁)·sin}, where {@code x₁} and {@code x₂} are the halves of {@code
   * x} (Su et al., 2021, as GPT-NeoX pairs the elements), is the concatenation of {@code x₁·cos -
   * x₂·sin} and {@code x₂·cos + x₁·sin}.
   */
  private static Rule rotary() {
    Pattern.Operation turned = op("Concat", op("Neg", any("second")), any("first")).as("turned");
    return Rule.named("rotary")
        .matching(
            op(
                "Add",
                op("Mul", any("x"), any("cos")),
                op("Mul", oneOf(op("Transpose", turned).as("moved"), turned), any("sin"))))
        .provided(
            "the halves of x are concatenated along the last axis",
            match -> match.value("x").shape().isRanked() && areHalves(match))
        .provided(
            "the tables broadcast to x",
            match -> isTable(match, match.value("cos")) && isTable(match, match.value("sin")))
        .replacedBy(
            (match, ops) -> {
              Value first = moved(match, ops, "first");
              Value second = moved(match, ops, "second");
              Halves cos = halves(match, ops, match.value("cos"));
              Halves sin = halves(match, ops, match.value("sin"));
              return ops.concat(
                  first.shape().rank() - 1,
                  ops.sub(ops.mul(first, cos.first()), ops.mul(second, sin.first())),
                  ops.add(ops.mul(second, cos.second()), ops.mul(first, sin.second())));
            });
  }

  /** A half of x, transposed if that was done after the halves were joined. */
  private static Value moved(Match match, Ops ops, String half) {
    return match.has("moved")
        ? ops.transpose(match.value(half), ShapeBuilder.permutation(match.node("moved")))
        : match.value(half);
  }

  private static boolean isLastAxis(Node concat) {
    long axis = concat.attributes().intValue("axis", 0);
    return axis == -1 || axis == concat.output().shape().rank() - 1;
  }

  private static boolean isTable(Match match, Value table) {
    return Conditions.sameLast(table.shape(), match.value("x").shape(), 1)
        && table.shape().rank() <= match.value("x").shape().rank();
  }

  private static boolean areHalves(Match match) {
    int rank = match.value("x").shape().rank();
    Optional<Part> whole = Part.ofLastAxis(match, match.value("x"));
    Node turned = match.node("turned");
    if (whole.isEmpty()) {
      return false;
    }
    boolean asX = match.has("moved");
    int axis = asX ? (int) ShapeBuilder.permutation(match.node("moved"))[rank - 1] : rank - 1;
    long concatenated = turned.attributes().intValue("axis", 0);
    Optional<Part> first =
        asX
            ? Part.of(match, match.value("first"), axis)
            : Part.ofLastAxis(match, match.value("first"));
    Optional<Part> second =
        asX
            ? Part.of(match, match.value("second"), axis)
            : Part.ofLastAxis(match, match.value("second"));
    if (first.isEmpty()
        || second.isEmpty()
        || (concatenated < 0 ? concatenated + rank : concatenated) != axis) {
      return false;
    }
    Part expected =
        asX ? whole.get().movedBy(ShapeBuilder.permutation(match.node("moved"))) : whole.get();
    long half = expected.start() + (expected.end() - expected.start()) / 2;
    return (expected.end() - expected.start()) % 2 == 0
        && first.get().equals(expected.from(expected.start(), half))
        && second.get().equals(expected.from(half, expected.end()));
  }

  /** A stretch of an axis of a value, or of one that it is the transpose of. */
  private record Part(Value base, List<Long> permutation, int axis, long start, long end) {

    Part from(long first, long last) {
      return new Part(base, permutation, axis, first, last);
    }

    /** The part before a transposition, if it was that one; nothing is like it otherwise. */
    Part movedBy(long[] order) {
      boolean same = permutation.equals(Arrays.stream(order).boxed().toList());
      return same
          ? new Part(base, List.of(), axis, start, end)
          : new Part(base, List.of(), -1, 0, 0);
    }

    static Optional<Part> ofLastAxis(Match match, Value value) {
      Optional<Node> transpose = match.producer(value, "Transpose");
      int last = value.shape().isRanked() ? value.shape().rank() - 1 : -1;
      if (transpose.isEmpty() || last < 0) {
        return last < 0 ? Optional.empty() : of(match, value, last);
      }
      long[] order = ShapeBuilder.permutation(transpose.get());
      return of(match, transpose.get().input(0), (int) order[last])
          .map(
              part ->
                  new Part(
                      part.base(),
                      Arrays.stream(order).boxed().toList(),
                      part.axis(),
                      part.start(),
                      part.end()));
    }

    static Optional<Part> of(Match match, Value value, int axis) {
      Optional<Node> slice = match.producer(value, "Slice");
      Optional<ShapeRules.Cut> cut = slice.flatMap(node -> ShapeRules.Cut.of(match, node));
      if (cut.isPresent() && cut.get().axis() == axis) {
        return Optional.of(
            new Part(slice.get().input(0), List.of(), axis, cut.get().start(), cut.get().end()));
      }
      Dim dim = value.shape().isRanked() ? value.shape().dim(axis) : Dim.UNKNOWN;
      return dim.isKnown()
          ? Optional.of(new Part(value, List.of(), axis, 0, dim.extent()))
          : Optional.empty();
    }
  }

  private record Halves(Value first, Value second) {}

  /** The halves of a table's last axis, taken before what is computed element by element. */
  private static Halves halves(Match match, Ops ops, Value table) {
    Optional<Node> made = match.producer(table);
    if (made.isPresent()) {
      Node node = made.get();
      if (node.op().isOnnx("Concat") && node.inputs().size() == 2 && isLastAxis(node)) {
        if (Conditions.sameLast(node.input(0).shape(), node.input(1).shape(), 1)) {
          return new Halves(node.input(0), node.input(1));
        }
      }
      if (List.of("Cos", "Sin", "Cast", "Neg").contains(node.op().name())) {
        Halves inner = halves(match, ops, node.input(0));
        return new Halves(
            ops.editor().add(node.op(), node.attributes(), inner.first()),
            ops.editor().add(node.op(), node.attributes(), inner.second()));
      }
    }
    long width = table.shape().dim(-1).extent();
    int axis = table.shape().rank() - 1;
    return new Halves(
        ops.slice(table, axis, 0, width / 2), ops.slice(table, axis, width / 2, width));
  }
}
