package dev.manticore.ir.op;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The windows that convolutions and pools slide over the spatial axes.
 *
 * @param kernel the extents of a window
 * @param pads those before each axis, then those after
 * @param automatic what {@code auto_pad} says
 * @param ceil whether a last window that is only partly inside counts
 */
record Windows(
    int[] kernel, int[] strides, int[] dilations, int[] pads, String automatic, boolean ceil) {

  /** The offset of a place in what is added around the input. */
  static final int PADDING = -1;

  /** The offset of a place that a window rounded up reaches beyond that. */
  static final int BEYOND = -2;

  static Windows of(Attributes attributes, int[] kernel) {
    int rank = kernel.length;
    return new Windows(
        kernel,
        ints(attributes, "strides", rank, 1),
        ints(attributes, "dilations", rank, 1),
        ints(attributes, "pads", 2 * rank, 0),
        attributes.stringValue("auto_pad", "NOTSET"),
        attributes.intValue("ceil_mode", 0) == 1);
  }

  static int[] ints(Attributes attributes, String name, int count, int otherwise) {
    if (!attributes.has(name)) {
      int[] values = new int[count];
      Arrays.fill(values, otherwise);
      return values;
    }
    int[] values = Arrays.stream(attributes.intValues(name)).mapToInt(Math::toIntExact).toArray();
    if (values.length != count) {
      throw new IrException(
          "attribute '" + name + "' should have " + count + " values, not " + values.length);
    }
    return values;
  }

  /** The extent of a window along an axis with its gaps. */
  private int span(int axis) {
    return (kernel[axis] - 1) * dilations[axis] + 1;
  }

  private boolean isSame() {
    return automatic.startsWith("SAME");
  }

  /** How much is added before and after an axis together. */
  private int padding(int axis, int extent) {
    return switch (automatic) {
      case "VALID" -> 0;
      case "SAME_UPPER", "SAME_LOWER" -> {
        int count = (extent + strides[axis] - 1) / strides[axis];
        yield Math.max(0, (count - 1) * strides[axis] + span(axis) - extent);
      }
      default -> pads[axis] + pads[kernel.length + axis];
    };
  }

  int padBefore(int axis, int extent) {
    return switch (automatic) {
      case "VALID" -> 0;
      case "SAME_UPPER" -> padding(axis, extent) / 2;
      case "SAME_LOWER" -> (padding(axis, extent) + 1) / 2;
      default -> pads[axis];
    };
  }

  /** The number of windows along an axis. */
  int count(int axis, int extent) {
    int free = extent + padding(axis, extent) - span(axis);
    if (free < 0) {
      throw new IrException(
          "a window of " + span(axis) + " does not fit into axis " + axis + " of " + extent);
    }
    int stride = strides[axis];
    int count = (ceil ? (free + stride - 1) / stride : free / stride) + 1;
    // A window must begin inside of the input or of what is added before it.
    boolean outside = ceil && (count - 1) * stride >= extent + padBefore(axis, extent);
    return outside ? count - 1 : count;
  }

  /** The numbers of windows along the axes of a shape. */
  int[] counts(int[] spatial) {
    int[] counts = new int[spatial.length];
    Arrays.setAll(counts, axis -> count(axis, spatial[axis]));
    return counts;
  }

  /** The number of windows along an axis, which stays symbolic where it equals the extent. */
  Dim count(int axis, Dim dim) {
    if (dim.isKnown()) {
      return Dim.of(count(axis, Math.toIntExact(dim.extent())));
    }
    boolean kept = strides[axis] == 1 && (isSame() || padding(axis, 0) == span(axis) - 1);
    return kept ? dim : Dim.UNKNOWN;
  }

  List<Dim> counts(Shape input) {
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < kernel.length; axis++) {
      dims.add(count(axis, input.dim(axis + 2)));
    }
    return dims;
  }

  /**
   * For each window and each place in it, in row-major order, the offset in the input; {@link
   * #PADDING} or {@link #BEYOND} outside.
   */
  int[] offsets(int[] spatial) {
    int[] counts = counts(spatial);
    int[] dense = NdArray.strides(spatial);
    int rank = kernel.length;
    int windows = NdArray.count(counts);
    int places = NdArray.count(kernel);
    int[] offsets = new int[windows * places];
    int[] windowStrides = NdArray.strides(counts);
    int[] placeStrides = NdArray.strides(kernel);
    for (int i = 0; i < offsets.length; i++) {
      int window = i / places;
      int place = i % places;
      for (int axis = 0; axis < rank && offsets[i] != BEYOND; axis++) {
        int extent = spatial[axis];
        int before = padBefore(axis, extent);
        int position =
            window / windowStrides[axis] % counts[axis] * strides[axis]
                + place / placeStrides[axis] % kernel[axis] * dilations[axis]
                - before;
        if (position >= extent + padding(axis, extent) - before) {
          offsets[i] = BEYOND;
        } else if (position < 0 || position >= extent) {
          offsets[i] = PADDING;
        } else if (offsets[i] != PADDING) {
          offsets[i] += position * dense[axis];
        }
      }
    }
    return offsets;
  }
}
