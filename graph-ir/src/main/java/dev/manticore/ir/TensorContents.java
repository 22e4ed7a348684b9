package dev.manticore.ir;

import static com.google.common.base.Preconditions.checkArgument;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Compares tensors of any size by their bytes, read in windows: equal numbers that differ in their
 * bits, 0 and -0, differ.
 */
public final class TensorContents {

  private static final int WINDOW = 1 << 16;

  /** Rows and columns of the tile in which a matrix is compared with a transposed one. */
  private static final int TILE = 64;

  private TensorContents() {}

  /** Whether two tensors are of the same type and have the same bytes. */
  public static boolean equal(Tensor one, Tensor other) {
    if (!one.type().equals(other.type())) {
      return false;
    }
    long size = one.data().byteSize();
    ByteBuffer left = ByteBuffer.allocate((int) Math.min(WINDOW, size));
    ByteBuffer right = ByteBuffer.allocate(left.capacity());
    for (long offset = 0; offset < size; offset += WINDOW) {
      int count = (int) Math.min(WINDOW, size - offset);
      one.data().read(offset, left.clear().limit(count));
      other.data().read(offset, right.clear().limit(count));
      if (!left.flip().equals(right.flip())) {
        return false;
      }
    }
    return true;
  }

  /** Whether two matrices of one element type are each other's transpose. */
  public static boolean transposed(Tensor one, Tensor other) {
    if (one.elementType() != other.elementType()
        || one.shape().rank() != 2
        || !other.shape().equals(Shape.of(one.shape().dim(1), one.shape().dim(0)))) {
      return false;
    }
    int bytes = one.elementType().byteSize();
    long rows = one.shape().dim(0).extent();
    long columns = one.shape().dim(1).extent();
    byte[] band = new byte[Math.toIntExact(TILE * columns * bytes)];
    byte[] strip = new byte[TILE * bytes];
    for (long row = 0; row < rows; row += TILE) {
      int height = (int) Math.min(TILE, rows - row);
      one.data()
          .read(
              row * columns * bytes,
              ByteBuffer.wrap(band, 0, Math.toIntExact(height * columns * bytes)));
      for (int column = 0; column < columns; column++) {
        other.data().read((column * rows + row) * bytes, ByteBuffer.wrap(strip, 0, height * bytes));
        for (int i = 0; i < height; i++) {
          int at = Math.toIntExact((i * columns + column) * bytes);
          for (int b = 0; b < bytes; b++) {
            if (band[at + b] != strip[i * bytes + b]) {
              return false;
            }
          }
        }
      }
    }
    return true;
  }

  /**
   * A number that tensors of the same elements in any order share: what is worth comparing.
   *
   * @throws IllegalArgumentException if elements are smaller than a byte
   */
  public static long fingerprint(Tensor tensor) {
    int bytes = tensor.elementType().byteSize();
    checkArgument(bytes > 0, "%s has no bytes of its own for each element", tensor.type());
    long size = tensor.data().byteSize();
    long sum = tensor.elementType().ordinal();
    ByteBuffer window =
        ByteBuffer.allocate((int) Math.min(WINDOW, size)).order(ByteOrder.LITTLE_ENDIAN);
    for (long offset = 0; offset < size; offset += WINDOW) {
      int count = (int) Math.min(WINDOW, size - offset);
      tensor.data().read(offset, window.clear().limit(count));
      for (int at = 0; at < count; at += bytes) {
        sum += mix(bits(window, at, bytes));
      }
    }
    return sum;
  }

  private static long bits(ByteBuffer window, int at, int bytes) {
    return switch (bytes) {
      case 1 -> window.get(at);
      case 2 -> window.getShort(at);
      case 4 -> window.getInt(at);
      case 8 -> window.getLong(at);
      default -> {
        long bits = 0;
        for (int i = 0; i < bytes; i++) {
          bits = 31 * bits + window.get(at + i);
        }
        yield bits;
      }
    };
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
  private static long mix(long bits) {
    long z = bits + 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
