package dev.manticore.ir;

import java.nio.ByteBuffer;

/**
 * The bytes of a tensor, little-endian and densely packed in row-major order, wherever they are: in
 * memory, or at a place in a file. Read in windows, so that a tensor of any size passes through on
 * a small heap.
 */
public interface TensorData {

  /** The number of bytes. */
  long byteSize();

  /**
   * Fills what remains of {@code target} with the bytes from {@code offset} on.
   *
   * @throws ManticoreException if they cannot be read
   * @throws IndexOutOfBoundsException if there are not so many
   */
  void read(long offset, ByteBuffer target);

  /** Data held in memory; the array is not copied and must not be changed. */
  static TensorData ofBytes(byte[] bytes) {
    return new TensorData() {
      @Override
      public long byteSize() {
        return bytes.length;
      }

      @Override
      public void read(long offset, ByteBuffer target) {
        target.put(bytes, Math.toIntExact(offset), target.remaining());
      }
    };
  }

  /** All of it, for tensors known to be small. */
  default byte[] toByteArray() {
    byte[] bytes = new byte[Math.toIntExact(byteSize())];
    read(0, ByteBuffer.wrap(bytes));
    return bytes;
  }
}
