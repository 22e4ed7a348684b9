package dev.manticore.tensorrt;

import static org.bytedeco.cuda.global.cudart.cudaDevAttrComputeCapabilityMajor;
import static org.bytedeco.cuda.global.cudart.cudaDevAttrComputeCapabilityMinor;
import static org.bytedeco.cuda.global.cudart.cudaDeviceGetAttribute;
import static org.bytedeco.cuda.global.cudart.cudaDriverGetVersion;
import static org.bytedeco.cuda.global.cudart.cudaGetDeviceCount;
import static org.bytedeco.cuda.global.cudart.cudaGetDeviceProperties;
import static org.bytedeco.cuda.global.cudart.cudaGetErrorString;
import static org.bytedeco.cuda.global.cudart.cudaRuntimeGetVersion;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.Deque;
import org.bytedeco.cuda.cudart.cudaDeviceProp;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.tensorrt.global.nvinfer;
import org.bytedeco.tensorrt.nvinfer.ILogger;

/** The loaded library and the device that it finds. */
final class TensorRt {

  private static final int SUCCESS = 0;

  private TensorRt() {}

  /**
   * Loads the native libraries and looks for a device.
   *
   * @throws EngineException if there are none, saying what is missing
   */
  static void load() throws EngineException {
    String natives = "/org/bytedeco/tensorrt/" + Loader.getPlatform() + "/";
    boolean present =
        TensorRt.class.getResource(natives + System.mapLibraryName("jninvinfer")) != null;
    if (!present) {
      throw EngineException.unavailable(
          "this build of Manticore has no TensorRT for "
              + Loader.getPlatform()
              + ": build it with mvn -Ptensorrt package");
    }
    try {
      Loader.load(org.bytedeco.cuda.global.cudart.class);
    } catch (LinkageError e) {
      throw EngineException.unavailable(
          "CUDA does not load: " + reason(e) + "; it needs an NVIDIA driver");
    }
    int[] count = new int[1];
    int error = cudaGetDeviceCount(count);
    if (error != SUCCESS || count[0] == 0) {
      throw EngineException.unavailable(
          "no CUDA device is found: "
              + (error == SUCCESS ? "there is none" : cudaGetErrorString(error).getString()));
    }
    try {
      Loader.load(nvinfer.class);
    } catch (LinkageError e) {
      throw EngineException.unavailable(
          "TensorRT does not load: "
              + reason(e)
              + "; it needs cuBLAS 13 and cuDNN 9 on the library path");
    }
  }

  /** What the system said, and not that the loader then looked elsewhere. */
  private static String reason(LinkageError error) {
    Throwable cause = error.getCause() == null ? error : error.getCause();
    return cause.getMessage();
  }

  /** What engines built here are bound to. */
  static ObjectNode platform() throws EngineException {
    int[] number = new int[1];
    ObjectNode platform = JsonNodeFactory.instance.objectNode();
    int version = nvinfer.NV_TENSORRT_VERSION();
    platform.put("tensorrt", version / 10_000 + "." + version / 100 % 100 + "." + version % 100);
    check(cudaRuntimeGetVersion(number), "asking for CUDA's version");
    platform.put("cuda", cuda(number[0]));
    check(cudaDriverGetVersion(number), "asking for the driver's version");
    platform.put("driver_cuda", cuda(number[0]));
    try (cudaDeviceProp properties = new cudaDeviceProp()) {
      check(cudaGetDeviceProperties(properties, 0), "asking for the device's name");
      platform.put("device", properties.name().getString());
      platform.put("memory_bytes", properties.totalGlobalMem());
    }
    check(
        cudaDeviceGetAttribute(number, cudaDevAttrComputeCapabilityMajor, 0),
        "asking for the compute capability");
    int major = number[0];
    check(
        cudaDeviceGetAttribute(number, cudaDevAttrComputeCapabilityMinor, 0),
        "asking for the compute capability");
    return platform.put("compute_capability", major + "." + number[0]);
  }

  private static String cuda(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }

  static void check(int error, String doing) throws EngineException {
    if (error != SUCCESS) {
      throw EngineException.refused(doing + " failed: " + cudaGetErrorString(error).getString());
    }
  }

  /** Passes warnings on to standard error, and keeps the last errors for messages. */
  static final class Logger extends ILogger {
    private static final int KEPT = 3;

    private final Deque<String> errors = new ArrayDeque<>();

    @Override
    public synchronized void log(Severity severity, String message) {
      if (severity.value <= Severity.kWARNING.value) {
        System.err.println("TensorRT: " + message);
      }
      if (severity.value <= Severity.kERROR.value) {
        errors.addLast(message.strip());
        if (errors.size() > KEPT) {
          errors.removeFirst();
        }
      }
    }

    /** The last errors, in one line. */
    synchronized String errors() {
      return errors.isEmpty() ? "it gave no reason" : String.join("; ", errors);
    }
  }
}
