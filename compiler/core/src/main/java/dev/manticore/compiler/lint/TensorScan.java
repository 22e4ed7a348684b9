package dev.manticore.compiler.lint;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What the numbers of a tensor are like, read in windows.
 *
 * @param count how many there are
 * @param notFinite infinities and NaN
 * @param firstNotFinite the place of the first one, in row-major order; -1 if there is none
 * @param subnormal numbers so small that they have lost digits
 */
record TensorScan(
    long count, long notFinite, long firstNotFinite, long subnormal, boolean allZero) {

  private static final int WINDOW = 1 << 16;

  /** Scans a tensor of floating-point numbers of whole bytes. */
  static TensorScan of(Tensor tensor) {
    ElementType type = tensor.elementType();
    double smallest = smallestNormal(type);
    long count = tensor.shape().elementCount();
    int size = type.byteSize();
    ByteBuffer window = ByteBuffer.allocate(WINDOW * size).order(ByteOrder.LITTLE_ENDIAN);
    long notFinite = 0;
    long first = -1;
    long subnormal = 0;
    boolean zero = true;
    for (long done = 0; done < count; done += WINDOW) {
      int here = (int) Math.min(WINDOW, count - done);
      window.clear().limit(here * size);
      tensor.data().read(done * size, window);
      window.flip();
      for (int i = 0; i < here; i++) {
        double value = NumberFormats.get(window, type, i);
        zero &= value == 0;
        if (!Double.isFinite(value)) {
          first = notFinite == 0 ? done + i : first;
          notFinite++;
        } else if (value != 0 && Math.abs(value) < smallest) {
          subnormal++;
        }
      }
    }
    return new TensorScan(count, notFinite, first, subnormal, zero && count > 0);
  }

  /** Whether all elements of a tensor are the same, as those of biases not yet trained are. */
  static boolean isUniform(Tensor tensor) {
    int size = tensor.elementType().byteSize();
    long bytes = tensor.data().byteSize();
    byte[] first = new byte[size];
    tensor.data().read(0, ByteBuffer.wrap(first));
    ByteBuffer window = ByteBuffer.allocate(WINDOW * size);
    for (long done = 0; done < bytes; done += window.capacity()) {
      window.clear().limit((int) Math.min(window.capacity(), bytes - done));
      tensor.data().read(done, window);
      for (int i = 0; i < window.limit(); i++) {
        if (window.get(i) != first[i % size]) {
          return false;
        }
      }
    }
    return true;
  }

  private static double smallestNormal(ElementType type) {
    return switch (type) {
      case FLOAT16 -> 0x1p-14;
      case FLOAT64 -> Double.MIN_NORMAL;
      default -> Float.MIN_NORMAL;
    };
  }
}
