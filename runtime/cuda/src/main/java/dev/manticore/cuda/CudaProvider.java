package dev.manticore.cuda;

import com.google.common.annotations.VisibleForTesting;
import com.google.common.base.Supplier;
import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceProvider;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds the GPUs by the names {@code cuda}, which is the first, and {@code cuda:N}. */
public final class CudaProvider implements DeviceProvider {

  private static final Pattern NAME = Pattern.compile("cuda(?::([0-9]{1,3}))?");

  private static final Supplier<CudaMachine> HERE = Suppliers.memoize(Cuda::look);

  private final Supplier<CudaMachine> machine;

  /** For {@link java.util.ServiceLoader}. */
  public CudaProvider() {
    this(HERE);
  }

  @VisibleForTesting
  CudaProvider(Supplier<CudaMachine> machine) {
    this.machine = machine;
  }

  /** What is there. It is looked at once: what did not load does not say why a second time. */
  static CudaMachine here() {
    return HERE.get();
  }

  @Override
  public Optional<Device> find(String name) {
    return index(name).map(index -> CudaDevice.of(index, gpu(name, index)));
  }

  /** The number that a name stands for, or nothing if it is no name of ours. */
  @VisibleForTesting
  static Optional<Integer> index(String name) {
    Matcher matcher = NAME.matcher(name);
    if (!matcher.matches()) {
      return Optional.empty();
    }
    return Optional.of(matcher.group(1) == null ? 0 : Integer.parseInt(matcher.group(1)));
  }

  @VisibleForTesting
  CudaMachine.Gpu gpu(String name, int index) {
    CudaMachine found = machine.get();
    if (found.obstacle().isPresent()) {
      throw absent(name, found.obstacle().get());
    }
    ImmutableList<CudaMachine.Gpu> gpus = found.gpus();
    if (index >= gpus.size()) {
      throw absent(
          name,
          "there are " + gpus.size() + " devices, 'cuda:0' to 'cuda:" + (gpus.size() - 1) + "'");
    }
    CudaMachine.Gpu gpu = gpus.get(index);
    if (!gpu.isNewEnough()) {
      throw absent(
          name, gpu + " is too old: this ONNX Runtime needs compute capability 7.5 or later");
    }
    return gpu;
  }

  private static ManticoreException absent(String name, String reason) {
    return new ManticoreException(
        "MNT-RUNTIME-DEVICE",
        "device '" + name + "' cannot be used: " + reason + "; 'cpu' is always there");
  }

  @Override
  public String describe() {
    CudaMachine found = machine.get();
    if (found.obstacle().isPresent()) {
      return "CUDA: " + found.obstacle().get();
    }
    StringBuilder text = new StringBuilder("CUDA: ");
    for (int index = 0; index < found.gpus().size(); index++) {
      text.append("cuda:").append(index).append(' ').append(found.gpus().get(index)).append("; ");
    }
    return text.append("the driver knows CUDA up to ")
        .append(found.driver())
        .append("; ")
        .append(CudaCompiler.describe())
        .toString();
  }
}
