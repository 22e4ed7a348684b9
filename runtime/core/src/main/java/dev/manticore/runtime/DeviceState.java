package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.TensorType;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Named tensors in the memory of one device, zero at first: parameters, moments, batches, caches.
 * It outlives every session that is bound to it.
 *
 * <pre>{@code
 * try (DeviceState state = DeviceState.allocate(device, Map.of("w", TensorType.of(FLOAT32, 2)))) {
 *   state.get("w").setFloats(1, 2);
 * }
 * }</pre>
 */
public final class DeviceState implements AutoCloseable {

  private final Device device;
  private final ImmutableMap<String, DeviceTensor> tensors;
  private boolean open = true;

  private DeviceState(Device device, ImmutableMap<String, DeviceTensor> tensors) {
    this.device = device;
    this.tensors = tensors;
  }

  /**
   * @param types the tensors to allocate, by name; their shapes are static
   * @throws dev.manticore.ir.ManticoreException if there is not enough memory
   */
  public static DeviceState allocate(Device device, Map<String, TensorType> types) {
    Map<String, DeviceTensor> allocated = new LinkedHashMap<>();
    try {
      types.forEach((name, type) -> allocated.put(name, new DeviceTensor(device, name, type)));
    } catch (RuntimeException e) {
      allocated.values().forEach(DeviceTensor::close);
      throw e;
    }
    return new DeviceState(device, ImmutableMap.copyOf(allocated));
  }

  public Device device() {
    return device;
  }

  /** The names, in the order they were given in. */
  public ImmutableSet<String> names() {
    return tensors.keySet();
  }

  public ImmutableMap<String, DeviceTensor> tensors() {
    return tensors;
  }

  public DeviceTensor get(String name) {
    DeviceTensor tensor = tensors.get(name);
    checkArgument(tensor != null, "the state has no tensor '%s'; it has %s", name, names());
    return tensor;
  }

  /** Frees the memory. No session bound to it may run from now on. */
  @Override
  public void close() {
    if (open) {
      open = false;
      tensors.values().forEach(DeviceTensor::close);
    }
  }
}
