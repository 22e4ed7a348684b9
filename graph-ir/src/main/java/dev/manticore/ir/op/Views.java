package dev.manticore.ir.op;

import dev.manticore.ir.IrException;
import java.util.Arrays;

/** Dense copies of strided views, the means of everything that moves elements about. */
final class Views {

  private Views() {}

  /**
   * The elements of a view in row-major order.
   *
   * @param offset where the first one is in {@code source}
   * @param strides in elements; zero repeats, negative goes backward
   */
  static double[] copy(double[] source, int offset, int[] shape, int[] strides) {
    double[] target = new double[NdArray.count(shape)];
    if (target.length > 0) {
      copy(source, offset, shape, strides, 0, target, 0);
    }
    return target;
  }

  private static int copy(
      double[] source,
      int offset,
      int[] shape,
      int[] strides,
      int axis,
      double[] target,
      int position) {
    if (axis == shape.length) {
      target[position] = source[offset];
      return position + 1;
    }
    int extent = shape[axis];
    int stride = strides[axis];
    if (axis < shape.length - 1) {
      int next = position;
      for (int i = 0; i < extent; i++) {
        next = copy(source, offset + i * stride, shape, strides, axis + 1, target, next);
      }
      return next;
    }
    if (stride == 1) {
      System.arraycopy(source, offset, target, position, extent);
    } else {
      for (int i = 0; i < extent; i++) {
        target[position + i] = source[offset + i * stride];
      }
    }
    return position + extent;
  }

  /** The offset of every position of a view, in row-major order. */
  static int[] offsets(int[] shape, int[] strides) {
    int[] offsets = new int[NdArray.count(shape)];
    int filled = offsets.length == 0 ? 0 : 1;
    // Grown from the innermost axis outward: each axis repeats what is there, shifted.
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      for (int i = 1; i < shape[axis]; i++) {
        for (int j = 0; j < filled; j++) {
          offsets[i * filled + j] = offsets[j] + i * strides[axis];
        }
      }
      filled *= shape[axis];
    }
    return offsets;
  }

  /**
   * The shape that operands broadcast to.
   *
   * @throws IrException if they do not
   */
  static int[] broadcast(int[] left, int[] right) {
    int[] shape = new int[Math.max(left.length, right.length)];
    for (int i = 1; i <= shape.length; i++) {
      int first = i <= left.length ? left[left.length - i] : 1;
      int second = i <= right.length ? right[right.length - i] : 1;
      if (first != second && first != 1 && second != 1) {
        throw new IrException(
            "shapes "
                + Arrays.toString(left)
                + " and "
                + Arrays.toString(right)
                + " do not broadcast");
      }
      shape[shape.length - i] = first == 1 ? second : first;
    }
    return shape;
  }

  /** The strides with which an array of {@code shape} is read as one of {@code target}. */
  static int[] broadcastStrides(int[] shape, int[] target) {
    int[] dense = NdArray.strides(shape);
    int[] strides = new int[target.length];
    int added = target.length - shape.length;
    for (int axis = 0; axis < shape.length; axis++) {
      strides[added + axis] = shape[axis] == 1 ? 0 : dense[axis];
    }
    return strides;
  }

  /**
   * An array repeated to a shape that it broadcasts to; itself if it has that shape.
   *
   * @throws IrException if it does not broadcast to it
   */
  static NdArray expand(NdArray array, int[] shape) {
    if (Arrays.equals(array.shape(), shape)) {
      return array;
    }
    if (!Arrays.equals(broadcast(array.shape(), shape), shape)) {
      throw new IrException(array + " does not broadcast to " + Arrays.toString(shape));
    }
    int[] strides = broadcastStrides(array.shape(), shape);
    return NdArray.of(array.elementType(), shape, copy(array.data(), 0, shape, strides));
  }

  /** The axes of an array in another order: axis {@code i} of the result is {@code order[i]}. */
  static NdArray permute(NdArray array, int... order) {
    int[] dense = array.strides();
    int[] shape = new int[order.length];
    int[] strides = new int[order.length];
    boolean identity = true;
    for (int axis = 0; axis < order.length; axis++) {
      shape[axis] = array.shape()[order[axis]];
      strides[axis] = dense[order[axis]];
      identity &= order[axis] == axis;
    }
    return identity
        ? array
        : NdArray.of(array.elementType(), shape, copy(array.data(), 0, shape, strides));
  }

  /** The order of axes that undoes another. */
  static int[] inverse(int[] order) {
    int[] inverse = new int[order.length];
    for (int axis = 0; axis < order.length; axis++) {
      inverse[order[axis]] = axis;
    }
    return inverse;
  }

  /** The order that moves one axis to the end and keeps the others as they are. */
  static int[] axisLast(int axis, int rank) {
    return axesLast(new int[] {axis}, rank);
  }

  /** The order that moves sorted axes to the end and keeps the others as they are. */
  static int[] axesLast(int[] axes, int rank) {
    int[] order = new int[rank];
    int position = 0;
    for (int axis = 0; axis < rank; axis++) {
      if (Arrays.binarySearch(axes, axis) < 0) {
        order[position++] = axis;
      }
    }
    System.arraycopy(axes, 0, order, position, axes.length);
    return order;
  }

  /** The places {@code indices} along an axis; {@code fill} where an index is negative. */
  static NdArray take(NdArray array, int axis, int[] indices, double fill) {
    int[] shape = array.shape().clone();
    int inner = 1;
    for (int i = axis + 1; i < shape.length; i++) {
      inner *= shape[i];
    }
    int extent = shape[axis];
    shape[axis] = indices.length;
    double[] data = new double[NdArray.count(shape)];
    for (int at = 0, block = 0; at < data.length; block++) {
      for (int index : indices) {
        if (index < 0) {
          Arrays.fill(data, at, at + inner, fill);
        } else {
          System.arraycopy(array.data(), (block * extent + index) * inner, data, at, inner);
        }
        at += inner;
      }
    }
    return NdArray.of(array.elementType(), shape, data);
  }

  /** Arrays laid end to end along an axis. */
  static NdArray concat(Iterable<NdArray> parts, int axis) {
    NdArray first = parts.iterator().next();
    int[] shape = first.shape().clone();
    shape[axis] = 0;
    for (NdArray part : parts) {
      for (int i = 0; i < shape.length; i++) {
        if (part.rank() != shape.length || i != axis && part.shape()[i] != shape[i]) {
          throw new IrException(first + " and " + part + " do not fit along axis " + axis);
        }
      }
      shape[axis] += part.shape()[axis];
    }
    int outer = 1;
    for (int i = 0; i < axis; i++) {
      outer *= shape[i];
    }
    double[] data = new double[NdArray.count(shape)];
    int row = outer == 0 ? 0 : data.length / outer;
    int start = 0;
    for (NdArray part : parts) {
      int block = outer == 0 ? 0 : part.size() / outer;
      for (int i = 0; i < outer; i++) {
        System.arraycopy(part.data(), i * block, data, i * row + start, block);
      }
      start += block;
    }
    return NdArray.of(first.elementType(), shape, data);
  }

  /** Part of an array along an axis. */
  static NdArray range(NdArray array, int axis, int start, int length) {
    int[] shape = array.shape().clone();
    int[] strides = array.strides();
    shape[axis] = length;
    return NdArray.of(
        array.elementType(), shape, copy(array.data(), start * strides[axis], shape, strides));
  }
}
