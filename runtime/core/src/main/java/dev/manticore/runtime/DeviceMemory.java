package dev.manticore.runtime;

import java.nio.ByteBuffer;

/** A block of a device's memory. Not one of its operations is valid once it is closed. */
public interface DeviceMemory extends AutoCloseable {

  /** The address on the device. */
  long address();

  long byteSize();

  /** Copies what remains of {@code source} to the bytes from {@code offset} on. */
  void write(long offset, ByteBuffer source);

  /** Fills what remains of {@code target} with the bytes from {@code offset} on. */
  void read(long offset, ByteBuffer target);

  /** Copies all of {@code source}, which is a block of the same device and size. */
  void copyFrom(DeviceMemory source);

  /** Sets every byte to zero. */
  void zero();

  @Override
  void close();
}
