package dev.manticore.ir;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A tensor given by its elements that are not zero, ONNX's {@code SparseTensorProto}.
 *
 * @param values of shape [n]
 * @param indices {@code int64} of shape [n], in row-major order of the dense tensor, or [n, rank];
 *     strictly ascending
 * @param shape of the dense tensor
 */
public record SparseTensor(Tensor values, Tensor indices, Shape shape) {

  /** Indices are held on the heap while they are checked and while elements are looked up. */
  private static final long MOST_ELEMENTS = 1 << 26;

  public SparseTensor {
    requireNonNull(values, "values");
    requireNonNull(indices, "indices");
    requireNonNull(shape, "shape");
    checkArgument(values.shape().rank() == 1, "the values are %s", values.type());
    checkArgument(
        values.elementType() != ElementType.STRING && values.elementType().byteSize() > 0,
        "elements of type %s cannot be sparse",
        values.elementType().text());
    long count = values.shape().elementCount();
    checkArgument(count <= MOST_ELEMENTS, "%s elements are too many", count);
    checkArgument(
        indices.elementType() == ElementType.INT64
            && (indices.shape().equals(Shape.of(count))
                || indices.shape().equals(Shape.of(count, shape.rank()))),
        "the indices of %s values of a %s tensor are %s",
        count,
        shape,
        indices.type());
    try {
      new TensorType(values.elementType(), shape).byteSize();
    } catch (ArithmeticException e) {
      throw new IllegalArgumentException("a dense " + shape + " has more than 2^63 bytes", e);
    }
  }

  /**
   * Reads and checks the indices, which the constructor does not.
   *
   * @throws IllegalArgumentException if they are not strictly ascending or not within the shape
   */
  public void checkIndices() {
    linear();
  }

  /** The type of the dense tensor. */
  public TensorType type() {
    return new TensorType(values.elementType(), shape);
  }

  /** The dense tensor, whose elements are put in their places as they are read. */
  public Tensor dense() {
    return new Tensor(type(), new Dense(this));
  }

  /** The place of each value in row-major order. */
  private long[] linear() {
    long[] given = indices.toLongs();
    int rank = indices.shape().rank() == 1 ? 1 : shape.rank();
    long[] linear = new long[Math.toIntExact(values.shape().elementCount())];
    long count = shape.elementCount();
    long before = -1;
    for (int i = 0; i < linear.length; i++) {
      if (indices.shape().rank() == 1) {
        linear[i] = given[i];
      }
      for (int axis = 0; axis < rank && indices.shape().rank() == 2; axis++) {
        long index = given[i * rank + axis];
        long extent = shape.dim(axis).extent();
        checkArgument(index >= 0 && index < extent, "index %s of %s elements", index, extent);
        linear[i] = linear[i] * extent + index;
      }
      checkArgument(
          linear[i] > before && linear[i] < count,
          "index %s after %s in a %s tensor",
          linear[i],
          before,
          shape);
      before = linear[i];
    }
    return linear;
  }

  /** Dense data that remembers how it is stored. */
  public static final class Dense implements TensorData {

    private final SparseTensor sparse;
    private final long byteSize;
    private long[] places;

    private Dense(SparseTensor sparse) {
      this.sparse = sparse;
      this.byteSize = sparse.type().byteSize();
    }

    public SparseTensor sparse() {
      return sparse;
    }

    @Override
    public long byteSize() {
      return byteSize;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
      int start = target.position();
      int length = target.remaining();
      if (offset < 0 || offset > byteSize - length) {
        throw new IndexOutOfBoundsException(length + " bytes from " + offset + " of " + byteSize);
      }
      while (target.hasRemaining()) {
        target.put((byte) 0);
      }
      long[] found = places();
      int width = sparse.values().elementType().byteSize();
      ByteBuffer element = ByteBuffer.allocate(width).order(ByteOrder.LITTLE_ENDIAN);
      int first = Arrays.binarySearch(found, offset / width);
      for (int i = first < 0 ? -first - 1 : first; i < found.length; i++) {
        long at = found[i] * width - offset;
        if (at >= length) {
          break;
        }
        element.clear();
        sparse.values().data().read((long) i * width, element);
        for (int part = 0; part < width; part++) {
          if (at + part >= 0 && at + part < length) {
            target.put((int) (start + at + part), element.get(part));
          }
        }
      }
    }

    private synchronized long[] places() {
      if (places == null) {
        places = sparse.linear();
      }
      return places;
    }
  }
}
