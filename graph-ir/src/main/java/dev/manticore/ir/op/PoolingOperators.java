package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Pools over the spatial axes of [batch, channels, spatial axes...]. */
final class PoolingOperators {

  private PoolingOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("MaxPool", new Definition(PoolingOperators::maxPoolTypes, PoolingOperators::maxPool))
        .onnx("AveragePool", PoolingOperators::poolType, PoolingOperators::averagePool)
        .onnx("LpPool", PoolingOperators::poolType, PoolingOperators::normPool)
        .onnx("GlobalLpPool", PoolingOperators::globalType, PoolingOperators::globalNorm)
        .onnx("GlobalMaxPool", PoolingOperators::globalType, PoolingOperators::globalMax)
        .onnx("GlobalAveragePool", PoolingOperators::globalType, PoolingOperators::globalAverage)
        .build();
  }

  private static Windows windows(Attributes attributes, int spatialRank) {
    if (!attributes.has("kernel_shape")) {
      throw new IrException("attribute 'kernel_shape' is missing");
    }
    return Windows.of(attributes, Windows.ints(attributes, "kernel_shape", spatialRank, 1));
  }

  private static TensorType poolType(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    requireSpatial(input.shape());
    List<Dim> dims = new ArrayList<>(input.shape().dims().subList(0, 2));
    dims.addAll(windows(call.attributes(), input.shape().rank() - 2).counts(input.shape()));
    return input.withShape(Shape.of(dims));
  }

  private static void requireSpatial(Shape shape) {
    if (shape.rank() < 3) {
      throw new IrException("input " + shape + " should be [batch, channels, spatial axes...]");
    }
  }

  private static ImmutableList<TensorType> maxPoolTypes(Call call) {
    TensorType type = poolType(call);
    return ImmutableList.of(type, type.withElementType(ElementType.INT64));
  }

  private static List<NdArray> maxPool(Evaluation evaluation) {
    boolean columnMajor = evaluation.attributes().intValue("storage_order", 0) == 1;
    NdArray input = evaluation.input(0);
    int[] spatial = Arrays.copyOfRange(input.shape(), 2, input.rank());
    Windows windows = windows(evaluation.attributes(), spatial.length);
    int[] offsets = windows.offsets(spatial);
    int[] shape = Ints.concat(Arrays.copyOf(input.shape(), 2), windows.counts(spatial));
    int image = NdArray.count(spatial);
    int places = NdArray.count(windows.kernel());
    int positions = offsets.length / places;
    NdArray result = NdArray.zeros(input.elementType(), shape);
    NdArray indices = NdArray.zeros(ElementType.INT64, shape);
    for (int at = 0; at < result.size(); at++) {
      int start = at / positions * image;
      double max = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < places; i++) {
        int offset = offsets[at % positions * places + i];
        if (offset >= 0 && input.data()[start + offset] > max) {
          max = input.data()[start + offset];
          indices.data()[at] = start + (columnMajor ? columnMajor(offset, spatial) : offset);
        }
      }
      result.data()[at] = max;
    }
    return List.of(result, indices);
  }

  /** The number of a place when the first axis varies fastest. */
  private static int columnMajor(int offset, int[] spatial) {
    int[] strides = NdArray.strides(spatial);
    int index = 0;
    for (int axis = spatial.length - 1; axis >= 0; axis--) {
      index = index * spatial[axis] + offset / strides[axis] % spatial[axis];
    }
    return index;
  }

  private static NdArray averagePool(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    boolean withPadding = evaluation.attributes().intValue("count_include_pad", 0) == 1;
    int[] spatial = Arrays.copyOfRange(input.shape(), 2, input.rank());
    Windows windows = windows(evaluation.attributes(), spatial.length);
    int[] offsets = windows.offsets(spatial);
    int[] shape = Ints.concat(Arrays.copyOf(input.shape(), 2), windows.counts(spatial));
    int image = NdArray.count(spatial);
    int places = NdArray.count(windows.kernel());
    int positions = offsets.length / places;
    NdArray result = NdArray.zeros(input.elementType(), shape);
    for (int at = 0; at < result.size(); at++) {
      int start = at / positions * image;
      double sum = 0;
      int count = 0;
      for (int i = 0; i < places; i++) {
        int offset = offsets[at % positions * places + i];
        if (offset >= 0) {
          sum += input.data()[start + offset];
        }
        if (offset >= 0 || withPadding && offset == Windows.PADDING) {
          count++;
        }
      }
      result.data()[at] = sum / count;
    }
    return result;
  }

  private static TensorType globalType(Call call) {
    Shape shape = call.shape(0);
    if (shape.isRanked()) {
      requireSpatial(shape);
      for (int axis = 2; axis < call.shape(0).rank(); axis++) {
        shape = shape.withDim(axis, Dim.of(1));
      }
    }
    return call.type(0).withShape(shape);
  }

  private static NdArray global(NdArray input) {
    int[] shape = input.shape().clone();
    Arrays.fill(shape, 2, shape.length, 1);
    return NdArray.zeros(input.elementType(), shape);
  }

  private static NdArray globalMax(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray result = global(input);
    Arrays.fill(result.data(), Double.NEGATIVE_INFINITY);
    int image = input.size() / Math.max(1, result.size());
    for (int at = 0; at < input.size(); at++) {
      result.data()[at / image] = Math.max(result.data()[at / image], input.data()[at]);
    }
    return result;
  }

  private static NdArray globalAverage(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray result = global(input);
    int image = input.size() / Math.max(1, result.size());
    for (int at = 0; at < input.size(); at++) {
      result.data()[at / image] += input.data()[at] / image;
    }
    return result;
  }

  private static double power(Evaluation evaluation) {
    return evaluation.attributes().intValue("p", 2);
  }

  private static NdArray normPool(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    double power = power(evaluation);
    int[] spatial = Arrays.copyOfRange(input.shape(), 2, input.rank());
    Windows windows = windows(evaluation.attributes(), spatial.length);
    int[] offsets = windows.offsets(spatial);
    int[] shape = Ints.concat(Arrays.copyOf(input.shape(), 2), windows.counts(spatial));
    int image = NdArray.count(spatial);
    int places = NdArray.count(windows.kernel());
    int positions = offsets.length / places;
    NdArray result = NdArray.zeros(input.elementType(), shape);
    for (int at = 0; at < result.size(); at++) {
      double sum = 0;
      for (int i = 0; i < places; i++) {
        int offset = offsets[at % positions * places + i];
        if (offset >= 0) {
          sum += Math.pow(Math.abs(input.data()[at / positions * image + offset]), power);
        }
      }
      result.data()[at] = Math.pow(sum, 1 / power);
    }
    return result;
  }

  private static NdArray globalNorm(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    double power = power(evaluation);
    NdArray result = global(input);
    int image = input.size() / Math.max(1, result.size());
    for (int at = 0; at < input.size(); at++) {
      result.data()[at / image] += Math.pow(Math.abs(input.data()[at]), power);
    }
    return ElementwiseOperators.map(result, input.elementType(), sum -> Math.pow(sum, 1 / power));
  }
}
