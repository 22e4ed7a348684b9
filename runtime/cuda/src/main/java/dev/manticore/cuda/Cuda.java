package dev.manticore.cuda;

import static org.bytedeco.cuda.global.cudart.cudaDevAttrComputeCapabilityMajor;
import static org.bytedeco.cuda.global.cudart.cudaDevAttrComputeCapabilityMinor;
import static org.bytedeco.cuda.global.cudart.cudaDeviceGetAttribute;
import static org.bytedeco.cuda.global.cudart.cudaDriverGetVersion;
import static org.bytedeco.cuda.global.cudart.cudaGetDeviceCount;
import static org.bytedeco.cuda.global.cudart.cudaGetDeviceProperties;
import static org.bytedeco.cuda.global.cudart.cudaGetErrorString;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.RuntimeInfo;
import java.util.Optional;
import org.bytedeco.cuda.cudart.cudaDeviceProp;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.Loader;

/** CUDA's runtime: what it finds, and its errors as exceptions. */
final class Cuda {

  static final int SUCCESS = 0;

  private static final String BUILD = "build it with the profile cuda (docs/cuda.md)";

  private Cuda() {}

  /** Loads the native libraries, if they are there, and looks for devices. */
  static CudaMachine look() {
    String natives = "/org/bytedeco/cuda/" + Loader.getPlatform() + "/";
    if (Cuda.class.getResource(natives + System.mapLibraryName("jnicudart")) == null) {
      return CudaMachine.without(
          "this build has no natives for CUDA on " + Loader.getPlatform() + ": " + BUILD);
    }
    try {
      Loader.load(cudart.class);
    } catch (LinkageError e) {
      return CudaMachine.without(loading(reason(e)));
    }
    int[] number = new int[1];
    int error = cudaDriverGetVersion(number);
    String driver = error == SUCCESS && number[0] > 0 ? version(number[0]) : "";
    error = cudaGetDeviceCount(number);
    if (error != SUCCESS || number[0] == 0) {
      return new CudaMachine(
          Optional.of(
              "no CUDA device is found: "
                  + (error == SUCCESS ? "there is none" : describe(error))
                  + (driver.isEmpty() ? "" : "; the driver knows CUDA up to " + driver)
                  + "; see what nvidia-smi says; CUDA 13 needs driver 580 or later"),
          driver,
          ImmutableList.of());
    }
    ImmutableList.Builder<CudaMachine.Gpu> gpus = ImmutableList.builder();
    int count = number[0];
    for (int index = 0; index < count; index++) {
      gpus.add(gpu(index));
    }
    boolean known = RuntimeInfo.read().executionProviders().contains("CUDAExecutionProvider");
    return new CudaMachine(
        known
            ? Optional.empty()
            : Optional.of("this build's ONNX Runtime has no provider for CUDA: " + BUILD),
        driver,
        gpus.build());
  }

  private static CudaMachine.Gpu gpu(int index) {
    try (cudaDeviceProp properties = new cudaDeviceProp()) {
      check(cudaGetDeviceProperties(properties, index), "looking at device " + index);
      return new CudaMachine.Gpu(
          properties.name().getString(),
          attribute(cudaDevAttrComputeCapabilityMajor, index),
          attribute(cudaDevAttrComputeCapabilityMinor, index),
          properties.totalGlobalMem());
    }
  }

  private static int attribute(int attribute, int index) {
    int[] value = new int[1];
    check(cudaDeviceGetAttribute(value, attribute, index), "looking at device " + index);
    return value[0];
  }

  /** What it means that a library does not load. */
  static String loading(String reason) {
    if (reason.contains("libcuda.so") || reason.contains("nvcuda")) {
      return "there is no NVIDIA driver (" + reason + "): install one, 580 or later";
    }
    return "CUDA does not load ("
        + reason
        + "): put the libraries of CUDA 13 on the library path, or build with the profiles"
        + " cuda,cuda-redist (docs/cuda.md)";
  }

  /** What the system said, and not that the loader then looked elsewhere. */
  static String reason(LinkageError error) {
    Throwable cause = error.getCause() == null ? error : error.getCause();
    return String.valueOf(cause.getMessage());
  }

  private static String version(int number) {
    return number / 1000 + "." + number % 1000 / 10;
  }

  private static String describe(int error) {
    return cudaGetErrorString(error).getString();
  }

  /**
   * Turns an error of CUDA's runtime into an exception.
   *
   * @param doing what was being done, for the message
   */
  static void check(int error, String doing) {
    if (error != SUCCESS) {
      throw new ManticoreException("MNT-RUNTIME-CUDA", doing + ": CUDA says: " + describe(error));
    }
  }
}
