package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.List;

/** Operators that relate each element to others along axes: softmax and normalisations. */
final class NormalizationOperators {

  /** The first version of the softmax family that works along one axis alone. */
  private static final int SOFTMAX_ALONG_ONE_AXIS = 13;

  private NormalizationOperators() {}

  /** Rewrites a run of elements in place. */
  @FunctionalInterface
  private interface RowFunction {
    void apply(double[] data, int from, int end);
  }

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("Softmax", alongAxis(NormalizationOperators::softmax))
        .onnx("LogSoftmax", alongAxis(NormalizationOperators::logSoftmax))
        .onnx("Hardmax", alongAxis(NormalizationOperators::hardmax))
        .onnx("LpNormalization", Inference::sameAsInput, NormalizationOperators::lpNormalization)
        .onnx(
            "LayerNormalization",
            new Definition(
                NormalizationOperators::layerNormalizationTypes,
                NormalizationOperators::layerNormalization))
        .onnx(
            "RMSNormalization",
            NormalizationOperators::rmsNormalizationType,
            NormalizationOperators::rmsNormalization)
        .onnx(
            "BatchNormalization",
            new Definition(
                NormalizationOperators::batchNormalizationTypes,
                NormalizationOperators::batchNormalization))
        .onnx(
            "InstanceNormalization",
            NormalizationOperators::channelType,
            NormalizationOperators::instanceNormalization)
        .onnx(
            "MeanVarianceNormalization",
            Inference::sameAsInput,
            NormalizationOperators::meanVarianceNormalization)
        .onnx("LRN", Inference::sameAsInput, NormalizationOperators::localResponse)
        .onnx(
            "GroupNormalization",
            NormalizationOperators::channelType,
            NormalizationOperators::groupNormalization)
        .build();
  }

  /** A function of rows along the attribute {@code axis}; before version 13 along all from it. */
  private static Operator alongAxis(RowFunction function) {
    return Definition.of(
        call -> {
          if (call.shape(0).isRanked()) {
            softmaxAxis(call.op(), call.attributes(), call.shape(0).rank());
          }
          return call.type(0);
        },
        evaluation -> {
          NdArray input = evaluation.input(0);
          int axis = softmaxAxis(evaluation.op(), evaluation.attributes(), input.rank());
          if (evaluation.op().version() >= SOFTMAX_ALONG_ONE_AXIS) {
            return mapRows(input, axis, function);
          }
          int row = NdArray.count(Arrays.copyOfRange(input.shape(), axis, input.rank()));
          int rows = row == 0 ? 0 : input.size() / row;
          return mapRows(input.reshape(rows, row), 1, function).reshape(input.shape());
        });
  }

  private static int softmaxAxis(OpId op, Attributes attributes, int rank) {
    long otherwise = op.version() >= SOFTMAX_ALONG_ONE_AXIS ? -1 : 1;
    return Inference.axis(attributes.intValue("axis", otherwise), rank);
  }

  private static NdArray mapRows(NdArray input, int axis, RowFunction function) {
    int[] order = Views.axisLast(axis, input.rank());
    NdArray rows = Views.permute(input, order);
    double[] values = rows.data().clone();
    int extent = input.dim(axis);
    for (int from = 0; from < values.length; from += extent) {
      function.apply(values, from, from + extent);
    }
    return Views.permute(
        NdArray.of(input.elementType(), rows.shape(), values), Views.inverse(order));
  }

  static NdArray softmax(NdArray input, int axis) {
    return mapRows(input, axis, NormalizationOperators::softmax);
  }

  private static void softmax(double[] data, int from, int end) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = from; i < end; i++) {
      max = Math.max(max, data[i]);
    }
    double sum = 0;
    for (int i = from; i < end; i++) {
      data[i] = Math.exp(data[i] - max);
      sum += data[i];
    }
    for (int i = from; i < end; i++) {
      data[i] /= sum;
    }
  }

  static NdArray logSoftmax(NdArray input, int axis) {
    return mapRows(input, axis, NormalizationOperators::logSoftmax);
  }

  private static void logSoftmax(double[] data, int from, int end) {
    double total = ReductionOperators.logSumExp(data, from, end);
    for (int i = from; i < end; i++) {
      data[i] -= total;
    }
  }

  private static void hardmax(double[] data, int from, int end) {
    int best = from;
    for (int i = from + 1; i < end; i++) {
      if (data[i] > data[best]) {
        best = i;
      }
    }
    Arrays.fill(data, from, end, 0);
    data[best] = 1;
  }

  private static NdArray lpNormalization(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    boolean absolute = evaluation.attributes().intValue("p", 2) == 1;
    int axis = Inference.axis(evaluation.attributes().intValue("axis", -1), input.rank());
    return mapRows(
        input,
        axis,
        (data, from, end) -> {
          double sum = 0;
          for (int i = from; i < end; i++) {
            sum += absolute ? Math.abs(data[i]) : data[i] * data[i];
          }
          double norm = absolute ? sum : Math.sqrt(sum);
          for (int i = from; i < end && norm != 0; i++) {
            data[i] /= norm;
          }
        });
  }

  private static double epsilon(Evaluation evaluation) {
    return evaluation.attributes().floatValue("epsilon", 1e-5f);
  }

  private static ImmutableList<TensorType> layerNormalizationTypes(Call call) {
    TensorType input = call.type(0);
    ElementType statistics =
        call.attributes().has("stash_type")
            ? ElementType.ofOnnxNumber(Math.toIntExact(call.attributes().intValue("stash_type", 1)))
            : ElementType.FLOAT32;
    Shape shape = input.shape();
    if (shape.isRanked()) {
      int axis = Inference.axis(call.attributes().intValue("axis", -1), shape.rank());
      Shape normalised = Shape.of(shape.dims().subList(axis, shape.rank()));
      Inference.requireBroadcast(call.shape(1), normalised);
      if (call.hasInput(2)) {
        Inference.requireBroadcast(call.shape(2), normalised);
      }
      for (int i = axis; i < input.shape().rank(); i++) {
        shape = shape.withDim(i, Dim.of(1));
      }
    }
    TensorType statistic = new TensorType(statistics, shape);
    return ImmutableList.of(input, statistic, statistic);
  }

  private static List<NdArray> layerNormalization(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", -1), input.rank());
    int[] statistics = input.shape().clone();
    Arrays.fill(statistics, axis, statistics.length, 1);
    int[] normalised = Arrays.copyOfRange(input.shape(), axis, input.rank());
    int row = NdArray.count(normalised);
    NdArray mean = NdArray.zeros(ElementType.FLOAT32, statistics);
    NdArray inverse = NdArray.zeros(ElementType.FLOAT32, statistics);
    double[] scale = Views.expand(evaluation.input(1), normalised).data();
    double[] bias =
        evaluation.hasInput(2)
            ? Views.expand(evaluation.input(2), normalised).data()
            : new double[row];
    double[] values = input.data().clone();
    for (int i = 0; i < mean.size(); i++) {
      Moments moments = Moments.of(values, i * row, row);
      mean.data()[i] = moments.mean();
      inverse.data()[i] = 1 / Math.sqrt(moments.variance() + epsilon(evaluation));
      for (int k = 0; k < row; k++) {
        int at = i * row + k;
        values[at] = (values[at] - moments.mean()) * inverse.data()[i] * scale[k] + bias[k];
      }
    }
    return List.of(NdArray.of(input.elementType(), input.shape(), values), mean, inverse);
  }

  /** Mean and variance of a run of elements; the variance divides by their number. */
  private record Moments(double mean, double variance) {

    static Moments of(double[] data, int from, int count) {
      double sum = 0;
      for (int i = from; i < from + count; i++) {
        sum += data[i];
      }
      double mean = sum / count;
      double squares = 0;
      for (int i = from; i < from + count; i++) {
        squares += (data[i] - mean) * (data[i] - mean);
      }
      return new Moments(mean, squares / count);
    }
  }

  private static TensorType rmsNormalizationType(Call call) {
    Shape shape = call.shape(0);
    if (shape.isRanked()) {
      int axis = Inference.axis(call.attributes().intValue("axis", -1), shape.rank());
      Inference.requireBroadcast(call.shape(1), Shape.of(shape.dims().subList(axis, shape.rank())));
    }
    return call.type(0).withElementType(call.type(1).elementType());
  }

  private static NdArray rmsNormalization(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", -1), input.rank());
    int[] normalised = Arrays.copyOfRange(input.shape(), axis, input.rank());
    int row = NdArray.count(normalised);
    double[] scale = Views.expand(evaluation.input(1), normalised).data();
    double[] values = input.data().clone();
    for (int from = 0; from < values.length; from += row) {
      double squares = 0;
      for (int k = 0; k < row; k++) {
        squares += values[from + k] * values[from + k];
      }
      double inverse = 1 / Math.sqrt(squares / row + epsilon(evaluation));
      for (int k = 0; k < row; k++) {
        values[from + k] *= inverse * scale[k];
      }
    }
    return NdArray.of(evaluation.input(1).elementType(), input.shape(), values);
  }

  /** The type of an operator on [batch, channels, ...] with a scale and a bias a channel. */
  private static TensorType channelType(Call call) {
    Shape shape = call.shape(0);
    if (shape.isRanked()) {
      if (shape.rank() < 2) {
        throw new IrException("input " + shape + " should be [batch, channels, ...]");
      }
      for (int i = 1; i < call.inputCount(); i++) {
        Inference.requireRank(call, i, 1);
      }
    }
    return call.type(0);
  }

  private static ImmutableList<TensorType> batchNormalizationTypes(Call call) {
    return ImmutableList.of(channelType(call), call.type(3), call.type(4));
  }

  private static List<NdArray> batchNormalization(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray mean = evaluation.input(3);
    NdArray variance = evaluation.input(4);
    if (evaluation.attributes().intValue("training_mode", 0) == 0) {
      return List.of(
          scaleChannels(input, evaluation, mean.data(), variance.data()), mean, variance);
    }
    double momentum = evaluation.attributes().floatValue("momentum", 0.9f);
    int[] order = Inference.allAxes(input.rank());
    order[0] = 1;
    order[1] = 0;
    double[] byChannel = Views.permute(input, order).data();
    int channels = input.dim(1);
    int row = input.size() / channels;
    double[] means = new double[channels];
    double[] variances = new double[channels];
    for (int channel = 0; channel < channels; channel++) {
      Moments moments = Moments.of(byChannel, channel * row, row);
      means[channel] = moments.mean();
      variances[channel] = moments.variance();
    }
    return List.of(
        scaleChannels(input, evaluation, means, variances),
        average(mean, means, momentum),
        average(variance, variances, momentum));
  }

  private static NdArray average(NdArray running, double[] current, double momentum) {
    double[] values = running.data().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] = momentum * values[i] + (1 - momentum) * current[i];
    }
    return NdArray.of(running.elementType(), running.shape(), values);
  }

  /** Normalises each channel by its statistics, then scales and shifts it by inputs 1 and 2. */
  private static NdArray scaleChannels(
      NdArray input, Evaluation evaluation, double[] mean, double[] variance) {
    double[] scale = evaluation.input(1).data();
    double[] bias = evaluation.input(2).data();
    int channels = input.dim(1);
    int spatial = NdArray.count(Arrays.copyOfRange(input.shape(), 2, input.rank()));
    double[] values = input.data().clone();
    for (int at = 0; at < values.length; at++) {
      int channel = at / spatial % channels;
      values[at] =
          (values[at] - mean[channel])
                  / Math.sqrt(variance[channel] + epsilon(evaluation))
                  * scale[channel]
              + bias[channel];
    }
    return NdArray.of(input.elementType(), input.shape(), values);
  }

  private static NdArray instanceNormalization(Evaluation evaluation) {
    return groups(evaluation, evaluation.input(0).dim(1));
  }

  private static NdArray groupNormalization(Evaluation evaluation) {
    return groups(evaluation, Math.toIntExact(evaluation.attributes().intValue("num_groups", 1)));
  }

  /**
   * Normalises groups of channels of each batch element; scale and bias are a channel's or a
   * group's.
   */
  private static NdArray groups(Evaluation evaluation, int groups) {
    NdArray input = evaluation.input(0);
    double[] scale = evaluation.input(1).data();
    double[] bias = evaluation.input(2).data();
    int channels = input.dim(1);
    int spatial = NdArray.count(Arrays.copyOfRange(input.shape(), 2, input.rank()));
    int row = channels / groups * spatial;
    double[] values = input.data().clone();
    for (int from = 0; from < values.length; from += row) {
      Moments moments = Moments.of(values, from, row);
      double inverse = 1 / Math.sqrt(moments.variance() + epsilon(evaluation));
      for (int at = from; at < from + row; at++) {
        // Before version 21 GroupNormalization had one scale a group.
        int place = at / spatial % channels / (channels / scale.length);
        values[at] = (values[at] - moments.mean()) * inverse * scale[place] + bias[place];
      }
    }
    return NdArray.of(input.elementType(), input.shape(), values);
  }

  private static NdArray meanVarianceNormalization(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int[] axes = Inference.axes(evaluation.attributes().intValues("axes", 0, 2, 3), input.rank());
    int[] order = Views.axesLast(axes, input.rank());
    NdArray rows = Views.permute(input, order);
    int row = 1;
    for (int axis : axes) {
      row *= input.dim(axis);
    }
    double[] values = rows.data().clone();
    for (int from = 0; from < values.length; from += row) {
      Moments moments = Moments.of(values, from, row);
      double deviation = Math.sqrt(moments.variance()) + 1e-9;
      for (int at = from; at < from + row; at++) {
        values[at] = (values[at] - moments.mean()) / deviation;
      }
    }
    return Views.permute(
        NdArray.of(input.elementType(), rows.shape(), values), Views.inverse(order));
  }

  /** Each channel over a power of the squares of the channels about it. */
  private static NdArray localResponse(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    Attributes attributes = evaluation.attributes();
    int size = Math.toIntExact(attributes.intValue("size", 1));
    double alpha = attributes.floatValue("alpha", 1e-4f);
    double beta = attributes.floatValue("beta", 0.75f);
    double bias = attributes.floatValue("bias", 1);
    int channels = input.dim(1);
    int stride = input.strides()[1];
    double[] values = new double[input.size()];
    for (int at = 0; at < values.length; at++) {
      int channel = at / stride % channels;
      double squares = 0;
      for (int other = Math.max(0, channel - (size - 1) / 2);
          other <= Math.min(channels - 1, channel + size / 2);
          other++) {
        double value = input.data()[at + (other - channel) * stride];
        squares += value * value;
      }
      values[at] = input.data()[at] / Math.pow(bias + alpha / size * squares, beta);
    }
    return NdArray.of(input.elementType(), input.shape(), values);
  }
}
