package dev.manticore.cuda;

import static org.bytedeco.cuda.global.cudart.cudaMallocHost;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyAsync;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToDevice;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToHost;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyHostToDevice;
import static org.bytedeco.cuda.global.cudart.cudaMemsetAsync;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.bytedeco.cuda.global.cudart.cudaStreamCreateWithFlags;
import static org.bytedeco.cuda.global.cudart.cudaStreamNonBlocking;
import static org.bytedeco.cuda.global.cudart.cudaStreamSynchronize;

import java.nio.ByteBuffer;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;

/**
 * Copies between the host and a device, and on it. Every copy is done when its call returns, so
 * that it comes before whatever is started later on any stream. ONNX Runtime for its part returns
 * from a run only when the run's stream has nothing left to do.
 */
final class CopyStream {

  /** Bytes of the host's memory that the device reads and writes by itself. */
  private static final int STAGED = 4 << 20;

  private final int device;
  private final CUstream_st stream = new CUstream_st();
  private final BytePointer staged;
  private final ByteBuffer window;

  CopyStream(int device) {
    this.device = device;
    enter();
    Cuda.check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "making a stream");
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      Cuda.check(cudaMallocHost(out, STAGED), "allocating " + STAGED + " bytes for copies");
      this.staged = new BytePointer(out.get(0)).capacity(STAGED);
    }
    this.window = staged.asByteBuffer();
  }

  /** Makes the device the calling thread's; each thread has one of its own. */
  private void enter() {
    Cuda.check(cudaSetDevice(device), "choosing device " + device);
  }

  synchronized void write(long address, ByteBuffer source) {
    enter();
    while (source.hasRemaining()) {
      int count = Math.min(STAGED, source.remaining());
      window.clear();
      window.put(source.slice().limit(count));
      source.position(source.position() + count);
      Cuda.check(
          cudaMemcpyAsync(new Address(address), staged, count, cudaMemcpyHostToDevice, stream),
          "copying to the device");
      await();
      address += count;
    }
  }

  synchronized void read(long address, ByteBuffer target) {
    enter();
    while (target.hasRemaining()) {
      int count = Math.min(STAGED, target.remaining());
      Cuda.check(
          cudaMemcpyAsync(staged, new Address(address), count, cudaMemcpyDeviceToHost, stream),
          "copying from the device");
      await();
      target.put(window.clear().limit(count));
      address += count;
    }
  }

  synchronized void copy(long from, long to, long byteSize) {
    enter();
    Cuda.check(
        cudaMemcpyAsync(
            new Address(to), new Address(from), byteSize, cudaMemcpyDeviceToDevice, stream),
        "copying on the device");
    await();
  }

  synchronized void zero(long address, long byteSize) {
    enter();
    Cuda.check(cudaMemsetAsync(new Address(address), 0, byteSize, stream), "clearing memory");
    await();
  }

  private void await() {
    Cuda.check(cudaStreamSynchronize(stream), "waiting for the device");
  }
}
