package dev.manticore.runtime;

import org.bytedeco.javacpp.Pointer;

/** A bare address, owned by nobody. */
final class RawPointer extends Pointer {

  RawPointer(long address) {
    this.address = address;
  }

  RawPointer(long address, long byteSize) {
    this.address = address;
    this.limit = byteSize;
    this.capacity = byteSize;
  }

  /** Extents are in bytes. */
  @Override
  public int sizeof() {
    return 1;
  }
}
