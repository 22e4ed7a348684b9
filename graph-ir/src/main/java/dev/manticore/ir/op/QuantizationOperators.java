package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntUnaryOperator;

/** Operators on integers that stand for numbers by a scale and a zero point. */
final class QuantizationOperators {

  private QuantizationOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx(
            "QuantizeLinear",
            QuantizationOperators::quantizedType,
            evaluation ->
                quantized(
                    evaluation.input(0),
                    evaluation.input(1),
                    zeroPoint(evaluation, 2),
                    target(evaluation),
                    places(evaluation)))
        .onnx(
            "DequantizeLinear",
            call -> call.type(0).withElementType(call.type(1).elementType()),
            evaluation ->
                dequantized(
                    evaluation.input(0),
                    evaluation.input(1),
                    zeroPoint(evaluation, 2),
                    places(evaluation)))
        .onnx(
            "DynamicQuantizeLinear",
            new Definition(
                QuantizationOperators::dynamicTypes, QuantizationOperators::dynamicallyQuantized))
        .onnx(
            "MatMulInteger",
            call ->
                new TensorType(
                    ElementType.INT32, MatrixOperators.product(call.shape(0), call.shape(1))),
            QuantizationOperators::matMulInteger)
        .onnx(
            "QLinearMatMul",
            call ->
                new TensorType(
                    call.type(7).elementType(),
                    MatrixOperators.product(call.shape(0), call.shape(3))),
            QuantizationOperators::quantizedMatMul)
        .onnx(
            "ConvInteger",
            call -> convolved(call, 0, 1).withElementType(ElementType.INT32),
            QuantizationOperators::convInteger)
        .onnx(
            "QLinearConv",
            call -> convolved(call, 0, 3).withElementType(call.type(7).elementType()),
            QuantizationOperators::quantizedConv)
        .build();
  }

  // ---- Scales and zero points

  private static Optional<NdArray> zeroPoint(Evaluation evaluation, int index) {
    return evaluation.hasInput(index) ? Optional.of(evaluation.input(index)) : Optional.empty();
  }

  private static ElementType declared(Attributes attributes, ElementType otherwise) {
    int number = Math.toIntExact(attributes.intValue("output_dtype", 0));
    return number == 0 ? otherwise : ElementType.ofOnnxNumber(number);
  }

  private static TensorType quantizedType(Call call) {
    ElementType type =
        call.hasInput(2)
            ? call.type(2).elementType()
            : declared(call.attributes(), ElementType.UINT8);
    return call.type(0).withElementType(type);
  }

  private static ElementType target(Evaluation evaluation) {
    return evaluation.hasInput(2)
        ? evaluation.input(2).elementType()
        : declared(evaluation.attributes(), ElementType.UINT8);
  }

  /** Which scale an element has: the only one, that of its axis, or that of its block there. */
  private static IntUnaryOperator places(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray scale = evaluation.input(1);
    if (scale.size() == 1) {
      return at -> 0;
    }
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 1), input.rank());
    int stride = input.strides()[axis];
    if (scale.rank() < input.rank() || input.rank() == 1 && scale.dim(0) == input.dim(0)) {
      return at -> at / stride % input.dim(axis);
    }
    int block = Math.toIntExact(evaluation.attributes().intValue("block_size", 0));
    int[] shape = input.shape();
    int[] strides = input.strides();
    int[] scaleStrides = scale.strides();
    return at -> {
      int place = 0;
      for (int i = 0; i < shape.length; i++) {
        int index = at / strides[i] % shape[i];
        place += (i == axis ? index / block : index) * scaleStrides[i];
      }
      return place;
    };
  }

  private static double offset(Optional<NdArray> zeroPoint, int place) {
    return zeroPoint.map(values -> values.data()[values.size() == 1 ? 0 : place]).orElse(0.0);
  }

  private static double factor(NdArray scale, int place) {
    return scale.data()[scale.size() == 1 ? 0 : place];
  }

  private static NdArray quantized(
      NdArray input,
      NdArray scale,
      Optional<NdArray> zeroPoint,
      ElementType type,
      IntUnaryOperator places) {
    boolean small = NumberFormats.isSmallFloat(type);
    if (!type.isInteger() && !small) {
      throw new NotCoveredException("quantising to " + type.text() + " is not covered");
    }
    double[] values = new double[input.size()];
    for (int at = 0; at < values.length; at++) {
      int place = places.applyAsInt(at);
      double units = input.data()[at] / factor(scale, place);
      values[at] =
          small
              ? NumberFormats.roundToSmall(type, units)
              : saturated(type, Math.rint(units) + offset(zeroPoint, place));
    }
    return NdArray.of(type, input.shape(), values);
  }

  private static NdArray dequantized(
      NdArray input, NdArray scale, Optional<NdArray> zeroPoint, IntUnaryOperator places) {
    double[] values = new double[input.size()];
    for (int at = 0; at < values.length; at++) {
      int place = places.applyAsInt(at);
      values[at] = (input.data()[at] - offset(zeroPoint, place)) * factor(scale, place);
    }
    return NdArray.of(scale.elementType(), input.shape(), values);
  }

  private static double saturated(ElementType type, double value) {
    double span = Math.pow(2, type.bitSize());
    boolean signed = type.text().startsWith("i");
    double least = signed ? -span / 2 : 0;
    return Math.max(least, Math.min(least + span - 1, value));
  }

  private static ImmutableList<TensorType> dynamicTypes(Call call) {
    return ImmutableList.of(
        call.type(0).withElementType(ElementType.UINT8),
        TensorType.of(call.type(0).elementType()),
        TensorType.of(ElementType.UINT8));
  }

  /** To all of {@code uint8}, over the range of the input and zero. */
  private static List<NdArray> dynamicallyQuantized(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    double most = Math.max(0, Arrays.stream(input.data()).max().orElse(0));
    double least = Math.min(0, Arrays.stream(input.data()).min().orElse(0));
    double step = most == least ? 1 : (most - least) / 255;
    NdArray scale = NdArray.scalar(input.elementType(), step);
    NdArray zero =
        NdArray.scalar(ElementType.UINT8, saturated(ElementType.UINT8, Math.rint(-least / step)));
    return List.of(
        quantized(input, scale, Optional.of(zero), ElementType.UINT8, at -> 0), scale, zero);
  }

  // ---- Products

  /** An operand without its zero point: one for all, or one for each index along an axis. */
  private static NdArray shifted(
      NdArray input, Optional<NdArray> zeroPoint, int axis, ElementType type) {
    int stride = input.strides()[axis];
    double[] values = new double[input.size()];
    for (int at = 0; at < values.length; at++) {
      values[at] = input.data()[at] - offset(zeroPoint, at / stride % input.dim(axis));
    }
    return NdArray.of(type, input.shape(), values);
  }

  private static int rows(NdArray matrix) {
    return Math.max(0, matrix.rank() - 2);
  }

  private static NdArray matMulInteger(Evaluation evaluation) {
    NdArray left = evaluation.input(0);
    NdArray right = evaluation.input(1);
    return MatrixOperators.product(
        shifted(left, zeroPoint(evaluation, 2), rows(left), ElementType.INT32),
        shifted(right, zeroPoint(evaluation, 3), right.rank() - 1, ElementType.INT32));
  }

  private static NdArray quantizedMatMul(Evaluation evaluation) {
    NdArray left = evaluation.input(0);
    NdArray right = evaluation.input(3);
    int column = right.rank() - 1;
    NdArray product =
        MatrixOperators.product(
            scaled(left, evaluation, 1, rows(left)), scaled(right, evaluation, 4, column));
    return requantized(product, evaluation);
  }

  /** An operand as the numbers that it stands for; its scale and zero point are inputs. */
  private static NdArray scaled(NdArray input, Evaluation evaluation, int scale, int axis) {
    int stride = input.strides()[axis];
    return dequantized(
            input,
            evaluation.input(scale),
            zeroPoint(evaluation, scale + 1),
            at -> at / stride % input.dim(axis))
        .withElementType(ElementType.FLOAT64);
  }

  private static NdArray requantized(NdArray result, Evaluation evaluation) {
    NdArray zero = evaluation.input(7);
    return quantized(result, evaluation.input(6), Optional.of(zero), zero.elementType(), at -> 0);
  }

  /** What a convolution of floats of these shapes gives. */
  private static TensorType convolved(Call call, int input, int weight) {
    ImmutableList<Optional<Value>> operands =
        ImmutableList.of(operand(call.shape(input)), operand(call.shape(weight)));
    return ConvolutionOperators.convType(
        new Call(OpId.onnx("Conv"), call.attributes(), operands, 1, call.constants()));
  }

  private static Optional<Value> operand(Shape shape) {
    return Optional.of(new Value("operand", new TensorType(ElementType.FLOAT32, shape)));
  }

  private static NdArray convolution(Evaluation evaluation, NdArray input, NdArray weight) {
    return ConvolutionOperators.conv(
        new Evaluation(
            OpId.onnx("Conv"),
            evaluation.attributes(),
            List.of(Optional.of(input), Optional.of(weight)),
            1));
  }

  private static NdArray convInteger(Evaluation evaluation) {
    return convolution(
        evaluation,
        shifted(evaluation.input(0), zeroPoint(evaluation, 2), 1, ElementType.INT32),
        shifted(evaluation.input(1), zeroPoint(evaluation, 3), 0, ElementType.INT32));
  }

  private static NdArray quantizedConv(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray result =
        convolution(
            evaluation,
            scaled(input, evaluation, 1, 1),
            scaled(evaluation.input(3), evaluation, 4, 0));
    if (evaluation.hasInput(8)) {
      // The bias is an integer in units of the product of both scales.
      int stride = result.strides()[1];
      for (int at = 0; at < result.size(); at++) {
        int filter = at / stride % result.dim(1);
        result.data()[at] +=
            evaluation.input(8).data()[filter]
                * factor(evaluation.input(1), 0)
                * factor(evaluation.input(4), filter);
      }
    }
    return requantized(result, evaluation);
  }
}
