package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Convolutions over [batch, channels, spatial axes...]. */
final class ConvolutionOperators {

  private ConvolutionOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("Conv", ConvolutionOperators::convType, ConvolutionOperators::conv)
        .onnx(
            "ConvTranspose",
            ConvolutionOperators::convTransposeType,
            ConvolutionOperators::convTranspose)
        .build();
  }

  private static int group(Attributes attributes) {
    return Math.toIntExact(attributes.intValue("group", 1));
  }

  static TensorType convType(Call call) {
    Shape input = call.shape(0);
    Shape weight = call.shape(1);
    TensorType unknown = new TensorType(Inference.elementType(call), Shape.unranked());
    if (!input.isRanked() || !weight.isRanked()) {
      return unknown;
    }
    if (input.rank() != weight.rank() || input.rank() < 3) {
      throw new IrException("input " + input + " and weight " + weight + " do not fit");
    }
    int group = group(call.attributes());
    Inference.same(
        input.dim(1), Inference.times(weight.dim(1), Dim.of(group)), "the numbers of channels");
    if (weight.dim(0).isKnown() && weight.dim(0).extent() % group != 0) {
      throw new IrException(weight.dim(0) + " filters are not a multiple of " + group + " groups");
    }
    if (call.hasInput(2)) {
      Inference.requireRank(call, 2, 1);
    }
    List<Dim> dims = new ArrayList<>(List.of(input.dim(0), weight.dim(0)));
    Shape kernel = Shape.of(weight.dims().subList(2, weight.rank()));
    if (kernel.isStatic()) {
      dims.addAll(Windows.of(call.attributes(), ints(kernel.extents())).counts(input));
    } else {
      dims.addAll(Inference.ofRank(kernel.rank()).dims());
    }
    return unknown.withShape(Shape.of(dims));
  }

  static NdArray conv(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray weight = evaluation.input(1);
    int[] spatial = Arrays.copyOfRange(input.shape(), 2, input.rank());
    int[] kernel = Arrays.copyOfRange(weight.shape(), 2, weight.rank());
    Windows windows = Windows.of(evaluation.attributes(), kernel);
    int[] offsets = windows.offsets(spatial);
    int[] counts = windows.counts(spatial);
    int channels = input.dim(1);
    int filters = weight.dim(0);
    int groupChannels = weight.dim(1);
    int groupFilters = filters / group(evaluation.attributes());
    int image = NdArray.count(spatial);
    int places = NdArray.count(kernel);
    int positions = NdArray.count(counts);
    double[] values = new double[input.dim(0) * filters * positions];
    for (int row = 0; row < input.dim(0) * filters; row++) {
      int filter = row % filters;
      int firstChannel = filter / groupFilters * groupChannels;
      if (evaluation.hasInput(2)) {
        Arrays.fill(
            values, row * positions, (row + 1) * positions, evaluation.input(2).data()[filter]);
      }
      for (int channel = 0; channel < groupChannels; channel++) {
        int source = (row / filters * channels + firstChannel + channel) * image;
        int factors = (filter * groupChannels + channel) * places;
        for (int i = 0; i < offsets.length; i++) {
          if (offsets[i] >= 0) {
            values[row * positions + i / places] +=
                weight.data()[factors + i % places] * input.data()[source + offsets[i]];
          }
        }
      }
    }
    return NdArray.of(
        input.elementType(), Ints.concat(new int[] {input.dim(0), filters}, counts), values);
  }

  private static TensorType convTransposeType(Call call) {
    Shape input = call.shape(0);
    Shape weight = call.shape(1);
    TensorType unknown = new TensorType(Inference.elementType(call), Shape.unranked());
    if (!input.isRanked() || !weight.isRanked()) {
      return unknown;
    }
    if (input.rank() != weight.rank() || input.rank() < 3) {
      throw new IrException("input " + input + " and weight " + weight + " do not fit");
    }
    Inference.same(input.dim(1), weight.dim(0), "the numbers of channels");
    List<Dim> dims = new ArrayList<>();
    dims.add(input.dim(0));
    dims.add(Inference.times(weight.dim(1), Dim.of(group(call.attributes()))));
    Shape spatial = Shape.of(input.dims().subList(2, input.rank()));
    Shape kernel = Shape.of(weight.dims().subList(2, weight.rank()));
    if (spatial.isStatic() && kernel.isStatic()) {
      Transposed transposed =
          Transposed.of(call.attributes(), ints(spatial.extents()), ints(kernel.extents()));
      Ints.asList(transposed.spatial()).forEach(extent -> dims.add(Dim.of(extent)));
    } else {
      dims.addAll(Inference.ofRank(kernel.rank()).dims());
    }
    return unknown.withShape(Shape.of(dims));
  }

  private static int[] ints(long[] values) {
    return Arrays.stream(values).mapToInt(Math::toIntExact).toArray();
  }

  /**
   * The convolution that a transposed one undoes.
   *
   * @param spatial its input's extents, which are those of the transposed one's result
   */
  private record Transposed(int[] spatial, Windows windows) {

    static Transposed of(Attributes attributes, int[] input, int[] kernel) {
      int rank = kernel.length;
      int[] strides = Windows.ints(attributes, "strides", rank, 1);
      int[] dilations = Windows.ints(attributes, "dilations", rank, 1);
      int[] added = Windows.ints(attributes, "output_padding", rank, 0);
      int[] pads = Windows.ints(attributes, "pads", 2 * rank, 0);
      String automatic = attributes.stringValue("auto_pad", "NOTSET");
      boolean same = automatic.startsWith("SAME");
      int[] spatial = new int[rank];
      for (int axis = 0; axis < rank; axis++) {
        int reach = strides[axis] * (input[axis] - 1) + (kernel[axis] - 1) * dilations[axis] + 1;
        int full = reach + added[axis];
        if (same || attributes.has("output_shape")) {
          spatial[axis] =
              attributes.has("output_shape")
                  ? Windows.ints(attributes, "output_shape", rank, 0)[axis]
                  : input[axis] * strides[axis];
          int total = Math.max(0, full - spatial[axis]);
          pads[axis] = automatic.equals("SAME_UPPER") ? total / 2 : total - total / 2;
          pads[rank + axis] = total - pads[axis];
        } else {
          spatial[axis] = full - pads[axis] - pads[rank + axis];
        }
      }
      return new Transposed(
          spatial, new Windows(kernel, strides, dilations, pads, "NOTSET", false));
    }
  }

  private static NdArray convTranspose(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    NdArray weight = evaluation.input(1);
    int[] kernel = Arrays.copyOfRange(weight.shape(), 2, weight.rank());
    int[] inputSpatial = Arrays.copyOfRange(input.shape(), 2, input.rank());
    Transposed transposed = Transposed.of(evaluation.attributes(), inputSpatial, kernel);
    int[] spatial = transposed.spatial();
    int[] offsets = transposed.windows().offsets(spatial);
    int groups = group(evaluation.attributes());
    int channels = input.dim(1);
    int groupChannels = channels / groups;
    int groupFilters = weight.dim(1);
    int filters = groupFilters * groups;
    int image = NdArray.count(spatial);
    int places = NdArray.count(kernel);
    int positions = NdArray.count(inputSpatial);
    if (offsets.length != positions * places) {
      throw new IrException(
          "a result of " + Arrays.toString(spatial) + " does not come from input " + input);
    }
    double[] values = new double[input.dim(0) * filters * image];
    for (int at = 0; at < values.length; at++) {
      values[at] = evaluation.hasInput(2) ? evaluation.input(2).data()[at / image % filters] : 0;
    }
    for (int row = 0; row < input.dim(0) * channels; row++) {
      int channel = row % channels;
      int firstFilter = channel / groupChannels * groupFilters;
      for (int filter = 0; filter < groupFilters; filter++) {
        int target = (row / channels * filters + firstFilter + filter) * image;
        int factors = (channel * groupFilters + filter) * places;
        for (int i = 0; i < offsets.length; i++) {
          if (offsets[i] >= 0) {
            values[target + offsets[i]] +=
                weight.data()[factors + i % places] * input.data()[row * positions + i / places];
          }
        }
      }
    }
    return NdArray.of(
        input.elementType(), Ints.concat(new int[] {input.dim(0), filters}, spatial), values);
  }
}
