package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Streams;
import dev.manticore.ir.ManticoreException;
import java.util.Optional;
import java.util.ServiceLoader;

/** Finds devices by name. */
public final class Devices {

  private Devices() {}

  /**
   * The device of this name: {@code cpu}, or what a {@link DeviceProvider} on the class path knows.
   *
   * @throws ManticoreException if there is no such device
   */
  public static Device byName(String name) {
    if (name.equals(CpuDevice.NAME)) {
      return CpuDevice.instance();
    }
    for (DeviceProvider provider : ServiceLoader.load(DeviceProvider.class)) {
      Optional<Device> device = provider.find(name);
      if (device.isPresent()) {
        return device.get();
      }
    }
    throw new ManticoreException(
        "MNT-RUNTIME-DEVICE",
        "there is no device '"
            + name
            + "' in this build on this machine: use 'cpu'"
            + (name.startsWith("cuda") ? ", or build with the profile cuda (docs/cuda.md)" : ""));
  }

  /** What else than the CPU this build knows, a line for each kind: what is there, or why not. */
  public static ImmutableList<String> describeOthers() {
    return Streams.stream(ServiceLoader.load(DeviceProvider.class))
        .map(DeviceProvider::describe)
        .collect(ImmutableList.toImmutableList());
  }

  /** The names of the kernels that the CPU has where the vector API is there. */
  public static ImmutableSet<String> cpuKernels() {
    return CpuKernels.withVectors().stream()
        .map(JavaKernel::name)
        .collect(ImmutableSet.toImmutableSet());
  }
}
