package dev.manticore.cli;

import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import picocli.CommandLine.Option;

/** Where graphs run. */
final class DeviceOption {

  @Option(
      names = "--device",
      defaultValue = "cpu",
      paramLabel = "NAME",
      description =
          "Where it runs: cpu, or cuda or cuda:N in a build for CUDA (default: ${DEFAULT-VALUE}).")
  private String name;

  /**
   * @throws dev.manticore.ir.ManticoreException if there is no such device
   */
  Device device() {
    return Devices.byName(name);
  }
}
