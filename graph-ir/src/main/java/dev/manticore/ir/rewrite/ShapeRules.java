package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.op;
import static dev.manticore.ir.rewrite.Pattern.opOf;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Shapes and changes of shape. Extents are read from the graph's inputs, wherever an exporter reads
 * them from; a change of shape is written in one way and follows what can be computed before it;
 * parts of an axis are slices, taken before a transposition and not after it.
 */
final class ShapeRules {

  private static final ImmutableSet<String> ARITHMETIC =
      ImmutableSet.of(
          "Shape",
          "Size",
          "Gather",
          "Slice",
          "Concat",
          "Squeeze",
          "Unsqueeze",
          "Reshape",
          "Cast",
          "Add",
          "Sub",
          "Mul",
          "Div",
          "Neg",
          "Where",
          "Expand",
          "ReduceProd",
          "Identity");

  private static final ImmutableSet<String> RESHAPES =
      ImmutableSet.of("Reshape", "Squeeze", "Unsqueeze", "Flatten");

  private static final ImmutableSet<String> ELEMENTWISE =
      ImmutableSet.of(
          "Abs",
          "Cast",
          "Cos",
          "Erf",
          "Exp",
          "Gelu",
          "Log",
          "Neg",
          "Not",
          "Reciprocal",
          "Relu",
          "Sigmoid",
          "Sin",
          "Softplus",
          "Sqrt",
          "Tanh");

  private static final ImmutableSet<String> BINARY =
      ImmutableSet.of("Add", "Sub", "Mul", "Div", "Pow");

  private ShapeRules() {}

  static ImmutableList<Rule> all() {
    return ImmutableList.of(
        arithmetic(),
        reshapeOfReshape(),
        reshapeForm(),
        transposeOfTranspose(),
        transposeOfNothing(),
        splitToSlices(),
        sliceOfEverything(),
        sliceForm(),
        sliceOfSlice(),
        sliceOfTranspose(),
        concatOfOne(),
        concatOfConcat(),
        concatOfUnsqueezed(),
        elementwiseBeforeReshape(),
        lastAxisBeforeReshape(),
        binaryBeforeReshape("binary-before-reshape", 0),
        binaryBeforeReshape("binary-before-reshape-of-right", 1),
        binaryOfEqualReshapes(),
        leadingOnes(),
        gatherBeforeUnsqueeze(),
        matMulBeforeReshape(),
        matMulOfReshaped(),
        transposeBeforeReshape(),
        elementwiseBeforeTranspose(),
        binaryBeforeTranspose(),
        lineBeforeTranspose("line-before-transpose", 0),
        lineBeforeTranspose("line-before-transpose-of-right", 1),
        concatBeforeTranspose(),
        transposedOuterProduct());
  }

  /** Integers that are known up to symbols. */
  private static Rule arithmetic() {
    return Rule.named("shape-arithmetic")
        .matching(opOf(ARITHMETIC).andMore().as("node"))
        .provided(
            "the elements are integers known up to symbolic dimensions",
            match ->
                match.root().output().elementType() == ElementType.INT64
                    && match.root().output().shape().isRanked()
                    && match.extentsOf(match.root().output()).isPresent())
        .replacedIfPossible(
            (match, ops) -> {
              Value output = match.root().output();
              ImmutableList<Extent> elements = match.extentsOf(output).orElseThrow();
              ShapeBuilder shapes = shapes(match, ops);
              return (output.shape().rank() == 0
                      ? shapes.scalar(elements.get(0))
                      : shapes.vector(elements))
                  .map(List::of);
            });
  }

  private static ShapeBuilder shapes(Match match, Ops ops) {
    return new ShapeBuilder(ops, match.graphInputs());
  }

  /** A value in the shape that the root's output has. */
  private static Optional<List<Value>> inRootShape(Match match, Ops ops, Value value) {
    return shapes(match, ops).reshape(value, match.root().output().shape()).map(List::of);
  }

  private static boolean rootIsKnown(Match match) {
    return ShapeBuilder.isKnown(match.root().output().shape());
  }

  /** Whether the root is no arithmetic with extents, which has a form of its own. */
  private static boolean isData(Match match) {
    return match.extentsOf(match.root().output()).isEmpty();
  }

  private static Rule reshapeOfReshape() {
    return Rule.named("reshape-of-reshape")
        .matching(opOf(RESHAPES, opOf(RESHAPES, any("x")).andMore()).andMore())
        .provided("it is no arithmetic with extents", ShapeRules::isData)
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible((match, ops) -> inRootShape(match, ops, match.value("x")));
  }

  private static Rule reshapeForm() {
    return Rule.named("reshape")
        .matching(opOf(RESHAPES, any("x")).andMore())
        .provided("it is no arithmetic with extents", ShapeRules::isData)
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible((match, ops) -> inRootShape(match, ops, match.value("x")));
  }

  private static Rule transposeOfTranspose() {
    return Rule.named("transpose-of-transpose")
        .matching(op("Transpose", op("Transpose", any("x")).as("first")))
        .provided("the rank is known", match -> match.value("x").shape().isRanked())
        .replacedBy(
            (match, ops) -> {
              long[] first = ShapeBuilder.permutation(match.node("first"));
              long[] second = ShapeBuilder.permutation(match.root());
              long[] both = Arrays.stream(second).map(axis -> first[(int) axis]).toArray();
              return shapes(match, ops).transpose(match.value("x"), both);
            });
  }

  /** A transposition that leaves the larger axes in their order moves no element. */
  private static Rule transposeOfNothing() {
    return Rule.named("transpose-that-moves-nothing")
        .matching(op("Transpose", any("x")))
        .provided(
            "the axes of more than one element keep their order",
            match -> match.value("x").shape().isRanked() && movesNothing(match))
        .replacedIfPossible((match, ops) -> inRootShape(match, ops, match.value("x")));
  }

  private static boolean movesNothing(Match match) {
    Shape shape = match.value("x").shape();
    long last = Long.MIN_VALUE;
    for (long axis : ShapeBuilder.permutation(match.root())) {
      if (!Ops.isOne(shape.dim((int) axis))) {
        if (axis < last) {
          return false;
        }
        last = axis;
      }
    }
    return true;
  }

  private static Rule splitToSlices() {
    return Rule.named("split-to-slices")
        .matching(op("Split", any("x")).andMore().as("split"))
        .provided(
            "the parts are known",
            match ->
                match.value("x").shape().isRanked()
                    && match.root().presentOutputs().stream()
                        .allMatch(part -> part.shape().dim(axis(match)).isKnown())
                    && match.root().outputs().stream().allMatch(Optional::isPresent))
        .replacedByAll(
            (match, ops) -> {
              List<Value> parts = new ArrayList<>();
              long start = 0;
              for (Value part : match.root().presentOutputs()) {
                long end = start + part.shape().dim(axis(match)).extent();
                parts.add(ops.slice(match.value("x"), axis(match), start, end));
                start = end;
              }
              return parts;
            });
  }

  private static int axis(Match match) {
    int axis = (int) match.root().attributes().intValue("axis", 0);
    return axis < 0 ? axis + match.value("x").shape().rank() : axis;
  }

  /** A part of one axis of known bounds, cut without steps. */
  record Cut(int axis, long start, long end) {

    static Optional<Cut> of(Match match, Node slice) {
      Shape shape = slice.input(0).shape();
      Optional<long[]> starts = match.integers(slice.input(1));
      Optional<long[]> ends = match.integers(slice.input(2));
      Optional<long[]> axes =
          slice.hasInput(3) ? match.integers(slice.input(3)) : Optional.of(new long[] {0});
      boolean single =
          !slice.hasInput(4)
              || match.integers(slice.input(4)).map(steps -> steps[0] == 1).orElse(false);
      if (!shape.isRanked()
          || starts.isEmpty()
          || ends.isEmpty()
          || axes.isEmpty()
          || !single
          || starts.get().length != 1
          || axes.get().length != 1) {
        return Optional.empty();
      }
      int axis = (int) (axes.get()[0] < 0 ? axes.get()[0] + shape.rank() : axes.get()[0]);
      if (!shape.dim(axis).isKnown()) {
        return Optional.empty();
      }
      long extent = shape.dim(axis).extent();
      long start = clamp(starts.get()[0], extent);
      return Optional.of(new Cut(axis, start, Math.max(start, clamp(ends.get()[0], extent))));
    }

    private static long clamp(long bound, long extent) {
      return Math.max(0, Math.min(extent, bound < 0 ? bound + extent : bound));
    }
  }

  private static Rule sliceOfEverything() {
    return Rule.named("slice-of-everything")
        .matching(
            op("Slice", any("x"))
                .andMore()
                .where(
                    "it has no steps",
                    (match, node) ->
                        !node.hasInput(4)
                            || match
                                .integers(node.input(4))
                                .map(steps -> Arrays.stream(steps).allMatch(step -> step == 1))
                                .orElse(false)))
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy((match, ops) -> match.value("x"));
  }

  /** Bounds written as they are: from the front, and no further than there is something. */
  private static Rule sliceForm() {
    return Rule.named("slice")
        .matching(op("Slice", any("x")).andMore())
        .provided(
            "one axis is cut at known places", match -> Cut.of(match, match.root()).isPresent())
        .replacedBy(
            (match, ops) -> {
              Cut cut = Cut.of(match, match.root()).orElseThrow();
              return ops.slice(match.value("x"), cut.axis(), cut.start(), cut.end());
            });
  }

  private static Rule sliceOfSlice() {
    return Rule.named("slice-of-slice")
        .matching(op("Slice", op("Slice", any("x")).andMore().as("first")).andMore())
        .provided(
            "both cut one axis at known places",
            match -> {
              Optional<Cut> first = Cut.of(match, match.node("first"));
              Optional<Cut> second = Cut.of(match, match.root());
              return first.isPresent()
                  && second.isPresent()
                  && first.get().axis() == second.get().axis();
            })
        .replacedBy(
            (match, ops) -> {
              Cut first = Cut.of(match, match.node("first")).orElseThrow();
              Cut second = Cut.of(match, match.root()).orElseThrow();
              return ops.slice(
                  match.value("x"),
                  first.axis(),
                  first.start() + second.start(),
                  first.start() + second.end());
            });
  }

  private static Rule sliceOfTranspose() {
    return Rule.named("slice-before-transpose")
        .matching(op("Slice", op("Transpose", any("x")).as("transpose")).andMore())
        .provided(
            "one axis is cut at known places", match -> Cut.of(match, match.root()).isPresent())
        .replacedBy(
            (match, ops) -> {
              Cut cut = Cut.of(match, match.root()).orElseThrow();
              long[] permutation = ShapeBuilder.permutation(match.node("transpose"));
              return ops.transpose(
                  ops.slice(
                      match.value("x"), (int) permutation[cut.axis()], cut.start(), cut.end()),
                  permutation);
            });
  }

  private static Rule concatOfOne() {
    return Rule.named("concat-of-one")
        .matching(op("Concat", any("x")))
        .replacedBy((match, ops) -> match.value("x"));
  }

  private static Rule concatOfConcat() {
    return Rule.named("concat-of-concat")
        .matching(
            op("Concat")
                .andMore()
                .as("concat")
                .where(
                    "an operand is a concatenation along the same axis",
                    (match, node) ->
                        node.presentInputs().stream()
                            .anyMatch(part -> inner(match, node, part).isPresent())))
        .replacedBy(
            (match, ops) -> {
              Node node = match.node("concat");
              List<Value> parts = new ArrayList<>();
              for (Value part : node.presentInputs()) {
                Optional<Node> inner = inner(match, node, part);
                if (inner.isPresent()) {
                  parts.addAll(inner.get().presentInputs());
                } else {
                  parts.add(part);
                }
              }
              return ops.concat(
                  (int) node.attributes().intValue("axis", 0), parts.toArray(Value[]::new));
            });
  }

  private static Optional<Node> inner(Match match, Node concat, Value part) {
    return match
        .producer(part, "Concat")
        .filter(
            inner ->
                part.shape().isRanked()
                    && axis(inner, part.shape().rank()) == axis(concat, part.shape().rank()));
  }

  private static long axis(Node concat, int rank) {
    long axis = concat.attributes().intValue("axis", 0);
    return axis < 0 ? axis + rank : axis;
  }

  /** Parts that all have the same first axes of one element are joined without them. */
  private static Rule concatOfUnsqueezed() {
    return Rule.named("concat-before-unsqueeze")
        .matching(
            op("Concat")
                .andMore()
                .as("concat")
                .where(
                    "all operands have first axes of one element added, and others are joined",
                    ShapeRules::isOfUnsqueezed))
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("concat");
              int rank = node.output().shape().rank();
              Value[] parts =
                  node.presentInputs().stream()
                      .map(part -> match.producer(part, "Unsqueeze").orElseThrow().input(0))
                      .toArray(Value[]::new);
              int inner = parts[0].shape().rank();
              return inRootShape(
                  match, ops, ops.concat((int) axis(node, rank) - (rank - inner), parts));
            });
  }

  private static boolean isOfUnsqueezed(Match match, Node concat) {
    List<Integer> added = new ArrayList<>();
    for (Value part : concat.presentInputs()) {
      Optional<Node> unsqueeze = match.producer(part, "Unsqueeze");
      if (unsqueeze.isEmpty() || !addsFirst(match, unsqueeze.get())) {
        return false;
      }
      added.add(part.shape().rank() - unsqueeze.get().input(0).shape().rank());
    }
    return added.stream().distinct().count() == 1
        && axis(concat, concat.output().shape().rank()) >= added.get(0);
  }

  /** Whether an {@code Unsqueeze} adds axes before all others. */
  private static boolean addsFirst(Match match, Node unsqueeze) {
    Optional<long[]> axes = match.integers(unsqueeze.input(1));
    if (axes.isEmpty() || !unsqueeze.output().shape().isRanked()) {
      return false;
    }
    int rank = unsqueeze.output().shape().rank();
    long[] sorted = Arrays.stream(axes.get()).map(a -> a < 0 ? a + rank : a).sorted().toArray();
    for (int i = 0; i < sorted.length; i++) {
      if (sorted[i] != i) {
        return false;
      }
    }
    return true;
  }

  private static Rule elementwiseBeforeReshape() {
    return Rule.named("elementwise-before-reshape")
        .matching(opOf(ELEMENTWISE, opOf(RESHAPES, any("x")).andMore()).as("node"))
        .provided("it is no arithmetic with extents", ShapeRules::isData)
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              return inRootShape(
                  match, ops, ops.editor().add(node.op(), node.attributes(), match.value("x")));
            });
  }

  /** What works along the last axis, which the change of shape keeps. */
  private static Rule lastAxisBeforeReshape() {
    return Rule.named("last-axis-before-reshape")
        .matching(
            opOf(
                    ImmutableSet.of(
                        "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization"),
                    opOf(RESHAPES, any("x")).andMore().as("reshaped"))
                .andMore()
                .as("node")
                .where(
                    "it works along the last axis",
                    (match, node) -> node.attributes().intValue("axis", -1) == -1))
        .provided("only the first output is read", match -> match.root().outputs().size() == 1)
        .provided(
            "the last axis is kept",
            match ->
                Conditions.sameLast(match.value("x").shape(), match.value("reshaped").shape(), 1))
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              List<Optional<Value>> operands = new ArrayList<>(node.inputs());
              operands.set(0, Optional.of(match.value("x")));
              return inRootShape(
                  match,
                  ops,
                  ops.editor()
                      .add(node.op(), node.op().name(), node.attributes(), operands, 1)
                      .get(0));
            });
  }

  /**
   * A binary operator on a reshaped operand and one that is so small that it reads alike before: of
   * one element, or a vector of the last axis, which the change of shape keeps; or where the change
   * only adds first axes of one element.
   */
  private static Rule binaryBeforeReshape(String name, int reshaped) {
    Pattern changed = opOf(RESHAPES, any("x")).andMore().as("reshaped");
    return Rule.named(name)
        .matching(
            (reshaped == 0
                    ? opOf(BINARY, changed, any("other"))
                    : opOf(BINARY, any("other"), changed))
                .as("node")
                .where(
                    "the operands are in this order",
                    (match, node) -> node.input(reshaped) == match.value("reshaped")))
        .provided("the other operand reads alike before", ShapeRules::readsAlike)
        .provided("it is no arithmetic with extents", ShapeRules::isData)
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              Value x = match.value("x");
              Value other = match.value("other");
              return inRootShape(
                  match,
                  ops,
                  reshaped == 0
                      ? ops.editor().add(node.op(), node.attributes(), x, other)
                      : ops.editor().add(node.op(), node.attributes(), other, x));
            });
  }

  private static boolean readsAlike(Match match) {
    Shape x = match.value("x").shape();
    Shape reshaped = match.value("reshaped").shape();
    Shape other = match.value("other").shape();
    if (!other.isRanked() || !x.isRanked() || !reshaped.isRanked()) {
      return false;
    }
    boolean one = other.isStatic() && other.elementCount() == 1 && other.rank() <= x.rank();
    if (one) {
      return true;
    }
    boolean vector =
        other.rank() == 1
            && Conditions.sameLast(x, reshaped, 1)
            && Conditions.sameLast(x, other, 1);
    Node node = match.node("reshaped");
    boolean first = node.op().isOnnx("Unsqueeze") && addsFirst(match, node);
    return vector || first;
  }

  /** Both operands changed from one shape to another. */
  private static Rule binaryOfEqualReshapes() {
    return Rule.named("binary-of-equal-reshapes")
        .matching(
            opOf(
                    BINARY,
                    op("Reshape", any("a"), any("")).as("left"),
                    op("Reshape", any("b"), any("")).as("right"))
                .as("node")
                .where(
                    "the operands are in this order",
                    (match, node) -> node.input(0) == match.value("left")))
        .provided(
            "both are changed from one shape to another",
            match ->
                ShapeBuilder.isKnown(match.value("a").shape())
                    && ShapeBuilder.isKnown(match.value("left").shape())
                    && match.value("a").shape().equals(match.value("b").shape())
                    && match.value("left").shape().equals(match.value("right").shape()))
        .replacedIfPossible(
            (match, ops) ->
                inRootShape(
                    match,
                    ops,
                    ops.editor()
                        .add(
                            match.root().op(),
                            match.root().attributes(),
                            match.value("a"),
                            match.value("b"))));
  }

  /** First axes of one element are as good as none where the other operand has as many axes. */
  private static Rule leadingOnes() {
    return Rule.named("leading-ones")
        .matching(
            opOf(BINARY, any("a"), any("b"))
                .as("node")
                .where(
                    "an operand has first axes of one element that it need not have",
                    (match, node) ->
                        hasLeadingOnes(match, node.input(0), node.input(1))
                            || hasLeadingOnes(match, node.input(1), node.input(0))))
        .provided("it is no arithmetic with extents", ShapeRules::isData)
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              Optional<Value> a = trimmed(match, ops, node.input(0), node.input(1));
              Optional<Value> b = trimmed(match, ops, node.input(1), node.input(0));
              return a.isPresent() && b.isPresent()
                  ? inRootShape(
                      match, ops, ops.editor().add(node.op(), node.attributes(), a.get(), b.get()))
                  : Optional.empty();
            });
  }

  /** Whether a constant, or what has axes added, is better off without its first ones. */
  private static boolean hasLeadingOnes(Match match, Value value, Value other) {
    boolean known =
        ShapeBuilder.isKnown(value.shape())
            && other.shape().isRanked()
            && value.shape().rank() > 0
            && value.shape().dim(0).equals(Dim.of(1));
    return known
        && (match.constantOf(value).isPresent()
            || match.producer(value, "Unsqueeze").isPresent()
                && other.shape().rank() >= value.shape().rank());
  }

  private static Optional<Value> trimmed(Match match, Ops ops, Value value, Value other) {
    if (!hasLeadingOnes(match, value, other)) {
      return Optional.of(value);
    }
    List<Dim> dims = value.shape().dims();
    int ones = 0;
    while (ones < dims.size() && dims.get(ones).equals(Dim.of(1))) {
      ones++;
    }
    Shape shape = Shape.of(dims.subList(ones, dims.size()));
    Optional<Tensor> constant = match.constantOf(value);
    return constant.isPresent()
        ? Optional.of(
            ops.editor()
                .constant(
                    new Tensor(constant.get().type().withShape(shape), constant.get().data())))
        : shapes(match, ops).reshape(value, shape);
  }

  private static Rule gatherBeforeUnsqueeze() {
    return Rule.named("gather-before-unsqueeze")
        .matching(
            op("Gather", any("table"), op("Unsqueeze", any("ids"), any("")).as("unsqueeze"))
                .with("axis", 0, 0)
                .where(
                    "the axes are added first",
                    (match, node) -> addsFirst(match, match.node("unsqueeze"))))
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) ->
                inRootShape(
                    match, ops, ops.onnx("Gather", match.value("table"), match.value("ids"))));
  }

  /** A linear map works on the last axis, whatever the others are merged to. */
  private static Rule matMulBeforeReshape() {
    return Rule.named("mat-mul-before-reshape")
        .matching(op("MatMul", opOf(RESHAPES, any("x")).andMore().as("reshaped"), any("weight")))
        .provided(
            "the right operand is a matrix",
            match ->
                match.value("weight").shape().isRanked()
                    && match.value("weight").shape().rank() == 2)
        .provided("axes before the last one are merged", match -> unmerged(match).isPresent())
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) ->
                shapes(match, ops)
                    .reshape(match.value("x"), unmerged(match).orElseThrow())
                    .flatMap(x -> inRootShape(match, ops, ops.matMul(x, match.value("weight")))));
  }

  /** The shape before axes but the last were merged, those that make up the last one together. */
  private static Optional<Shape> unmerged(Match match) {
    Shape from = match.value("x").shape();
    Shape to = match.value("reshaped").shape();
    if (!ShapeBuilder.isKnown(from) || !ShapeBuilder.isKnown(to) || to.rank() < 2) {
      return Optional.empty();
    }
    Extent last = Extent.of(to.dim(-1)).orElseThrow();
    Extent product = Extent.of(1);
    for (int axis = from.rank() - 1; axis >= 1; axis--) {
      product = product.times(Extent.of(from.dim(axis)).orElseThrow());
      if (product.equals(last)) {
        List<Dim> dims = new ArrayList<>(from.dims().subList(0, axis));
        dims.add(to.dim(-1));
        return Optional.of(Shape.of(dims)).filter(shape -> !shape.equals(to));
      }
    }
    return Optional.empty();
  }

  /** Batch axes of both operands merged alike. */
  private static Rule matMulOfReshaped() {
    return Rule.named("mat-mul-of-reshaped")
        .matching(
            op(
                "MatMul",
                op("Reshape", any("a"), any("")).as("left"),
                op("Reshape", any("b"), any("")).as("right")))
        .provided(
            "the last two axes are kept",
            match ->
                Conditions.sameLast(match.value("a").shape(), match.value("left").shape(), 2)
                    && Conditions.sameLast(
                        match.value("b").shape(), match.value("right").shape(), 2))
        .provided(
            "the other axes are equal, before and after",
            match ->
                sameFirst(match.value("a").shape(), match.value("b").shape())
                    && sameFirst(match.value("left").shape(), match.value("right").shape()))
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) ->
                inRootShape(match, ops, ops.matMul(match.value("a"), match.value("b"))));
  }

  private static boolean sameFirst(Shape one, Shape other) {
    List<Dim> first = one.dims().subList(0, one.rank() - 2);
    return one.rank() == other.rank()
        && !first.contains(Dim.UNKNOWN)
        && first.equals(other.dims().subList(0, other.rank() - 2));
  }

  /** The last two axes swapped after others are merged. */
  private static Rule transposeBeforeReshape() {
    return Rule.named("transpose-before-reshape")
        .matching(op("Transpose", opOf(RESHAPES, any("x")).andMore().as("reshaped")))
        .provided(
            "the last two axes are kept, and swapped",
            match ->
                Conditions.sameLast(match.value("x").shape(), match.value("reshaped").shape(), 2)
                    && swapsLast(ShapeBuilder.permutation(match.root())))
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> inRootShape(match, ops, ops.transposeLast(match.value("x"))));
  }

  private static boolean swapsLast(long[] permutation) {
    int rank = permutation.length;
    for (int axis = 0; axis < rank - 2; axis++) {
      if (permutation[axis] != axis) {
        return false;
      }
    }
    return rank >= 2 && permutation[rank - 1] == rank - 2;
  }

  private static Rule elementwiseBeforeTranspose() {
    return Rule.named("elementwise-before-transpose")
        .matching(opOf(ELEMENTWISE, op("Transpose", any("x")).as("transpose")).as("node"))
        .replacedBy(
            (match, ops) -> {
              Node node = match.node("node");
              return ops.transpose(
                  ops.editor().add(node.op(), node.attributes(), match.value("x")),
                  ShapeBuilder.permutation(match.node("transpose")));
            });
  }

  /** Two operands transposed alike. */
  private static Rule binaryBeforeTranspose() {
    return Rule.named("binary-before-transpose")
        .matching(
            opOf(
                    BINARY,
                    op("Transpose", any("a")).as("left"),
                    op("Transpose", any("b")).as("right"))
                .as("node")
                .where(
                    "the operands are in this order",
                    (match, node) -> node.input(0) == match.value("left")))
        .provided(
            "both are transposed alike",
            match ->
                match.value("a").shape().isRanked()
                    && match.value("b").shape().isRanked()
                    && Arrays.equals(
                        ShapeBuilder.permutation(match.node("left")),
                        ShapeBuilder.permutation(match.node("right"))))
        .replacedBy(
            (match, ops) -> {
              Node node = match.node("node");
              return ops.transpose(
                  ops.editor()
                      .add(node.op(), node.attributes(), match.value("a"), match.value("b")),
                  ShapeBuilder.permutation(match.node("left")));
            });
  }

  /**
   * A transposed operand and a line, which has at most one axis of more than one element: the line
   * is laid along the axis that it meets before the transposition.
   */
  private static Rule lineBeforeTranspose(String name, int transposed) {
    Pattern moved = op("Transpose", any("x")).as("transpose");
    return Rule.named(name)
        .matching(
            (transposed == 0 ? opOf(BINARY, moved, any("line")) : opOf(BINARY, any("line"), moved))
                .as("node")
                .where(
                    "the operands are in this order",
                    (match, node) -> node.input(transposed) == match.value("transpose")))
        .provided(
            "the other operand is a line",
            match ->
                isLine(match.value("line").shape())
                    && match.value("x").shape().isRanked()
                    && match.value("line").shape().rank() <= match.value("x").shape().rank())
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              long[] permutation = ShapeBuilder.permutation(match.node("transpose"));
              long[] inverse = new long[permutation.length];
              for (int axis = 0; axis < inverse.length; axis++) {
                inverse[(int) permutation[axis]] = axis;
              }
              return laid(match, ops, match.value("line"), inverse)
                  .map(
                      line ->
                          transposed == 0
                              ? ops.editor()
                                  .add(node.op(), node.attributes(), match.value("x"), line)
                              : ops.editor()
                                  .add(node.op(), node.attributes(), line, match.value("x")))
                  .map(result -> List.of(ops.transpose(result, permutation)));
            });
  }

  private static Rule concatBeforeTranspose() {
    return Rule.named("concat-before-transpose")
        .matching(
            op("Concat", op("Transpose", any("")).as("first"))
                .andMore()
                .as("concat")
                .where(
                    "all operands are transposed alike",
                    (match, node) ->
                        node.presentInputs().stream()
                            .allMatch(part -> isTransposedLike(match, part, match.node("first")))))
        .replacedBy(
            (match, ops) -> {
              Node node = match.node("concat");
              long[] permutation = ShapeBuilder.permutation(match.node("first"));
              Value[] parts =
                  node.presentInputs().stream()
                      .map(part -> match.producer(part, "Transpose").orElseThrow().input(0))
                      .toArray(Value[]::new);
              return ops.transpose(
                  ops.concat((int) permutation[(int) axis(node, permutation.length)], parts),
                  permutation);
            });
  }

  private static boolean isTransposedLike(Match match, Value part, Node first) {
    return match
        .producer(part, "Transpose")
        .filter(
            node -> Arrays.equals(ShapeBuilder.permutation(node), ShapeBuilder.permutation(first)))
        .isPresent();
  }

  /** A transposed product of a row and a column is one of a column and a row. */
  private static Rule transposedOuterProduct() {
    return Rule.named("transposed-outer-product")
        .matching(op("Transpose", op("Mul", any("a"), any("b")).as("product")))
        .provided(
            "each factor has one axis of more than one element",
            match -> isLine(match.value("a").shape()) && isLine(match.value("b").shape()))
        .provided("the shape is known up to symbols", ShapeRules::rootIsKnown)
        .replacedIfPossible(
            (match, ops) -> {
              Node product = match.node("product");
              Optional<Value> a =
                  laid(match, ops, product.input(0), ShapeBuilder.permutation(match.root()));
              Optional<Value> b =
                  laid(match, ops, product.input(1), ShapeBuilder.permutation(match.root()));
              return a.isPresent() && b.isPresent()
                  ? inRootShape(match, ops, ops.mul(a.get(), b.get()))
                  : Optional.empty();
            });
  }

  private static boolean isLine(Shape shape) {
    return ShapeBuilder.isKnown(shape)
        && shape.dims().stream().filter(dim -> !dim.equals(Dim.of(1))).count() <= 1;
  }

  /** A line with its one larger axis where a permutation puts it, its first axes left out. */
  private static Optional<Value> laid(Match match, Ops ops, Value line, long[] permutation) {
    List<Dim> dims = new ArrayList<>();
    for (int i = line.shape().rank(); i < permutation.length; i++) {
      dims.add(Dim.of(1));
    }
    dims.addAll(line.shape().dims());
    List<Dim> moved = Arrays.stream(permutation).mapToObj(axis -> dims.get((int) axis)).toList();
    int ones = 0;
    while (ones < moved.size() && moved.get(ones).equals(Dim.of(1))) {
      ones++;
    }
    return shapes(match, ops).reshape(line, Shape.of(moved.subList(ones, moved.size())));
  }
}
