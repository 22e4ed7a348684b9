package dev.manticore.cuda;

import static org.bytedeco.cuda.global.nvrtc.NVRTC_SUCCESS;
import static org.bytedeco.cuda.global.nvrtc.nvrtcCompileProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcCreateProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcDestroyProgram;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetCUBIN;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetCUBINSize;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetErrorString;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetProgramLog;
import static org.bytedeco.cuda.global.nvrtc.nvrtcGetProgramLogSize;
import static org.bytedeco.cuda.global.nvrtc.nvrtcVersion;

import com.google.common.base.Supplier;
import com.google.common.base.Suppliers;
import com.google.common.io.Resources;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.cuda.nvrtc._nvrtcProgram;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * NVRTC, CUDA's compiler in a library. It needs no device. What it makes is for one architecture: a
 * driver that is older than the compiler runs it all the same, which it would not do with code for
 * any.
 */
final class CudaCompiler {

  private static final Supplier<Optional<String>> OBSTACLE = Suppliers.memoize(CudaCompiler::load);

  private CudaCompiler() {}

  /** Why it cannot be used here, if it cannot. */
  static Optional<String> obstacle() {
    return OBSTACLE.get();
  }

  private static Optional<String> load() {
    try {
      Loader.load(nvrtc.class);
      return Optional.empty();
    } catch (LinkageError e) {
      return Optional.of(
          "NVRTC does not load ("
              + Cuda.reason(e)
              + "), so the device has no kernels of ours and the graphs go without, more slowly: put"
              + " libnvrtc.so.13 on the library path, or build with the profiles cuda,cuda-redist");
    }
  }

  /** What is there, for reports. */
  static String describe() {
    return obstacle()
        .orElseGet(
            () -> {
              int[] major = new int[1];
              int[] minor = new int[1];
              nvrtcVersion(major, minor);
              return "NVRTC " + major[0] + "." + minor[0];
            });
  }

  /** The source of the kernels. */
  static String source() {
    try {
      return Resources.toString(
          Resources.getResource(CudaCompiler.class, "kernels.cu"), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Compiles the kernels.
   *
   * @param architecture {@code sm_90}
   * @return what a driver loads
   * @throws ManticoreException {@code MNT-RUNTIME-CUDA} with the compiler's words if it refuses
   */
  static BytePointer compile(Launcher.Program program, String architecture) {
    List<String> options = new ArrayList<>();
    options.add("--gpu-architecture=" + architecture);
    options.add("--std=c++17");
    if (!program.define().isEmpty()) {
      options.add("--define-macro=" + program.define() + "=" + program.size());
    }
    _nvrtcProgram handle = new _nvrtcProgram();
    List<BytePointer> texts = new ArrayList<>();
    try (BytePointer source = new BytePointer(source(), StandardCharsets.UTF_8);
        BytePointer name = new BytePointer("kernels.cu");
        PointerPointer<Pointer> given = new PointerPointer<>(options.size());
        SizeTPointer size = new SizeTPointer(1)) {
      for (String option : options) {
        texts.add(new BytePointer(option));
        given.put(texts.size() - 1, texts.get(texts.size() - 1));
      }
      PointerPointer<Pointer> none = null;
      check(nvrtcCreateProgram(handle, source, name, 0, none, none), "");
      int error = nvrtcCompileProgram(handle, options.size(), given);
      check(error, error == NVRTC_SUCCESS ? "" : log(handle));
      check(nvrtcGetCUBINSize(handle, size), "");
      BytePointer code = new BytePointer(size.get());
      check(nvrtcGetCUBIN(handle, code), "");
      return code;
    } finally {
      texts.forEach(BytePointer::close);
      if (!handle.isNull()) {
        nvrtcDestroyProgram(handle);
      }
    }
  }

  private static String log(_nvrtcProgram program) {
    try (SizeTPointer size = new SizeTPointer(1)) {
      nvrtcGetProgramLogSize(program, size);
      try (BytePointer text = new BytePointer(size.get())) {
        nvrtcGetProgramLog(program, text);
        return ": " + text.getString().strip();
      }
    }
  }

  private static void check(int error, String more) {
    if (error != NVRTC_SUCCESS) {
      throw new ManticoreException(
          "MNT-RUNTIME-CUDA",
          "compiling the kernels: NVRTC says: " + nvrtcGetErrorString(error).getString() + more);
    }
  }
}
