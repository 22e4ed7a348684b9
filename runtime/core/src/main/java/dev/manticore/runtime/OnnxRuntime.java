package dev.manticore.runtime;

import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_API_VERSION;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_LOGGING_LEVEL_ERROR;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_LOGGING_LEVEL_WARNING;
import static org.bytedeco.onnxruntime.global.onnxruntime.OrtGetApiBase;

import dev.manticore.ir.ManticoreException;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.onnxruntime.OrtAllocator;
import org.bytedeco.onnxruntime.OrtApi;
import org.bytedeco.onnxruntime.OrtApiBase;
import org.bytedeco.onnxruntime.OrtEnv;
import org.bytedeco.onnxruntime.OrtLoggingFunction;
import org.bytedeco.onnxruntime.OrtStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * ONNX Runtime's C API and its one environment, which lives as long as the process. The C API is
 * used throughout, not the C++ mapping: nothing in it is freed behind our back by a collector.
 */
final class OnnxRuntime {

  private final OrtApi api;
  private final String version;
  private final OrtEnv environment;
  private final OrtAllocator allocator;
  private final LogSink logSink;

  private OnnxRuntime() {
    OrtApiBase base = OrtGetApiBase();
    this.api = base.GetApi().call(ORT_API_VERSION);
    this.version = base.GetVersionString().call().getString();
    this.logSink = new LogSink();
    try (PointerPointer<Pointer> out = new PointerPointer<>(1);
        BytePointer identifier = new BytePointer("manticore")) {
      check(
          api.CreateEnvWithCustomLogger(
              logSink, new RawPointer(0), ORT_LOGGING_LEVEL_WARNING, identifier, out),
          "starting ONNX Runtime");
      this.environment = new OrtEnv(out.get(0));
      check(api.GetAllocatorWithDefaultOptions(out), "starting ONNX Runtime");
      this.allocator = new OrtAllocator(out.get(0));
    }
  }

  /** Loads the native libraries on first use. */
  static OnnxRuntime load() {
    return Holder.INSTANCE;
  }

  OrtApi api() {
    return api;
  }

  String version() {
    return version;
  }

  OrtEnv environment() {
    return environment;
  }

  OrtAllocator allocator() {
    return allocator;
  }

  /**
   * Turns a status of the C API into an exception.
   *
   * @param doing what was being done, for the message
   */
  void check(OrtStatus status, String doing) {
    if (status == null || status.isNull()) {
      return;
    }
    String message = api.GetErrorMessage().call(status).getString();
    api.ReleaseStatus(status);
    throw new ManticoreException("MNT-RUNTIME-ORT", doing + ": ONNX Runtime says: " + message);
  }

  /** Copies a string that ONNX Runtime allocated, and frees it. */
  String takeString(Pointer allocated) {
    String text = new BytePointer(allocated).getString();
    check(api.AllocatorFree(allocator, allocated), "freeing a string");
    return text;
  }

  private static final class Holder {
    private static final OnnxRuntime INSTANCE = start();

    private static OnnxRuntime start() {
      // JavaCPP's own limits follow the heap size and would stop large models for no reason.
      for (String limit : new String[] {"maxbytes", "maxphysicalbytes"}) {
        String key = "org.bytedeco.javacpp." + limit;
        if (System.getProperty(key) == null) {
          System.setProperty(key, "0");
        }
      }
      try {
        return new OnnxRuntime();
      } catch (LinkageError e) {
        throw new ManticoreException(
            "MNT-RUNTIME-NATIVE",
            "the native libraries of ONNX Runtime do not load on this platform: "
                + e.getMessage()
                + "; build with -Djavacpp.platform=... for another platform",
            e);
      }
    }
  }

  /** Hands ONNX Runtime's log to SLF4J. */
  private static final class LogSink extends OrtLoggingFunction {

    private final Logger logger = LoggerFactory.getLogger("onnxruntime");

    @Override
    public void call(
        Pointer parameter,
        int severity,
        BytePointer category,
        BytePointer id,
        BytePointer location,
        BytePointer message) {
      String text = message.getString();
      if (severity >= ORT_LOGGING_LEVEL_ERROR) {
        logger.error(text);
      } else if (severity == ORT_LOGGING_LEVEL_WARNING) {
        logger.warn(text);
      } else {
        logger.debug(text);
      }
    }
  }
}
