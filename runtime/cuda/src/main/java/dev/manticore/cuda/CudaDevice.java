package dev.manticore.cuda;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceMemory;
import dev.manticore.runtime.JavaKernel;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** An NVIDIA GPU. There is one object for each in a process, which lives as long as that. */
final class CudaDevice implements Device {

  private static final ConcurrentMap<Integer, CudaDevice> DEVICES = new ConcurrentHashMap<>();

  private final int index;
  private final CudaMachine.Gpu gpu;
  private final CopyStream copies;
  private final ImmutableList<JavaKernel> kernels;

  private CudaDevice(int index, CudaMachine.Gpu gpu) {
    this.index = index;
    this.gpu = gpu;
    this.copies = new CopyStream(index);
    this.kernels = CudaKernels.of(index, gpu);
  }

  static CudaDevice of(int index, CudaMachine.Gpu gpu) {
    return DEVICES.computeIfAbsent(index, key -> new CudaDevice(key, gpu));
  }

  @Override
  public String name() {
    return "cuda:" + index;
  }

  @Override
  public DeviceMemory allocate(long byteSize) {
    return new CudaMemory(this, copies, byteSize);
  }

  @Override
  public String memoryName() {
    return CUDA_MEMORY;
  }

  @Override
  public int index() {
    return index;
  }

  /**
   * Matrix products are in float32 as they are on the CPU, not in TensorFloat-32, whose 10 bits of
   * mantissa no comparison with a reference would stand. Each session has an arena of its own,
   * which takes what it needs and not twice as much; convolutions are chosen without trying them
   * out.
   */
  @Override
  public ImmutableMap<String, ImmutableMap<String, String>> executionProviders() {
    return ImmutableMap.of(
        CUDA,
        ImmutableMap.of(
            "device_id",
            Integer.toString(index),
            "use_tf32",
            "0",
            "do_copy_in_default_stream",
            "1",
            "arena_extend_strategy",
            "kSameAsRequested",
            "cudnn_conv_algo_search",
            "HEURISTIC"));
  }

  @Override
  public ImmutableList<JavaKernel> kernels() {
    return kernels;
  }

  @Override
  public String toString() {
    return name() + " (" + gpu + ")";
  }
}
