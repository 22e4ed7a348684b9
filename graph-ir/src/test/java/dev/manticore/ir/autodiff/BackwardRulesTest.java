package dev.manticore.ir.autodiff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.NdArray;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backward rule against central differences along a random direction, in double precision.
 */
class BackwardRulesTest {

  private static final double RELATIVE = 1e-6;

  /**
   * @param operator what the case is for, as {@link OpId#toString} writes it
   * @param positive whether operands must be positive
   */
  record Case(
      String operator,
      String what,
      boolean positive,
      ImmutableList<Shape> shapes,
      BiFunction<Ops, List<Value>, Value> function) {
    @Override
    public String toString() {
      return operator + " " + what + " " + shapes;
    }
  }

  private static Case of(
      String operator, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return new Case(operator, "", false, ImmutableList.copyOf(shapes), function);
  }

  private static Case of(
      String operator, String what, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return new Case(operator, what, false, ImmutableList.copyOf(shapes), function);
  }

  private static Case positive(
      String operator, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return new Case(operator, "", true, ImmutableList.copyOf(shapes), function);
  }

  private static Case unary(String operator) {
    return of(operator, (o, v) -> o.onnx(operator, v.get(0)), Shape.of(3, 4));
  }

  private static final Shape A = Shape.of(2, 3, 4);

  static Stream<Case> cases() {
    return Stream.concat(languageModelCases(), StandardOperatorCases.cases());
  }

  private static Stream<Case> languageModelCases() {
    return Stream.of(
        unary("Identity"),
        unary("Neg"),
        unary("Exp"),
        unary("Tanh"),
        unary("Sigmoid"),
        unary("Softplus"),
        unary("Relu"),
        unary("Abs"),
        unary("Sin"),
        unary("Cos"),
        unary("Erf"),
        positive("Log", (o, v) -> o.onnx("Log", v.get(0)), A),
        positive("Sqrt", (o, v) -> o.sqrt(v.get(0)), A),
        positive("Reciprocal", (o, v) -> o.reciprocal(v.get(0)), A),
        of("Cast", (o, v) -> o.cast(v.get(0), ElementType.FLOAT64), A),
        of("Gelu", "exact", (o, v) -> o.onnx("Gelu", v.get(0)), A),
        of(
            "Gelu",
            "tanh",
            (o, v) -> o.onnx("Gelu", Attributes.of("approximate", Attribute.of("tanh")), v.get(0)),
            A),
        of("dev.manticore.Silu", (o, v) -> o.own("Silu", Attributes.NONE, 1, v.get(0)).get(0), A),
        of("Add", "broadcast", (o, v) -> o.add(v.get(0), v.get(1)), A, Shape.of(3, 1)),
        of("Sub", "broadcast", (o, v) -> o.sub(v.get(1), v.get(0)), A, Shape.of(4)),
        of("Mul", "broadcast", (o, v) -> o.mul(v.get(0), v.get(1)), A, Shape.of(2, 1, 4)),
        of("Mul", "with itself", (o, v) -> o.mul(v.get(0), v.get(0)), A),
        positive("Div", (o, v) -> o.div(v.get(0), v.get(1)), A, Shape.of(1, 4)),
        positive("Pow", (o, v) -> o.onnx("Pow", v.get(0), o.scalar(ElementType.FLOAT32, 2.5)), A),
        of("Max", (o, v) -> o.onnx("Max", v.get(0), v.get(1)), A, A),
        of("Min", (o, v) -> o.onnx("Min", v.get(0), v.get(1)), A, Shape.of(4)),
        of("Sum", (o, v) -> o.onnx("Sum", v.get(0), v.get(1), v.get(0)), A, Shape.of(4)),
        of(
            "Where",
            (o, v) ->
                o.where(
                    o.onnx("Greater", v.get(0), o.scalar(ElementType.FLOAT32, 0)),
                    o.mul(v.get(0), 2),
                    v.get(1)),
            A,
            Shape.of(3, 4)),
        of("MatMul", "batched", (o, v) -> o.matMul(v.get(0), v.get(1)), A, Shape.of(2, 4, 5)),
        of("MatMul", "shared", (o, v) -> o.matMul(v.get(0), v.get(1)), A, Shape.of(4, 5)),
        of(
            "MatMul",
            "broadcast",
            (o, v) -> o.matMul(v.get(0), v.get(1)),
            Shape.of(3, 4),
            Shape.of(2, 4, 5)),
        of(
            "MatMul",
            "two axes",
            (o, v) -> o.matMul(v.get(0), v.get(1)),
            Shape.of(2, 3, 4, 5),
            Shape.of(2, 3, 5, 2)),
        of(
            "Gemm",
            "plain",
            (o, v) -> o.onnx("Gemm", v.get(0), v.get(1), v.get(2)),
            Shape.of(3, 4),
            Shape.of(4, 5),
            Shape.of(5)),
        of(
            "Gemm",
            "transposed",
            (o, v) ->
                o.onnx(
                    "Gemm",
                    Attributes.of("transA", 1)
                        .with("transB", 1)
                        .with("alpha", Attribute.of(0.5f))
                        .with("beta", Attribute.of(2f)),
                    v.get(0),
                    v.get(1),
                    v.get(2)),
            Shape.of(4, 3),
            Shape.of(5, 4),
            Shape.of(3, 1)),
        of("Reshape", (o, v) -> o.reshape(v.get(0), 0, -1), A),
        of("Flatten", (o, v) -> o.onnx("Flatten", v.get(0)), A),
        of("Squeeze", (o, v) -> o.squeeze(v.get(0), 1), Shape.of(3, 1, 2)),
        of("Unsqueeze", (o, v) -> o.unsqueeze(v.get(0), 0, 2), Shape.of(3, 2)),
        of("Transpose", (o, v) -> o.transpose(v.get(0), 2, 0, 1), A),
        of("Concat", (o, v) -> o.concat(1, v.get(0), v.get(1), v.get(0)), A, Shape.of(2, 1, 4)),
        of(
            "Split",
            "all parts",
            (o, v) -> o.mul(o.split(v.get(0), 2, 1, 3).get(1), o.split(v.get(0), 2, 1, 3).get(0)),
            A),
        of("Split", "one part", (o, v) -> o.split(v.get(0), 1, 1, 2).get(1), A),
        of("Slice", (o, v) -> o.slice(v.get(0), -1, 1, 3), A),
        of("Slice", "to the end", (o, v) -> o.slice(v.get(0), 1, -2, Long.MAX_VALUE), A),
        of("Pad", (o, v) -> o.pad(v.get(0), 1, 2, 1), A),
        of("Expand", (o, v) -> o.expand(v.get(0), o.ints(2, 3, 4)), Shape.of(3, 1)),
        of(
            "Gather",
            "rows",
            (o, v) ->
                o.gather(
                    v.get(0),
                    o.editor().constant(Tensor.ofLongs(Shape.of(2, 3), 0, 2, 2, 4, 0, 0)),
                    0),
            Shape.of(5, 3)),
        of(
            "Gather",
            "vector",
            (o, v) ->
                o.gather(
                    v.get(0), o.editor().constant(Tensor.ofLongs(Shape.of(2, 2), 0, 2, 2, 4)), 0),
            Shape.of(5)),
        of(
            "Gather",
            "scalar index",
            (o, v) -> o.gather(v.get(0), o.editor().constant(Tensor.scalar(1L)), 1),
            A),
        of(
            "Gather",
            "middle axis",
            (o, v) ->
                o.gather(
                    v.get(0), o.editor().constant(Tensor.ofLongs(Shape.of(2, 2), 0, 2, 2, 1)), 1),
            A),
        of(
            "GatherElements",
            (o, v) ->
                o.onnx(
                    "GatherElements",
                    Attributes.of("axis", 1),
                    v.get(0),
                    o.editor().constant(Tensor.ofLongs(Shape.of(2, 2), 0, 0, 2, 1))),
            Shape.of(2, 3)),
        of("ReduceSum", (o, v) -> o.reduceSum(v.get(0), 0, -1), A),
        of("ReduceSum", "kept", (o, v) -> o.reduceSumKeep(v.get(0), 1), A),
        of(
            "ReduceSum",
            "everything",
            (o, v) -> o.onnx("ReduceSum", Attributes.of("keepdims", 0), v.get(0)),
            A),
        of("ReduceMean", (o, v) -> o.reduceMeanKeep(v.get(0), -1), A),
        of(
            "CumSum",
            (o, v) -> o.onnx("CumSum", v.get(0), o.editor().constant(Tensor.scalar(1L))),
            A),
        of(
            "CumSum",
            "reverse, exclusive",
            (o, v) ->
                o.onnx(
                    "CumSum",
                    Attributes.of("reverse", 1).with("exclusive", 1),
                    v.get(0),
                    o.editor().constant(Tensor.scalar(0L))),
            A),
        of("Softmax", (o, v) -> o.softmax(v.get(0), -1), A),
        of("LogSoftmax", (o, v) -> o.onnx("LogSoftmax", Attributes.of("axis", -1), v.get(0)), A),
        of(
            "LayerNormalization",
            (o, v) -> o.onnx("LayerNormalization", v.get(0), v.get(1), v.get(2)),
            A,
            Shape.of(4),
            Shape.of(4)),
        of(
            "RMSNormalization",
            (o, v) -> o.onnx("RMSNormalization", v.get(0), v.get(1)),
            A,
            Shape.of(4)),
        of(
            "dev.manticore.CausalConv",
            (o, v) -> o.own("CausalConv", Attributes.NONE, 1, v.get(0), v.get(1), v.get(2)).get(0),
            Shape.of(2, 5, 3),
            Shape.of(3, 1, 4),
            Shape.of(3)),
        of(
            "dev.manticore.CausalConv",
            "no bias, short",
            (o, v) -> o.own("CausalConv", Attributes.NONE, 1, v.get(0), v.get(1)).get(0),
            Shape.of(2, 2, 3),
            Shape.of(3, 1, 4)),
        of(
            "dev.manticore.SelectiveScan",
            (o, v) -> scan(o, v),
            Shape.of(2, 5, 3),
            Shape.of(2, 5, 3),
            Shape.of(3, 2),
            Shape.of(2, 5, 2),
            Shape.of(2, 5, 2)),
        of(
            "dev.manticore.SelectiveScan",
            "one step",
            (o, v) -> scan(o, v),
            Shape.of(1, 1, 3),
            Shape.of(1, 1, 3),
            Shape.of(3, 2),
            Shape.of(1, 1, 2),
            Shape.of(1, 1, 2)),
        of(
            "dev.manticore.StateSpaceDual",
            "two groups, a chunk that is not full",
            (o, v) -> dual(o, v, 4, 2, 3),
            Shape.of(2, 7, 8),
            Shape.of(2, 7, 4),
            Shape.of(4),
            Shape.of(2, 7, 6),
            Shape.of(2, 7, 6)),
        of(
            "dev.manticore.StateSpaceDual",
            "many chunks",
            (o, v) -> dual(o, v, 3, 1, 2),
            Shape.of(1, 9, 3),
            Shape.of(1, 9, 3),
            Shape.of(3),
            Shape.of(1, 9, 2),
            Shape.of(1, 9, 2)),
        of(
            "dev.manticore.StateSpaceDual",
            "one token, a group for each head",
            (o, v) -> dual(o, v, 2, 2, 8),
            Shape.of(2, 1, 4),
            Shape.of(2, 1, 2),
            Shape.of(2),
            Shape.of(2, 1, 4),
            Shape.of(2, 1, 4)),
        of(
            "dev.manticore.Attention",
            (o, v) ->
                o.own(
                        "Attention",
                        Attributes.of("heads", 2).with("scale", Attribute.of(0.7f)),
                        1,
                        v.get(0),
                        v.get(1),
                        v.get(2),
                        o.editor()
                            .constant(
                                Tensor.ofFloats(
                                    Shape.of(3, 4), 0, -99, -99, 1, 0, 0, -99, 2, 0, 0, 0, 0)))
                    .get(0),
            Shape.of(2, 3, 6),
            Shape.of(2, 4, 6),
            Shape.of(2, 4, 6)),
        of(
            "dev.manticore.CausalAttention",
            "all keys before",
            (o, v) -> causalAttention(o, v, 5),
            Shape.of(2, 5, 6),
            Shape.of(2, 5, 6),
            Shape.of(2, 5, 6)),
        of(
            "dev.manticore.CausalAttention",
            "a window of them",
            (o, v) -> causalAttention(o, v, 2),
            Shape.of(1, 7, 4),
            Shape.of(1, 7, 4),
            Shape.of(1, 7, 4)),
        of(
            "dev.manticore.CausalAttention",
            "one token",
            (o, v) -> causalAttention(o, v, 3),
            Shape.of(1, 1, 4),
            Shape.of(1, 1, 4),
            Shape.of(1, 1, 4)),
        of(
            "dev.manticore.CrossEntropy",
            (o, v) -> o.own("CrossEntropy", Attributes.NONE, 2, v.get(0), labels(o)).get(0),
            Shape.of(2, 3, 5)),
        of(
            "dev.manticore.LinearCrossEntropy",
            (o, v) -> linearCrossEntropy(o, v, false),
            Shape.of(2, 3, 4),
            Shape.of(4, 5)),
        of(
            "dev.manticore.LinearCrossEntropy",
            "transposed",
            (o, v) -> linearCrossEntropy(o, v, true),
            Shape.of(2, 3, 4),
            Shape.of(5, 4)),
        of(
            "dev.manticore.LinearCrossEntropySum",
            (o, v) -> linearCrossEntropy(o, v, false),
            Shape.of(2, 3, 4),
            Shape.of(4, 5),
            Shape.of(2, 3, 6),
            Shape.of(6, 5)),
        of(
            "dev.manticore.Projector",
            "wider",
            (o, v) -> projector(o, v),
            A,
            Shape.of(6, 4),
            Shape.of(6),
            Shape.of(1)),
        of(
            "dev.manticore.Projector",
            "narrower",
            (o, v) -> projector(o, v),
            A,
            Shape.of(3, 4),
            Shape.of(3),
            Shape.of(1)),
        of(
            "dev.manticore.Mixture",
            (o, v) -> o.own("Mixture", Attributes.NONE, 1, v.get(0), v.get(1), v.get(2)).get(0),
            Shape.of(2),
            A,
            Shape.of(2, 3, 6)));
  }

  private static Value projector(Ops o, List<Value> v) {
    return o.own("Projector", Attributes.NONE, 1, v.toArray(Value[]::new)).get(0);
  }

  private static Value scan(Ops o, List<Value> v) {
    Value delta = o.onnx("Softplus", v.get(1));
    Value a = o.neg(o.exp(v.get(2)));
    return o.own("SelectiveScan", Attributes.NONE, 1, v.get(0), delta, a, v.get(3), v.get(4))
        .get(0);
  }

  private static Value dual(Ops o, List<Value> v, long heads, long groups, long chunk) {
    Value delta = o.onnx("Softplus", v.get(1));
    Value a = o.neg(o.exp(v.get(2)));
    Attributes attributes =
        Attributes.of("heads", heads).with("groups", groups).with("chunk_size", chunk);
    return o.own("StateSpaceDual", attributes, 1, v.get(0), delta, a, v.get(3), v.get(4)).get(0);
  }

  private static Value causalAttention(Ops o, List<Value> v, long window) {
    Attributes attributes =
        Attributes.of("heads", 2).with("scale", Attribute.of(0.7f)).with("window", window);
    return o.own("CausalAttention", attributes, 1, v.get(0), v.get(1), v.get(2)).get(0);
  }

  /** Twice, since a gradient of the loss that is not 1 has to be heeded. */
  private static Value linearCrossEntropy(Ops o, List<Value> v, boolean turned) {
    List<Value> operands = new ArrayList<>(v);
    operands.add(labels(o));
    return o.mul(
        o.own(
                "LinearCrossEntropy" + (v.size() > 2 ? "Sum" : ""),
                Attributes.of("transB", turned ? 1 : 0),
                1 + v.size(),
                operands.toArray(Value[]::new))
            .get(0),
        2);
  }

  private static Value labels(Ops o) {
    return o.editor().constant(Tensor.ofLongs(Shape.of(2, 3), 0, -100, 4, 2, 2, -100));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithFiniteDifferences(Case tested) {
    Random random = new Random(tested.toString().hashCode());
    GraphEditor editor = new GraphEditor("case");
    Ops ops = new Ops(editor);
    List<Value> operands = new ArrayList<>();
    Map<String, NdArray> point = new LinkedHashMap<>();
    Map<String, NdArray> direction = new LinkedHashMap<>();
    for (int i = 0; i < tested.shapes().size(); i++) {
      Shape shape = tested.shapes().get(i);
      Value operand = editor.input("x" + i, new TensorType(ElementType.FLOAT32, shape));
      operands.add(operand);
      point.put(operand.name(), draw(random, shape, tested.positive()));
      direction.put(operand.name(), draw(random, shape, false));
    }
    Value y = tested.function().apply(ops, operands);
    // A random linear form of the result, so that no symmetry hides an error.
    Value weights =
        editor.constant(
            Tensor.ofDoubles(y.elementType(), y.shape(), draw(random, y.shape(), false).data()));
    Value loss = ops.onnx("ReduceSum", Attributes.of("keepdims", 0), ops.mul(y, weights));
    editor.output(loss);
    Graph forward = Differentiate.preparation().run(editor.freezeLive());
    GraphEditor extended = forward.edit();
    Map<Value, Value> gradients =
        Differentiate.gradients(extended, forward.outputs().get(0), forward.inputs());
    forward.inputs().forEach(input -> extended.output(gradients.get(input)));
    Graph both = extended.freezeLive();

    List<NdArray> results = new ArrayList<>(new Interpreter().run(both, point).values());
    double analytic = 0;
    for (int i = 0; i < forward.inputs().size(); i++) {
      Value input = forward.inputs().get(i);
      NdArray gradient = gradientOf(both, results, i, gradients.get(input));
      assertThat(gradient.shape()).isEqualTo(point.get(input.name()).shape());
      for (int j = 0; j < gradient.size(); j++) {
        analytic += gradient.data()[j] * direction.get(input.name()).data()[j];
      }
    }
    double step = 1e-5;
    double numeric =
        (loss(forward, moved(point, direction, step))
                - loss(forward, moved(point, direction, -step)))
            / (2 * step);
    assertThat(analytic)
        .isCloseTo(
            numeric,
            org.assertj.core.data.Offset.offset(RELATIVE * Math.max(1, Math.abs(numeric))));
  }

  /** Outputs of the same name collapse in the map of results: look the value up by name. */
  private static NdArray gradientOf(Graph both, List<NdArray> results, int index, Value gradient) {
    Set<String> names = new LinkedHashSet<>();
    both.outputs().forEach(output -> names.add(output.name()));
    return results.get(new ArrayList<>(names).indexOf(gradient.name()));
  }

  private static double loss(Graph graph, Map<String, NdArray> point) {
    return new Interpreter().run(graph, point).values().iterator().next().data()[0];
  }

  private static Map<String, NdArray> moved(
      Map<String, NdArray> point, Map<String, NdArray> direction, double by) {
    Map<String, NdArray> moved = new LinkedHashMap<>();
    point.forEach(
        (name, array) -> {
          double[] data = array.data().clone();
          for (int i = 0; i < data.length; i++) {
            data[i] += by * direction.get(name).data()[i];
          }
          moved.put(name, NdArray.of(array.elementType(), array.shape(), data));
        });
    return moved;
  }

  private static NdArray draw(Random random, Shape shape, boolean positive) {
    int[] extents = java.util.Arrays.stream(shape.extents()).mapToInt(e -> (int) e).toArray();
    double[] data = new double[(int) shape.elementCount()];
    for (int i = 0; i < data.length; i++) {
      data[i] = positive ? 0.5 + random.nextDouble() : random.nextGaussian();
    }
    return NdArray.of(ElementType.FLOAT32, extents, data);
  }

  @Test
  void everyRuleIsTested() {
    Set<String> tested = new LinkedHashSet<>();
    cases().forEach(c -> tested.add(c.operator()));
    assertThat(tested).containsAll(Differentiate.operators());
  }

  /** But for those that rules, training steps and decoders are made of. */
  @Test
  void everyBodyInPlaceOfARuleIsTested() {
    Set<String> tested = new LinkedHashSet<>();
    cases().forEach(c -> tested.add(c.operator()));

    Catalogue catalogue = Catalogue.standard();
    assertThat(catalogue.operators())
        .filteredOn(op -> !op.domain().equals(OpId.KERNEL))
        .filteredOn(op -> catalogue.find(op).orElseThrow().hasBody())
        .extracting(OpId::toString)
        .filteredOn(name -> !Differentiate.operators().contains(name))
        .filteredOn(name -> !name.endsWith("Grad") && !name.endsWith("AdamW"))
        .filteredOn(name -> !name.endsWith("WithState"))
        .isNotEmpty()
        .isSubsetOf(tested);
  }

  @Test
  void namesTheOperatorThatCannotBeDifferentiated() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 3));
    Value condition = editor.input("condition", TensorType.of(ElementType.BOOL, 3));
    Value y = editor.add(OpId.onnx("Compress"), x, condition);
    Value loss = new Ops(editor).reduceSum(y, 0);
    assertThatThrownBy(() -> Differentiate.gradients(editor, loss, List.of(x)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("'Compress' (Compress)")
        .hasMessageContaining("cannot be differentiated");
  }

  @Test
  void noiseOfTheShapeOfAValueDoesNotDependOnIt() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 3));
    Ops ops = new Ops(editor);
    Value noisy = ops.add(ops.mul(x, 2), ops.onnx("RandomNormalLike", x));
    Value loss = ops.reduceSum(noisy, 0);
    editor.output(Differentiate.gradients(editor, loss, List.of(x)).get(x));

    Map<String, NdArray> gradient =
        new Interpreter()
            .run(editor.freezeLive(), Map.of("x", NdArray.zeros(ElementType.FLOAT32, 3)));

    assertThat(gradient.values().iterator().next().data()).containsExactly(2, 2, 2);
  }

  @Test
  void givesZeroForWhatTheLossDoesNotDependOn() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 3));
    Value other = editor.input("other", TensorType.of(ElementType.FLOAT32, 2));
    Value loss = new Ops(editor).reduceSum(x, 0);
    Value gradient = Differentiate.gradients(editor, loss, List.of(other)).get(other);
    editor.output(gradient);
    Map<String, NdArray> result =
        new Interpreter()
            .run(
                editor.freezeLive(),
                Map.of(
                    "x", NdArray.zeros(ElementType.FLOAT32, 3),
                    "other", NdArray.zeros(ElementType.FLOAT32, 2)));
    assertThat(result.values().iterator().next().data()).containsExactly(0, 0);
    assertThat(Optional.of(gradient.shape())).contains(Shape.of(2));
  }
}
