package dev.manticore.cuda;

import static org.bytedeco.cuda.global.cudart.cuGetErrorString;
import static org.bytedeco.cuda.global.cudart.cuLaunchKernel;
import static org.bytedeco.cuda.global.cudart.cuModuleGetFunction;
import static org.bytedeco.cuda.global.cudart.cuModuleLoadData;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;

import dev.manticore.ir.ManticoreException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/** A GPU. Programs are compiled when first asked for, and kept as long as the process. */
final class GpuLauncher implements Launcher {

  private static final int SUCCESS = 0;

  private final int device;
  private final String architecture;
  private final ConcurrentMap<Program, CUmod_st> modules = new ConcurrentHashMap<>();
  private final ConcurrentMap<Entry, CUfunc_st> functions = new ConcurrentHashMap<>();

  private record Entry(Program program, String kernel) {}

  GpuLauncher(int device, CudaMachine.Gpu gpu) {
    this.device = device;
    this.architecture = "sm_" + gpu.major() + gpu.minor();
  }

  @Override
  public void launch(Program program, String kernel, Grid grid, long stream, long... arguments) {
    Cuda.check(cudaSetDevice(device), "choosing device " + device);
    CUfunc_st function =
        functions.computeIfAbsent(new Entry(program, kernel), key -> function(program, kernel));
    int count = arguments.length;
    // CUDA takes the values during the call.
    try (LongPointer values = new LongPointer(count);
        PointerPointer<Pointer> places = new PointerPointer<>(count)) {
      values.put(arguments);
      for (int i = 0; i < count; i++) {
        places.put(i, new Address(values.address() + (long) Long.BYTES * i));
      }
      PointerPointer<Pointer> none = null;
      check(
          cuLaunchKernel(
              function,
              grid.x(),
              grid.y(),
              grid.z(),
              THREADS,
              1,
              1,
              0,
              new CUstream_st(new Address(stream)),
              places,
              none),
          "starting kernel " + kernel);
    }
  }

  private CUfunc_st function(Program program, String kernel) {
    CUmod_st module = modules.computeIfAbsent(program, this::load);
    CUfunc_st function = new CUfunc_st();
    check(cuModuleGetFunction(function, module, kernel), "finding kernel " + kernel);
    return function;
  }

  private CUmod_st load(Program program) {
    try (BytePointer code = CudaCompiler.compile(program, architecture)) {
      CUmod_st module = new CUmod_st();
      check(cuModuleLoadData(module, code), "loading the kernels for " + architecture);
      return module;
    }
  }

  private static void check(int error, String doing) {
    if (error != SUCCESS) {
      try (PointerPointer<?> out = new PointerPointer<>(1)) {
        cuGetErrorString(error, out);
        String text =
            out.get(0) == null ? "error " + error : new BytePointer(out.get(0)).getString();
        throw new ManticoreException("MNT-RUNTIME-CUDA", doing + ": CUDA says: " + text);
      }
    }
  }
}
