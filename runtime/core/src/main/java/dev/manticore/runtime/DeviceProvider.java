package dev.manticore.runtime;

import java.util.Optional;

/**
 * Finds devices of one kind by name; implementations are found with {@link
 * java.util.ServiceLoader}.
 */
public interface DeviceProvider {

  /**
   * The device of this name, or nothing if the name is not one of this provider's.
   *
   * @throws dev.manticore.ir.ManticoreException if the name is this provider's and no such device
   *     can be used, with the reason
   */
  Optional<Device> find(String name);

  /** The kind, {@code CUDA}, and what of it is there or why nothing is, for reports. */
  String describe();
}
