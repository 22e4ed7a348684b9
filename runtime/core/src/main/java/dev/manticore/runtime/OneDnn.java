package dev.manticore.runtime;

import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx2;
import static org.bytedeco.dnnl.global.dnnl.dnnl_engine_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_get_effective_cpu_isa;
import static org.bytedeco.dnnl.global.dnnl.dnnl_success;

import dev.manticore.ir.ManticoreException;
import org.bytedeco.dnnl.dnnl_engine;

/**
 * oneDNN, which ONNX Runtime's build brings along. It is given pieces of work, one a thread, and
 * shares none of them between threads of its own, which would fight for the processor with those of
 * ONNX Runtime: that needs the environment variable {@code OMP_NUM_THREADS} to be 1. Without it, or
 * on a processor that oneDNN has no code of its own for, it is not used.
 */
final class OneDnn {

  private OneDnn() {}

  /** Whether it is to be used in this process. */
  static boolean available() {
    return Availability.YES;
  }

  /** The processor, as oneDNN sees it. */
  static dnnl_engine engine() {
    return Engine.CPU;
  }

  /** Throws if a call failed. */
  static void check(int status) {
    if (status != dnnl_success) {
      throw new ManticoreException(
          "MNT-RUNTIME-KERNEL", "oneDNN refuses a product of matrices with status " + status);
    }
  }

  private static final class Availability {
    private static final boolean YES = probe();

    private static boolean probe() {
      if (!"1".equals(System.getenv("OMP_NUM_THREADS"))) {
        return false;
      }
      try {
        return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2;
      } catch (LinkageError e) {
        return false;
      }
    }
  }

  private static final class Engine {
    private static final dnnl_engine CPU = create();

    private static dnnl_engine create() {
      dnnl_engine engine = new dnnl_engine();
      check(dnnl_engine_create(engine, dnnl_cpu, 0));
      return engine;
    }
  }
}
