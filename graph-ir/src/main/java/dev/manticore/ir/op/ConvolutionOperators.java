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
        .build();
  }

  private static int group(Attributes attributes) {
    return Math.toIntExact(attributes.intValue("group", 1));
  }

  private static TensorType convType(Call call) {
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
      int[] extents = Arrays.stream(kernel.extents()).mapToInt(Math::toIntExact).toArray();
      dims.addAll(Windows.of(call.attributes(), extents).counts(input));
    } else {
      dims.addAll(Inference.ofRank(kernel.rank()).dims());
    }
    return unknown.withShape(Shape.of(dims));
  }

  private static NdArray conv(Evaluation evaluation) {
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
}
