package dev.manticore.ir.op;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.IrException;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.Optional;

/** {@code Resize}: each axis is sampled anew, one after another. */
final class ResizeOperator {

  private static final int SCALES = 2;
  private static final int SIZES = 3;

  private ResizeOperator() {}

  /** How an axis is sampled: how many times, and how far apart. */
  private record Axis(int extent, int result, double scale, double from, double to) {

    /** Where in the input a place of the result is, fractions included. */
    double source(String coordinates, int place) {
      double length = scale * extent;
      double halfPixel = (place + 0.5) / scale - 0.5;
      return switch (coordinates) {
        case "half_pixel" -> halfPixel;
        case "half_pixel_symmetric" -> extent / 2.0 * (1 - result / length) + halfPixel;
        case "pytorch_half_pixel" -> length == 1 ? 0 : halfPixel;
        case "align_corners" -> length == 1 ? 0 : place * (extent - 1) / (length - 1);
        case "asymmetric" -> place / scale;
        case "tf_crop_and_resize" ->
            length == 1
                ? 0.5 * (from + to) * (extent - 1)
                : from * (extent - 1) + place * (to - from) * (extent - 1) / (length - 1);
        default ->
            throw new NotCoveredException("coordinates '" + coordinates + "' are not covered");
      };
    }
  }

  static TensorType type(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    int rank = input.shape().rank();
    Optional<double[]> scales = numbers(call, SCALES);
    Optional<double[]> sizes = numbers(call, SIZES);
    int[] axes = axes(call.attributes(), rank);
    Shape shape = input.shape();
    for (int i = 0; i < axes.length; i++) {
      Dim dim = shape.dim(axes[i]);
      Dim result = Dim.UNKNOWN;
      if (scales.isPresent() && dim.isKnown()) {
        result = Dim.of((long) Math.floor(dim.extent() * scales.get()[i]));
      } else if (scales.isPresent() && scales.get()[i] == 1) {
        result = dim;
      } else if (sizes.isPresent() && policy(call.attributes()).equals("stretch")) {
        result = Dim.of((long) sizes.get()[i]);
      }
      shape = shape.withDim(axes[i], result);
    }
    return input.withShape(shape);
  }

  private static Optional<double[]> numbers(Call call, int index) {
    return call.constant(index).map(Tensor::toDoubles).filter(values -> values.length > 0);
  }

  private static int[] axes(Attributes attributes, int rank) {
    return attributes.has("axes")
        ? Arrays.stream(attributes.intValues("axes"))
            .mapToInt(axis -> Inference.axis(axis, rank))
            .toArray()
        : Inference.allAxes(rank);
  }

  private static String policy(Attributes attributes) {
    return attributes.stringValue("keep_aspect_ratio_policy", "stretch");
  }

  static NdArray evaluate(Evaluation evaluation) {
    Attributes attributes = evaluation.attributes();
    if (attributes.intValue("antialias", 0) != 0) {
      throw new NotCoveredException("resizing with antialiasing is not covered");
    }
    NdArray result = evaluation.input(0);
    int[] axes = axes(attributes, result.rank());
    for (int i = 0; i < axes.length; i++) {
      result = along(result, axes[i], axis(evaluation, axes, i), attributes);
    }
    return result;
  }

  private static boolean given(Evaluation evaluation, int index) {
    return evaluation.hasInput(index) && evaluation.input(index).size() > 0;
  }

  private static Axis axis(Evaluation evaluation, int[] axes, int index) {
    NdArray input = evaluation.input(0);
    int extent = input.dim(axes[index]);
    boolean region = given(evaluation, 1);
    double from = region ? evaluation.input(1).data()[index] : 0;
    double to = region ? evaluation.input(1).data()[axes.length + index] : 1;
    if (given(evaluation, SCALES)) {
      double scale = evaluation.input(SCALES).data()[index];
      return new Axis(extent, (int) Math.floor(extent * scale), scale, from, to);
    }
    if (!given(evaluation, SIZES)) {
      throw new IrException("either scales or sizes must be given");
    }
    double[] sizes = evaluation.input(SIZES).data();
    String policy = policy(evaluation.attributes());
    if (policy.equals("stretch")) {
      return new Axis(extent, (int) sizes[index], sizes[index] / extent, from, to);
    }
    double scale = sizes[0] / input.dim(axes[0]);
    for (int i = 1; i < axes.length; i++) {
      double other = sizes[i] / input.dim(axes[i]);
      scale = policy.equals("not_larger") ? Math.min(scale, other) : Math.max(scale, other);
    }
    return new Axis(extent, (int) Math.floor(scale * extent + 0.5), scale, from, to);
  }

  private static NdArray along(NdArray input, int axis, Axis sampled, Attributes attributes) {
    if (sampled.scale() == 1 && sampled.from() == 0 && sampled.to() == 1) {
      return input;
    }
    String coordinates = attributes.stringValue("coordinate_transformation_mode", "half_pixel");
    double outside = attributes.floatValue("extrapolation_value", 0);
    int extent = sampled.extent();
    int inner = input.strides()[axis];
    int outer = input.size() / Math.max(1, inner * extent);
    int[] shape = input.shape().clone();
    shape[axis] = sampled.result();
    double[] values = new double[NdArray.count(shape)];
    for (int place = 0; place < sampled.result(); place++) {
      double source = sampled.source(coordinates, place);
      boolean beyond =
          coordinates.equals("tf_crop_and_resize") && (source < 0 || source > extent - 1);
      int first = (int) Math.floor(source) - 1;
      double[] weights = weights(attributes, source, first, extent);
      for (int i = 0; i < outer * inner; i++) {
        int at = (i / inner * sampled.result() + place) * inner + i % inner;
        double sum = beyond ? outside : 0;
        for (int tap = 0; tap < weights.length && !beyond; tap++) {
          int from = Math.max(0, Math.min(extent - 1, first + tap));
          if (weights[tap] != 0) {
            sum += weights[tap] * input.data()[(i / inner * extent + from) * inner + i % inner];
          }
        }
        values[at] = Elements.fit(input.elementType(), sum);
      }
    }
    return NdArray.of(input.elementType(), shape, values);
  }

  /** The weights of the four elements around a place, from the one before the last below it on. */
  private static double[] weights(Attributes attributes, double source, int first, int extent) {
    double[] weights = new double[4];
    double fraction = source - Math.floor(source);
    switch (attributes.stringValue("mode", "nearest")) {
      case "nearest" -> {
        double nearest =
            switch (attributes.stringValue("nearest_mode", "round_prefer_floor")) {
              case "round_prefer_floor" -> Math.ceil(source - 0.5);
              case "round_prefer_ceil" -> Math.floor(source + 0.5);
              case "floor" -> Math.floor(source);
              case "ceil" -> Math.ceil(source);
              default -> throw new IrException("nearest_mode is not known");
            };
        weights[(int) nearest - first] = 1;
      }
      case "linear" -> {
        weights[1] = 1 - fraction;
        weights[2] = fraction;
      }
      case "cubic" -> {
        double a = attributes.floatValue("cubic_coeff_a", -0.75f);
        for (int tap = 0; tap < 4; tap++) {
          weights[tap] = cubic(a, Math.abs(fraction + 1 - tap));
        }
      }
      default -> throw new IrException("mode of Resize is not known");
    }
    if (attributes.intValue("exclude_outside", 0) != 0) {
      double total = 0;
      for (int tap = 0; tap < 4; tap++) {
        weights[tap] = first + tap < 0 || first + tap >= extent ? 0 : weights[tap];
        total += weights[tap];
      }
      for (int tap = 0; tap < 4; tap++) {
        weights[tap] /= total;
      }
    }
    return weights;
  }

  private static double cubic(double a, double distance) {
    if (distance <= 1) {
      return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
    }
    return ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a;
  }
}
