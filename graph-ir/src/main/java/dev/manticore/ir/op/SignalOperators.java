package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.DoubleUnaryOperator;

/** Windows and Fourier transforms; complex numbers are pairs along the last axis. */
final class SignalOperators {

  private SignalOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("HannWindow", window(turn -> 0.5 - 0.5 * Math.cos(turn)))
        .onnx("HammingWindow", window(turn -> 25 / 46.0 - 21 / 46.0 * Math.cos(turn)))
        .onnx(
            "BlackmanWindow",
            window(turn -> 0.42 - 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn)))
        .onnx("DFT", SignalOperators::transformType, SignalOperators::transform)
        .onnx("STFT", SignalOperators::framesType, SignalOperators::frames)
        .build();
  }

  /**
   * @param shape of the window, from 0 to a whole turn
   */
  private static Operator window(DoubleUnaryOperator shape) {
    return Definition.of(
        call ->
            new TensorType(
                windowType(call.attributes()),
                Shape.of(constant(call, 0).map(Dim::of).orElse(Dim.UNKNOWN))),
        evaluation -> {
          int size = (int) evaluation.input(0).data()[0];
          boolean periodic = evaluation.attributes().intValue("periodic", 1) == 1;
          int period = periodic ? size : size - 1;
          double[] values = new double[size];
          Arrays.setAll(values, i -> shape.applyAsDouble(2 * Math.PI * i / period));
          return NdArray.of(windowType(evaluation.attributes()), new int[] {size}, values);
        });
  }

  private static ElementType windowType(Attributes attributes) {
    return ElementType.ofOnnxNumber(Math.toIntExact(attributes.intValue("output_datatype", 1)));
  }

  private static Optional<Long> constant(Call call, int index) {
    return call.constant(index).map(Tensor::toLongs).map(values -> values[0]);
  }

  private static boolean flag(Attributes attributes, String name, long otherwise) {
    return attributes.intValue(name, otherwise) == 1;
  }

  private static Dim bins(Dim length, boolean oneSided) {
    return !oneSided ? length : length.isKnown() ? Dim.of(length.extent() / 2 + 1) : Dim.UNKNOWN;
  }

  private static TensorType transformType(Call call) {
    TensorType input = call.type(0);
    Shape shape = input.shape();
    Optional<Long> axis =
        call.hasInput(2)
            ? constant(call, 2)
            : Optional.of(call.attributes().intValue("axis", call.op().version() < 20 ? 1 : -2));
    if (!shape.isRanked() || axis.isEmpty()) {
      return input.withShape(shape.isRanked() ? Inference.ofRank(shape.rank()) : Shape.unranked());
    }
    int along = Inference.axis(axis.get(), shape.rank());
    Dim length =
        call.hasInput(1) ? constant(call, 1).map(Dim::of).orElse(Dim.UNKNOWN) : shape.dim(along);
    return input.withShape(
        shape
            .withDim(along, bins(length, flag(call.attributes(), "onesided", 0)))
            .withDim(-1, Dim.of(2)));
  }

  private static NdArray transform(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis =
        Inference.axis(
            evaluation.hasInput(2)
                ? evaluation.input(2).toLongs()[0]
                : evaluation.attributes().intValue("axis", evaluation.op().version() < 20 ? 1 : -2),
            input.rank());
    int length = evaluation.hasInput(1) ? (int) evaluation.input(1).data()[0] : input.dim(axis);
    boolean inverse = flag(evaluation.attributes(), "inverse", 0);
    boolean oneSided = flag(evaluation.attributes(), "onesided", 0);
    int parts = input.dim(-1);
    // The axis in question goes last but one, the complex parts last.
    int[] order = Views.axesLast(new int[] {axis, input.rank() - 1}, input.rank());
    NdArray rows = Views.permute(input, order);
    int count = rows.size() / Math.max(1, input.dim(axis) * parts);
    int bins = oneSided ? length / 2 + 1 : length;
    double[] values = new double[count * bins * 2];
    for (int row = 0; row < count; row++) {
      double[] real = new double[length];
      double[] imaginary = new double[length];
      for (int i = 0; i < Math.min(length, input.dim(axis)); i++) {
        int at = (row * input.dim(axis) + i) * parts;
        real[i] = rows.data()[at];
        imaginary[i] = parts == 2 ? rows.data()[at + 1] : 0;
      }
      transform(real, imaginary, bins, inverse, values, row * bins * 2);
    }
    int[] shape = rows.shape().clone();
    shape[shape.length - 2] = bins;
    shape[shape.length - 1] = 2;
    return Views.permute(NdArray.of(input.elementType(), shape, values), Views.inverse(order));
  }

  /** Writes pairs of the first coefficients. */
  private static void transform(
      double[] real, double[] imaginary, int bins, boolean inverse, double[] target, int from) {
    int length = real.length;
    double sign = inverse ? 1 : -1;
    double factor = inverse ? 1.0 / length : 1;
    for (int bin = 0; bin < bins; bin++) {
      double sumReal = 0;
      double sumImaginary = 0;
      for (int i = 0; i < length; i++) {
        double angle = sign * 2 * Math.PI * ((long) bin * i % length) / length;
        sumReal += real[i] * Math.cos(angle) - imaginary[i] * Math.sin(angle);
        sumImaginary += real[i] * Math.sin(angle) + imaginary[i] * Math.cos(angle);
      }
      target[from + 2 * bin] = factor * sumReal;
      target[from + 2 * bin + 1] = factor * sumImaginary;
    }
  }

  private static TensorType framesType(Call call) {
    Inference.requireRank(call, 0, 3);
    Shape signal = call.shape(0);
    Optional<Long> step = constant(call, 1);
    Dim length =
        call.hasInput(3)
            ? constant(call, 3).map(Dim::of).orElse(Dim.UNKNOWN)
            : call.hasInput(2) && call.shape(2).isRanked() ? call.shape(2).dim(0) : Dim.UNKNOWN;
    Dim batch = signal.isRanked() ? signal.dim(0) : Dim.UNKNOWN;
    Dim count =
        signal.isRanked() && signal.dim(1).isKnown() && length.isKnown() && step.isPresent()
            ? Dim.of((signal.dim(1).extent() - length.extent()) / step.get() + 1)
            : Dim.UNKNOWN;
    return call.type(0)
        .withShape(
            Shape.of(
                batch, count, bins(length, flag(call.attributes(), "onesided", 1)), Dim.of(2)));
  }

  private static NdArray frames(Evaluation evaluation) {
    NdArray signal = evaluation.input(0);
    int step = (int) evaluation.input(1).data()[0];
    int length =
        evaluation.hasInput(3) ? (int) evaluation.input(3).data()[0] : evaluation.input(2).size();
    int parts = signal.dim(2);
    int count = (signal.dim(1) - length) / step + 1;
    int bins = flag(evaluation.attributes(), "onesided", 1) ? length / 2 + 1 : length;
    NdArray result = NdArray.zeros(signal.elementType(), signal.dim(0), count, bins, 2);
    for (int frame = 0; frame < signal.dim(0) * count; frame++) {
      double[] real = new double[length];
      double[] imaginary = new double[length];
      for (int i = 0; i < length; i++) {
        int at = (frame / count * signal.dim(1) + frame % count * step + i) * parts;
        double weight = evaluation.hasInput(2) ? evaluation.input(2).data()[i] : 1;
        real[i] = weight * signal.data()[at];
        imaginary[i] = parts == 2 ? weight * signal.data()[at + 1] : 0;
      }
      transform(real, imaginary, bins, false, result.data(), frame * bins * 2);
    }
    return result;
  }
}
