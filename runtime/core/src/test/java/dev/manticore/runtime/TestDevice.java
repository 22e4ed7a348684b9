package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;

/** The CPU with other kernels. */
record TestDevice(ImmutableList<JavaKernel> kernels) implements Device {

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public DeviceMemory allocate(long byteSize) {
    return CpuDevice.instance().allocate(byteSize);
  }

  @Override
  public String memoryName() {
    return CpuDevice.instance().memoryName();
  }

  @Override
  public int index() {
    return 0;
  }

  @Override
  public ImmutableMap<String, ImmutableMap<String, String>> executionProviders() {
    return ImmutableMap.of();
  }
}
