package dev.manticore.ir.autodiff;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.BackwardRulesTest.Case;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.Stream;

/**
 * Cases of standard operators beyond those that language models are made of: those with a rule of
 * their own and those that are differentiated by their body.
 */
final class StandardOperatorCases {

  private static final Shape A = Shape.of(2, 3, 4);
  private static final Shape IMAGE = Shape.of(2, 4, 5, 6);

  private StandardOperatorCases() {}

  private static Case of(
      String operator, String what, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return new Case(operator, what, false, ImmutableList.copyOf(shapes), function);
  }

  private static Case of(
      String operator, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return of(operator, "", function, shapes);
  }

  private static Case positive(
      String operator, String what, BiFunction<Ops, List<Value>, Value> function, Shape... shapes) {
    return new Case(operator, what, true, ImmutableList.copyOf(shapes), function);
  }

  private static Case simple(String operator, Attributes attributes, Shape... shapes) {
    return of(
        operator,
        attributes.values().toString(),
        (o, v) -> o.onnx(operator, attributes, v.toArray(Value[]::new)),
        shapes);
  }

  private static Case simple(String operator) {
    return simple(operator, Attributes.NONE, A);
  }

  private static Attributes floats(String name, float value) {
    return Attributes.of(name, Attribute.of(value));
  }

  private static Attributes ints(String name, long... values) {
    return Attributes.of(name, Attribute.ofInts(values));
  }

  private static Attributes text(String name, String value) {
    return Attributes.of(name, Attribute.of(value));
  }

  private static Case reduction(String operator, Attributes attributes, long... axes) {
    return positive(
        operator,
        attributes.values() + " of " + axes.length,
        (o, v) ->
            axes.length == 0
                ? o.onnx(operator, attributes, v.get(0))
                : o.onnx(operator, attributes, v.get(0), o.ints(axes)),
        A);
  }

  private static Value longs(Ops o, Shape shape, long... values) {
    return o.editor().constant(Tensor.ofLongs(shape, values));
  }

  private static Value floatConstant(Ops o, double value) {
    return o.scalar(ElementType.FLOAT32, value);
  }

  private static Value first(
      Ops o, OpId op, Attributes attributes, int outputs, List<Optional<Value>> operands) {
    return o.editor().add(op, op.name(), attributes, operands, outputs).get(0);
  }

  private static Value attention(Ops o, Attributes attributes, Value... operands) {
    List<Optional<Value>> given =
        Stream.of(operands).map(Optional::ofNullable).collect(ImmutableList.toImmutableList());
    return first(o, OpId.onnx("Attention"), attributes, 1, given);
  }

  static Stream<Case> cases() {
    return Stream.of(
            activations(),
            products(),
            movement(),
            indices(),
            reductions(),
            normalisations(),
            compositions())
        .flatMap(cases -> cases);
  }

  private static Stream<Case> activations() {
    return Stream.of(
        of("Tan", (o, v) -> o.onnx("Tan", o.tanh(v.get(0))), A),
        of("Asin", (o, v) -> o.onnx("Asin", o.mul(o.tanh(v.get(0)), 0.9)), A),
        of("Acos", (o, v) -> o.onnx("Acos", o.mul(o.tanh(v.get(0)), 0.9)), A),
        simple("Atan"),
        simple("Sinh"),
        simple("Cosh"),
        simple("Asinh"),
        positive("Acosh", "", (o, v) -> o.onnx("Acosh", o.add(v.get(0), 1)), A),
        of("Atanh", (o, v) -> o.onnx("Atanh", o.mul(o.tanh(v.get(0)), 0.9)), A),
        simple("Softsign"),
        simple("Elu", floats("alpha", 0.7f), A),
        simple("Selu"),
        simple("Celu", floats("alpha", 1.3f), A),
        simple("LeakyRelu", floats("alpha", 0.2f), A),
        simple("ThresholdedRelu", floats("alpha", 0.3f), A),
        simple("Shrink", floats("lambd", 0.4f).with("bias", Attribute.of(0.1f)), A),
        simple("HardSigmoid"),
        simple("HardSwish"),
        of("HardSwish", "wide", (o, v) -> o.onnx("HardSwish", o.mul(v.get(0), 4)), A),
        simple("Mish"),
        simple("Swish", floats("alpha", 1.4f), A),
        simple("Floor"),
        simple("Ceil"),
        simple("Round"),
        simple("Sign"),
        simple("Hardmax"),
        of(
            "Clip",
            (o, v) -> o.onnx("Clip", v.get(0), floatConstant(o, -0.5), floatConstant(o, 0.8)),
            A),
        of(
            "Clip",
            "bounds wanted",
            (o, v) ->
                o.onnx("Clip", o.mul(v.get(0), 3), v.get(1), o.add(o.mul(v.get(2), v.get(2)), 0.5)),
            A,
            Shape.scalar(),
            Shape.scalar()),
        of("Dropout", (o, v) -> o.onnx("Dropout", v.get(0)), A),
        of(
            "Dropout",
            "training, nothing dropped",
            (o, v) ->
                o.onnx("Dropout", v.get(0), floatConstant(o, 0), o.scalar(ElementType.BOOL, 1)),
            A),
        of("CastLike", (o, v) -> o.onnx("CastLike", v.get(0), v.get(1)), A, A),
        of("Mean", (o, v) -> o.onnx("Mean", v.get(0), v.get(1), v.get(2)), A, Shape.of(4), A),
        positive(
            "Mod",
            "fmod",
            (o, v) -> o.onnx("Mod", Attributes.of("fmod", 1), o.mul(v.get(0), 3), v.get(1)),
            A,
            Shape.of(3, 1)),
        simple("PRelu", Attributes.NONE, A, Shape.of(3, 1)),
        positive(
            "Pow", "exponent wanted", (o, v) -> o.onnx("Pow", v.get(0), v.get(1)), A, Shape.of(4)),
        of("com.microsoft.Gelu", (o, v) -> o.editor().add(OpId.microsoft("Gelu"), v.get(0)), A),
        of(
            "com.microsoft.FastGelu",
            (o, v) -> o.editor().add(OpId.microsoft("FastGelu"), v.get(0), v.get(1)),
            A,
            Shape.of(4)),
        of(
            "com.microsoft.QuickGelu",
            (o, v) -> o.editor().add(OpId.microsoft("QuickGelu"), v.get(0)),
            A));
  }

  private static Stream<Case> products() {
    return Stream.of(
        of(
            "MatMul",
            "vector, matrix",
            (o, v) -> o.matMul(v.get(0), v.get(1)),
            Shape.of(4),
            A.withDim(1, A.dim(2))),
        of("MatMul", "matrix, vector", (o, v) -> o.matMul(v.get(0), v.get(1)), A, Shape.of(4)),
        of("MatMul", "vectors", (o, v) -> o.matMul(v.get(0), v.get(1)), Shape.of(4), Shape.of(4)),
        of(
            "com.microsoft.FusedMatMul",
            (o, v) ->
                o.editor()
                    .add(
                        OpId.microsoft("FusedMatMul"),
                        Attributes.of("transB", 1).with("alpha", Attribute.of(0.5f)),
                        v.get(0),
                        v.get(1)),
            A,
            Shape.of(2, 5, 4)),
        simple("Einsum", text("equation", "bij,bjk->bik"), A, Shape.of(2, 4, 5)),
        simple("Einsum", text("equation", "bij, j -> ib"), A, Shape.of(4)),
        simple("Einsum", text("equation", "bij->b"), A),
        simple("Einsum", text("equation", "i,j,ij->ij"), Shape.of(3), Shape.of(4), Shape.of(3, 4)),
        simple("Conv", Attributes.NONE, IMAGE, Shape.of(3, 4, 2, 3), Shape.of(3)),
        simple(
            "Conv",
            ints("strides", 2, 3)
                .with("pads", Attribute.ofInts(1, 0, 2, 1))
                .with("dilations", Attribute.ofInts(1, 2))
                .with("group", 2),
            IMAGE,
            Shape.of(6, 2, 3, 2),
            Shape.of(6)),
        simple(
            "Conv",
            text("auto_pad", "SAME_UPPER").with("strides", Attribute.ofInts(2)),
            Shape.of(2, 4, 7),
            Shape.of(3, 4, 3)),
        simple("ConvTranspose", Attributes.NONE, IMAGE, Shape.of(4, 3, 2, 3), Shape.of(3)),
        simple(
            "ConvTranspose",
            ints("strides", 2, 3)
                .with("pads", Attribute.ofInts(1, 0, 0, 1))
                .with("output_padding", Attribute.ofInts(1, 2))
                .with("group", 2),
            IMAGE,
            Shape.of(4, 2, 3, 2)),
        simple(
            "AveragePool",
            ints("kernel_shape", 3, 2)
                .with("pads", Attribute.ofInts(1, 0, 1, 1))
                .with("strides", Attribute.ofInts(2, 1)),
            IMAGE),
        simple(
            "AveragePool",
            ints("kernel_shape", 3, 2)
                .with("pads", Attribute.ofInts(1, 0, 1, 1))
                .with("count_include_pad", 1),
            IMAGE),
        simple(
            "MaxPool",
            ints("kernel_shape", 3, 2).with("pads", Attribute.ofInts(1, 0, 1, 1)),
            IMAGE),
        simple("GlobalAveragePool", Attributes.NONE, IMAGE),
        simple("GlobalMaxPool", Attributes.NONE, IMAGE));
  }

  private static Case slice(String what, long start, long end, long axis, long step) {
    return of(
        "Slice",
        what,
        (o, v) -> o.onnx("Slice", v.get(0), o.ints(start), o.ints(end), o.ints(axis), o.ints(step)),
        Shape.of(2, 7, 3));
  }

  private static Case pad(String mode, Shape shape, long... pads) {
    return of(
        "Pad",
        mode + List.of(pads[0], pads[1]),
        (o, v) -> o.onnx("Pad", text("mode", mode), v.get(0), o.ints(pads)),
        shape);
  }

  private static Stream<Case> movement() {
    return Stream.of(
        slice("every second", 1, 6, 1, 2),
        slice("backward", -1, Long.MIN_VALUE, 1, -1),
        slice("backward, every third", 5, -8, 1, -3),
        pad("constant", Shape.of(4, 5), 1, -2, 2, 1),
        pad("edge", Shape.of(3, 4), 1, 2, 2, 3),
        pad("reflect", Shape.of(3, 4), 1, 2, 2, 3),
        pad("wrap", Shape.of(3, 4), 1, 2, 2, 3),
        of("Tile", (o, v) -> o.onnx("Tile", v.get(0), o.ints(2, 1, 3)), A),
        of(
            "Trilu",
            (o, v) ->
                o.onnx(
                    "Trilu", Attributes.of("upper", 0), v.get(0), o.scalar(ElementType.INT64, 1)),
            A),
        of(
            "ReverseSequence",
            (o, v) ->
                o.onnx(
                    "ReverseSequence",
                    Attributes.of("batch_axis", 0).with("time_axis", 1),
                    v.get(0),
                    o.ints(2, 3)),
            A),
        simple("DepthToSpace", Attributes.of("blocksize", 2), Shape.of(2, 8, 2, 3)),
        simple(
            "DepthToSpace",
            Attributes.of("blocksize", 2).with("mode", Attribute.of("CRD")),
            Shape.of(2, 8, 2, 3)),
        simple("SpaceToDepth", Attributes.of("blocksize", 2), Shape.of(2, 3, 4, 6)));
  }

  private static Stream<Case> indices() {
    return Stream.of(
        of(
            "GatherND",
            (o, v) -> o.onnx("GatherND", v.get(0), longs(o, Shape.of(3, 2), 0, 1, 1, -1, 0, 1)),
            A),
        of(
            "GatherND",
            "batches",
            (o, v) ->
                o.onnx(
                    "GatherND",
                    Attributes.of("batch_dims", 1),
                    v.get(0),
                    longs(o, Shape.of(2, 2, 1), 0, 2, -1, 2)),
            A),
        of(
            "ScatterElements",
            (o, v) ->
                o.onnx(
                    "ScatterElements",
                    Attributes.of("axis", 1),
                    v.get(0),
                    longs(o, Shape.of(2, 2), 0, 2, 3, 1),
                    v.get(1)),
            Shape.of(2, 4),
            Shape.of(2, 2)),
        of(
            "ScatterElements",
            "add",
            (o, v) ->
                o.onnx(
                    "ScatterElements",
                    Attributes.of("axis", 1).with("reduction", Attribute.of("add")),
                    v.get(0),
                    longs(o, Shape.of(2, 2), 0, 0, 3, 1),
                    v.get(1)),
            Shape.of(2, 4),
            Shape.of(2, 2)),
        of(
            "ScatterND",
            (o, v) -> o.onnx("ScatterND", v.get(0), longs(o, Shape.of(2, 1), 2, 0), v.get(1)),
            Shape.of(3, 4),
            Shape.of(2, 4)),
        of(
            "ScatterND",
            "add",
            (o, v) ->
                o.onnx(
                    "ScatterND",
                    text("reduction", "add"),
                    v.get(0),
                    longs(o, Shape.of(2, 1), 2, 2),
                    v.get(1)),
            Shape.of(3, 4),
            Shape.of(2, 4)),
        of(
            "OneHot",
            (o, v) -> o.onnx("OneHot", longs(o, Shape.of(3), 0, 2, -1), o.ints(3), v.get(0)),
            Shape.of(2)),
        of(
            "TopK",
            (o, v) ->
                first(
                    o,
                    OpId.onnx("TopK"),
                    Attributes.of("axis", 1),
                    2,
                    List.of(Optional.of(v.get(0)), Optional.of(o.ints(2)))),
            A));
  }

  private static Stream<Case> reductions() {
    Attributes kept = Attributes.of("keepdims", 1);
    Attributes gone = Attributes.of("keepdims", 0);
    return Stream.of(
        reduction("ReduceMax", kept, 1),
        reduction("ReduceMax", gone, 0, 2),
        reduction("ReduceMin", gone),
        reduction("ReduceProd", gone, 2),
        of(
            "ReduceProd",
            "zeros",
            (o, v) ->
                o.onnx(
                    "ReduceProd",
                    gone,
                    o.concat(
                        1,
                        v.get(0),
                        o.mul(
                            v.get(1),
                            o.editor().constant(Tensor.ofFloats(Shape.of(3, 1), 0, 1, 1)))),
                    o.ints(1)),
            Shape.of(3, 4),
            Shape.of(3, 1)),
        reduction("ReduceSumSquare", gone, 1),
        of("ReduceL1", (o, v) -> o.onnx("ReduceL1", gone, v.get(0), o.ints(1)), A),
        reduction("ReduceL2", kept, 1, 2),
        reduction("ReduceLogSum", gone, 1),
        of("ReduceLogSumExp", (o, v) -> o.onnx("ReduceLogSumExp", gone, v.get(0), o.ints(-1)), A));
  }

  private static Stream<Case> normalisations() {
    return Stream.of(
        simple("LayerNormalization", Attributes.of("axis", 1), A, Shape.of(3, 4), Shape.of(3, 4)),
        simple("LayerNormalization", Attributes.of("axis", -2), A, Shape.of(4)),
        simple("RMSNormalization", Attributes.of("axis", 1), A, Shape.of(3, 4)),
        simple("LpNormalization", Attributes.of("axis", 1).with("p", 1), A),
        simple("LpNormalization", Attributes.of("axis", -1), A),
        simple("MeanVarianceNormalization", Attributes.NONE, IMAGE),
        simple("LRN", Attributes.of("size", 3).with("alpha", Attribute.of(0.3f)), IMAGE),
        simple("LpPool", ints("kernel_shape", 2, 2).with("p", 2), IMAGE),
        simple("GlobalLpPool", Attributes.of("p", 3), IMAGE),
        of(
            "DequantizeLinear",
            (o, v) ->
                o.onnx(
                    "DequantizeLinear",
                    o.cast(
                        o.editor().constant(Tensor.ofLongs(Shape.of(2, 3), 1, -2, 3, 4, 5, -6)),
                        ElementType.INT8),
                    v.get(0)),
            Shape.of(3)),
        simple("InstanceNormalization", Attributes.NONE, IMAGE, Shape.of(4), Shape.of(4)),
        simple(
            "GroupNormalization", Attributes.of("num_groups", 2), IMAGE, Shape.of(4), Shape.of(4)),
        of(
            "BatchNormalization",
            (o, v) ->
                o.onnx(
                    "BatchNormalization",
                    v.get(0),
                    v.get(1),
                    v.get(2),
                    v.get(3),
                    o.add(o.mul(v.get(4), v.get(4)), 0.1)),
            IMAGE,
            Shape.of(4),
            Shape.of(4),
            Shape.of(4),
            Shape.of(4)),
        of(
            "BatchNormalization",
            "training",
            (o, v) ->
                first(
                    o,
                    OpId.onnx("BatchNormalization"),
                    Attributes.of("training_mode", 1),
                    3,
                    v.stream().map(Optional::of).toList()),
            IMAGE,
            Shape.of(4),
            Shape.of(4),
            Shape.of(4),
            Shape.of(4)));
  }

  private static Stream<Case> compositions() {
    return Stream.of(
        of(
            "NegativeLogLikelihoodLoss",
            (o, v) ->
                o.onnx(
                    "NegativeLogLikelihoodLoss",
                    Attributes.of("ignore_index", 1),
                    v.get(0),
                    longs(o, Shape.of(3, 2), 0, 1, 2, 3, 1, 0)),
            Shape.of(3, 4, 2)),
        of(
            "SoftmaxCrossEntropyLoss",
            (o, v) ->
                first(
                    o,
                    OpId.onnx("SoftmaxCrossEntropyLoss"),
                    Attributes.NONE,
                    2,
                    List.of(
                        Optional.of(v.get(0)),
                        Optional.of(longs(o, Shape.of(3), 0, 3, 1)),
                        Optional.of(o.sigmoid(v.get(1))))),
            Shape.of(3, 4),
            Shape.of(4)),
        of(
            "Attention",
            "causal",
            (o, v) -> attention(o, Attributes.of("is_causal", 1), v.get(0), v.get(1), v.get(2)),
            Shape.of(2, 4, 3, 2),
            Shape.of(2, 2, 3, 2),
            Shape.of(2, 2, 3, 5)),
        of(
            "Attention",
            "of rank 3, masked, capped",
            (o, v) ->
                attention(
                    o,
                    Attributes.of("q_num_heads", 2)
                        .with("kv_num_heads", 2)
                        .with("softcap", Attribute.of(1.5f))
                        .with("scale", Attribute.of(0.6f)),
                    v.get(0),
                    v.get(1),
                    v.get(2),
                    v.get(3)),
            Shape.of(2, 3, 4),
            Shape.of(2, 5, 4),
            Shape.of(2, 5, 6),
            Shape.of(3, 5)),
        of(
            "Attention",
            "with a past",
            (o, v) ->
                first(
                    o,
                    OpId.onnx("Attention"),
                    Attributes.of("is_causal", 1),
                    3,
                    List.of(
                        Optional.of(v.get(0)),
                        Optional.of(v.get(1)),
                        Optional.of(v.get(2)),
                        Optional.empty(),
                        Optional.of(v.get(3)),
                        Optional.of(v.get(4)))),
            Shape.of(1, 2, 2, 3),
            Shape.of(1, 2, 2, 3),
            Shape.of(1, 2, 2, 3),
            Shape.of(1, 2, 3, 3),
            Shape.of(1, 2, 3, 3)),
        simple(
            "RotaryEmbedding",
            Attributes.NONE,
            Shape.of(2, 2, 3, 4),
            Shape.of(2, 3, 2),
            Shape.of(2, 3, 2)),
        simple(
            "RotaryEmbedding",
            Attributes.of("interleaved", 1).with("num_heads", 2),
            Shape.of(2, 3, 8),
            Shape.of(2, 3, 2),
            Shape.of(2, 3, 2)),
        of(
            "RotaryEmbedding",
            "part, by position",
            (o, v) ->
                o.onnx(
                    "RotaryEmbedding",
                    Attributes.of("rotary_embedding_dim", 2),
                    v.get(0),
                    v.get(1),
                    v.get(2),
                    longs(o, Shape.of(2, 3), 0, 4, 2, 1, 1, 3)),
            Shape.of(2, 2, 3, 4),
            Shape.of(5, 1),
            Shape.of(5, 1)));
  }
}
