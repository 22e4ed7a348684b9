package dev.manticore.cuda;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static org.bytedeco.cuda.global.cudart.cudaErrorMemoryAllocation;
import static org.bytedeco.cuda.global.cudart.cudaFree;
import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudart.cudaMalloc;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;

import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.DeviceMemory;
import dev.manticore.runtime.NativeHandles;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.bytedeco.javacpp.PointerPointer;

/** Memory of a GPU, 256-byte aligned, owned by no session. */
final class CudaMemory implements DeviceMemory {

  private final CudaDevice device;
  private final CopyStream copies;
  private final long address;
  private final long byteSize;
  private boolean open = true;

  CudaMemory(CudaDevice device, CopyStream copies, long byteSize) {
    this.device = device;
    this.copies = copies;
    this.byteSize = byteSize;
    Cuda.check(cudaSetDevice(device.index()), "choosing " + device.name());
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      // What holds no bytes has an address too.
      int error = cudaMalloc(out, Math.max(1, byteSize));
      if (error == cudaErrorMemoryAllocation) {
        // Else the next one to ask for the last error would take it for its own.
        cudaGetLastError();
        throw new ManticoreException(
            "MNT-RUNTIME-MEMORY",
            "no memory for a block of "
                + byteSize
                + " bytes on "
                + device
                + ": use a smaller model or batch, or see in nvidia-smi what else uses it");
      }
      Cuda.check(error, "allocating " + byteSize + " bytes on " + device.name());
      this.address = out.get(0).address();
    }
    NativeHandles.opened();
    zero();
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
    checkOpen();
    Objects.checkFromIndexSize(offset, source.remaining(), byteSize);
    copies.write(address + offset, source);
  }

  @Override
  public void read(long offset, ByteBuffer target) {
    checkOpen();
    Objects.checkFromIndexSize(offset, target.remaining(), byteSize);
    copies.read(address + offset, target);
  }

  @Override
  public void copyFrom(DeviceMemory source) {
    checkOpen();
    checkArgument(source.byteSize() == byteSize, "%s bytes into %s", source.byteSize(), byteSize);
    copies.copy(source.address(), address, byteSize);
  }

  @Override
  public void zero() {
    checkOpen();
    copies.zero(address, byteSize);
  }

  private void checkOpen() {
    checkState(open, "the memory is closed");
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      Cuda.check(cudaSetDevice(device.index()), "choosing " + device.name());
      Cuda.check(cudaFree(new Address(address)), "freeing memory of " + device.name());
      NativeHandles.closed();
    }
  }
}
