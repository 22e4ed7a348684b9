package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;

/** The processor and the memory of this machine. */
public final class CpuDevice implements Device {

  static final String NAME = "cpu";

  private static final CpuDevice INSTANCE = new CpuDevice();

  private CpuDevice() {}

  public static CpuDevice instance() {
    return INSTANCE;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public DeviceMemory allocate(long byteSize) {
    return new CpuMemory(byteSize);
  }

  @Override
  public String memoryName() {
    return "Cpu";
  }

  @Override
  public int index() {
    return 0;
  }

  @Override
  public ImmutableMap<String, ImmutableMap<String, String>> executionProviders() {
    return ImmutableMap.of();
  }

  @Override
  public ImmutableList<JavaKernel> kernels() {
    return CpuKernels.all();
  }

  @Override
  public String toString() {
    return NAME;
  }
}
