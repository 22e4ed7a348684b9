package dev.manticore.ir.autodiff;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Backward rules of convolutions and pools over [batch, channels, spatial axes...], all of whose
 * extents must be known.
 */
final class ConvolutionRules {

  private ConvolutionRules() {}

  /**
   * Where the windows of a convolution lie.
   *
   * @param pads what is added before each spatial axis, then what is added after
   */
  private record Geometry(
      long[] kernel, long[] strides, long[] dilations, long[] pads, long group) {

    static Geometry of(Node node, Shape input, long[] kernel) {
      Attributes attributes = node.attributes();
      int axes = kernel.length;
      long[] strides = attributes.intValues("strides", BackwardRules.filled(axes, 1));
      long[] dilations = attributes.intValues("dilations", BackwardRules.filled(axes, 1));
      long[] pads = attributes.intValues("pads", new long[2 * axes]).clone();
      String automatic = attributes.stringValue("auto_pad", "NOTSET");
      if (automatic.startsWith("SAME")) {
        for (int i = 0; i < axes; i++) {
          long extent = input.dim(i + 2).extent();
          long count = (extent + strides[i] - 1) / strides[i];
          long span = (kernel[i] - 1) * dilations[i] + 1;
          long total = Math.max(0, (count - 1) * strides[i] + span - extent);
          pads[i] = automatic.equals("SAME_UPPER") ? total / 2 : total - total / 2;
          pads[axes + i] = total - pads[i];
        }
      }
      return new Geometry(kernel, strides, dilations, pads, attributes.intValue("group", 1));
    }

    Attributes attributes() {
      return Attributes.of("strides", Attribute.ofInts(strides))
          .with("dilations", Attribute.ofInts(dilations))
          .with("pads", Attribute.ofInts(pads))
          .with("group", group);
    }

    /** A transposed convolution's attributes that give a result of these extents. */
    Attributes transposed(Shape from, Shape to) {
      long[] added = new long[kernel.length];
      for (int i = 0; i < added.length; i++) {
        long reach =
            strides[i] * (from.dim(i + 2).extent() - 1) + (kernel[i] - 1) * dilations[i] + 1;
        added[i] = to.dim(i + 2).extent() - (reach - pads[i] - pads[added.length + i]);
      }
      return attributes().with("output_padding", Attribute.ofInts(added));
    }
  }

  private static long[] spatial(Shape shape) {
    return Arrays.copyOfRange(shape.extents(), 2, shape.rank());
  }

  private static Value bias(Ops o, Value dy) {
    long[] axes = BackwardRules.range(dy.shape().rank() - 1);
    for (int i = 1; i < axes.length; i++) {
      axes[i]++;
    }
    return o.reduceSum(dy, axes);
  }

  /**
   * The gradient of a convolution's weights: the convolution of its input with the gradient of its
   * result, in which batch and channels change places, strides and dilations too.
   *
   * @param input [N, C, ..]
   * @param dy [N, M, ..]
   * @return [M, C / group, kernel..]
   */
  private static Value weight(Ops o, Value input, Value dy, Geometry geometry) {
    long[] extents = input.shape().extents();
    int rank = extents.length;
    long group = geometry.group();
    // [N, group, C/group, ..] to [C/group, group * N, ..]: the batch becomes a group's channels.
    long[] parted = new long[rank + 1];
    long[] joined = extents.clone();
    long[] order = new long[rank + 1];
    parted[0] = extents[0];
    parted[1] = group;
    parted[2] = extents[1] / group;
    System.arraycopy(extents, 2, parted, 3, rank - 2);
    joined[0] = extents[1] / group;
    joined[1] = group * extents[0];
    Arrays.setAll(order, i -> i);
    order[0] = 2;
    order[2] = 0;
    Value channels = o.reshape(o.transpose(o.reshape(input, parted), order), joined);
    long[] swapped = BackwardRules.range(rank);
    swapped[0] = 1;
    swapped[1] = 0;
    Value filters = o.transpose(dy, swapped);
    Geometry turned =
        new Geometry(
            spatial(filters.shape()),
            geometry.dilations(),
            geometry.strides(),
            geometry.pads(),
            group);
    Value result = o.transpose(o.onnx("Conv", turned.attributes(), channels, filters), swapped);
    // Where windows did not reach the end of the input, the kernel comes out too long.
    for (int i = 0; i < geometry.kernel().length; i++) {
      if (result.shape().dim(i + 2).extent() != geometry.kernel()[i]) {
        result = o.slice(result, i + 2, 0, geometry.kernel()[i]);
      }
    }
    return result;
  }

  static List<Optional<Value>> conv(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value input = node.input(0);
    Value weight = node.input(1);
    Value gradient = BackwardRules.only(dy);
    Geometry geometry = Geometry.of(node, input.shape(), spatial(weight.shape()));
    List<Optional<Value>> gradients = new ArrayList<>();
    gradients.add(
        b.wants(input)
            ? Optional.of(
                o.onnx(
                    "ConvTranspose",
                    geometry.transposed(gradient.shape(), input.shape()),
                    gradient,
                    weight))
            : Optional.empty());
    gradients.add(
        b.wants(weight) ? Optional.of(weight(o, input, gradient, geometry)) : Optional.empty());
    gradients.add(
        node.hasInput(2) && b.wants(node.input(2))
            ? Optional.of(bias(o, gradient))
            : Optional.empty());
    return gradients;
  }

  /** The input is to the result what the result of a convolution is to its input. */
  static List<Optional<Value>> convTranspose(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    if (node.attributes().has("output_shape")
        || node.attributes().stringValue("auto_pad", "NOTSET").startsWith("SAME")) {
      throw new IrException(node + ": pads that follow from a shape are not differentiated");
    }
    Value input = node.input(0);
    Value weight = node.input(1);
    Value gradient = BackwardRules.only(dy);
    Geometry geometry = Geometry.of(node, input.shape(), spatial(weight.shape()));
    Value dx = o.onnx("Conv", geometry.attributes(), gradient, weight);
    for (int axis = 2; axis < input.shape().rank(); axis++) {
      long extent = input.shape().dim(axis).extent();
      // What was added to the result may give room for one more window.
      if (dx.shape().dim(axis).extent() != extent) {
        dx = o.slice(dx, axis, 0, extent);
      }
    }
    List<Optional<Value>> gradients = new ArrayList<>();
    gradients.add(Optional.of(dx));
    gradients.add(
        b.wants(weight) ? Optional.of(weight(o, gradient, input, geometry)) : Optional.empty());
    gradients.add(
        node.hasInput(2) && b.wants(node.input(2))
            ? Optional.of(bias(o, gradient))
            : Optional.empty());
    return gradients;
  }

  /** Every element of a window gets an equal share. */
  static List<Optional<Value>> averagePool(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    if (node.attributes().intValue("ceil_mode", 0) != 0) {
      throw new IrException(node + ": windows that are only partly inside are not differentiated");
    }
    Value x = node.input(0);
    Shape shape = x.shape();
    long[] kernel = node.attributes().intValues("kernel_shape");
    Geometry one = Geometry.of(node, shape, kernel);
    Geometry geometry =
        new Geometry(kernel, one.strides(), one.dilations(), one.pads(), shape.dim(1).extent());
    long[] filters = new long[shape.rank()];
    filters[0] = shape.dim(1).extent();
    filters[1] = 1;
    System.arraycopy(kernel, 0, filters, 2, kernel.length);
    Value ones = o.expand(o.scalar(x.elementType(), 1), o.ints(filters));
    Value share;
    if (node.attributes().intValue("count_include_pad", 0) != 0) {
      share = o.mul(BackwardRules.only(dy), 1.0 / Arrays.stream(kernel).reduce(1, (p, q) -> p * q));
    } else {
      Value whole = o.expand(o.scalar(x.elementType(), 1), o.shapeOf(x));
      share = o.div(BackwardRules.only(dy), o.onnx("Conv", geometry.attributes(), whole, ones));
    }
    return Backward.of(
        o.onnx("ConvTranspose", geometry.transposed(share.shape(), shape), share, ones));
  }

  static List<Optional<Value>> globalAverage(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    long count = Arrays.stream(spatial(node.input(0).shape())).reduce(1, (p, q) -> p * q);
    return Backward.of(
        o.expand(o.mul(BackwardRules.only(dy), 1.0 / count), o.shapeOf(node.input(0))));
  }

  static List<Optional<Value>> globalMax(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value x = node.input(0);
    return Backward.of(
        o.where(
            o.onnx("Equal", x, node.output()),
            BackwardRules.only(dy),
            o.scalar(x.elementType(), 0)));
  }
}
