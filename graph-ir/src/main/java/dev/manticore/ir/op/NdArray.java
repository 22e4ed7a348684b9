package dev.manticore.ir.op;

import static com.google.common.base.Preconditions.checkArgument;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.Arrays;

/**
 * A dense array of the reference interpreter: row-major, every element a {@code double} whatever
 * its type. The element type only says how values are converted by {@code Cast} and what they are
 * when they leave the interpreter.
 */
public final class NdArray {

  private final ElementType elementType;
  private final int[] shape;
  private final double[] data;

  private NdArray(ElementType elementType, int[] shape, double[] data) {
    this.elementType = elementType;
    this.shape = shape;
    this.data = data;
    checkArgument(
        count(shape) == data.length,
        "%s elements for shape %s",
        data.length,
        Arrays.toString(shape));
  }

  /** Wraps the array without copying it. */
  public static NdArray of(ElementType elementType, int[] shape, double[] data) {
    return new NdArray(elementType, shape, data);
  }

  public static NdArray of(Tensor tensor) {
    long[] extents = tensor.shape().extents();
    int[] shape = new int[extents.length];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = Math.toIntExact(extents[i]);
    }
    return new NdArray(tensor.elementType(), shape, tensor.toDoubles());
  }

  public static NdArray zeros(ElementType elementType, int... shape) {
    return new NdArray(elementType, shape, new double[count(shape)]);
  }

  public static NdArray scalar(ElementType elementType, double value) {
    return new NdArray(elementType, new int[0], new double[] {value});
  }

  public Tensor toTensor() {
    long[] extents = new long[shape.length];
    for (int i = 0; i < extents.length; i++) {
      extents[i] = shape[i];
    }
    return Tensor.ofDoubles(elementType, Shape.of(extents), data);
  }

  /** The numbers of float16 and bfloat16 as these hold them; what is of other types as it is. */
  public NdArray rounded() {
    boolean small = elementType == ElementType.FLOAT16 || elementType == ElementType.BFLOAT16;
    return small ? Elements.convert(of(ElementType.FLOAT32, shape, data), elementType) : this;
  }

  public TensorType type() {
    return toTensor().type();
  }

  public ElementType elementType() {
    return elementType;
  }

  /** The shape; not a copy. */
  public int[] shape() {
    return shape;
  }

  public int rank() {
    return shape.length;
  }

  public int dim(int axis) {
    return shape[axis < 0 ? axis + shape.length : axis];
  }

  /** The elements; not a copy. */
  public double[] data() {
    return data;
  }

  public int size() {
    return data.length;
  }

  /** The same elements in another shape of as many. */
  public NdArray reshape(int... changed) {
    return new NdArray(elementType, changed, data);
  }

  public NdArray withElementType(ElementType changed) {
    return new NdArray(changed, shape, data);
  }

  /** Row-major strides, in elements. */
  public int[] strides() {
    return strides(shape);
  }

  public static int[] strides(int[] shape) {
    int[] strides = new int[shape.length];
    int stride = 1;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      strides[axis] = stride;
      stride *= shape[axis];
    }
    return strides;
  }

  public static int count(int[] shape) {
    int count = 1;
    for (int extent : shape) {
      count = Math.multiplyExact(count, extent);
    }
    return count;
  }

  /** The values as integers, for operands such as axes and shapes. */
  public long[] toLongs() {
    long[] values = new long[data.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = (long) data[i];
    }
    return values;
  }

  @Override
  public String toString() {
    return elementType.text() + Arrays.toString(shape);
  }
}
