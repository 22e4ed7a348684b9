package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import dev.manticore.ir.ManticoreException;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.bytedeco.javacpp.Pointer;

/** Memory outside the heap, 64-byte aligned, of any size. */
final class CpuMemory implements DeviceMemory {

  private static final int ALIGNMENT = 64;

  private final Pointer block;
  private final long address;
  private final long byteSize;
  private boolean open = true;

  CpuMemory(long byteSize) {
    OnnxRuntime.load();
    this.byteSize = byteSize;
    this.block = Pointer.calloc(1, Math.addExact(byteSize, ALIGNMENT));
    if (block == null || block.isNull()) {
      throw new ManticoreException(
          "MNT-RUNTIME-MEMORY",
          "no memory for a block of " + byteSize + " bytes: use a smaller model or batch");
    }
    this.address = (block.address() + ALIGNMENT - 1) & -ALIGNMENT;
    NativeHandles.opened();
  }

  @Override
  public long address() {
    checkOpen();
    return address;
  }

  @Override
  public long byteSize() {
    return byteSize;
  }

  @Override
  public void write(long offset, ByteBuffer source) {
    window(offset, source.remaining()).put(source);
  }

  @Override
  public void read(long offset, ByteBuffer target) {
    target.put(window(offset, target.remaining()));
  }

  @Override
  public void copyFrom(DeviceMemory source) {
    checkOpen();
    checkArgument(source.byteSize() == byteSize, "%s bytes into %s", source.byteSize(), byteSize);
    Pointer.memmove(
        new RawPointer(address, byteSize), new RawPointer(source.address(), byteSize), byteSize);
  }

  @Override
  public void zero() {
    checkOpen();
    Pointer.memset(new RawPointer(address, byteSize), 0, byteSize);
  }

  private ByteBuffer window(long offset, int length) {
    checkOpen();
    Objects.checkFromIndexSize(offset, length, byteSize);
    return length == 0
        ? ByteBuffer.allocate(0)
        : new RawPointer(address + offset, length).asByteBuffer();
  }

  private void checkOpen() {
    checkState(open, "the memory is closed");
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      Pointer.free(block);
      NativeHandles.closed();
    }
  }
}
