package dev.manticore.runtime;

import static org.bytedeco.onnxruntime.global.onnxruntime.GetAvailableProviders;

import com.google.common.collect.ImmutableList;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.onnxruntime.StringVector;

/**
 * What runs the graphs, for reports.
 *
 * @param onnxRuntimeVersion the version of the native library
 * @param executionProviders those compiled into it, {@code CPUExecutionProvider} among them
 * @param platform JavaCPP's name of the platform, {@code linux-x86_64}
 * @param kernelForm the form of our own kernels in use in this process
 */
public record RuntimeInfo(
    String onnxRuntimeVersion,
    ImmutableList<String> executionProviders,
    String platform,
    String kernelForm) {

  /**
   * Loads the native libraries and asks them.
   *
   * @throws dev.manticore.ir.ManticoreException if they do not load
   */
  public static RuntimeInfo read() {
    OnnxRuntime runtime = OnnxRuntime.load();
    ImmutableList.Builder<String> providers = ImmutableList.builder();
    try (StringVector names = GetAvailableProviders()) {
      for (long i = 0; i < names.size(); i++) {
        providers.add(names.get(i).getString());
      }
    }
    return new RuntimeInfo(
        runtime.version(), providers.build(), Loader.getPlatform(), CpuKernels.form());
  }

  /** Native objects and blocks of memory of this process that are open. */
  public static long openHandles() {
    return NativeHandles.open();
  }
}
