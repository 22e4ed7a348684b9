package dev.manticore.runtime;

import com.google.common.collect.ImmutableMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Supplier;

/** A node of a session's graph that one of our kernels computes. */
final class KernelNode {

  private final JavaKernel kernel;
  private final Device device;
  private final int threads;
  private final ImmutableMap<String, Long> integers;
  private final ImmutableMap<String, Float> floats;
  private final ConcurrentMap<Object, AutoCloseable> kept = new ConcurrentHashMap<>();

  /**
   * @param device of the session
   * @param threads of the session
   * @param integers its integer attributes
   * @param floats its float attributes
   */
  KernelNode(
      JavaKernel kernel,
      Device device,
      int threads,
      ImmutableMap<String, Long> integers,
      ImmutableMap<String, Float> floats) {
    this.kernel = kernel;
    this.device = device;
    this.threads = threads;
    this.integers = integers;
    this.floats = floats;
  }

  JavaKernel kernel() {
    return kernel;
  }

  Device device() {
    return device;
  }

  int threads() {
    return threads;
  }

  ImmutableMap<String, Long> integers() {
    return integers;
  }

  ImmutableMap<String, Float> floats() {
    return floats;
  }

  AutoCloseable kept(Object key, Supplier<? extends AutoCloseable> make) {
    return kept.computeIfAbsent(key, unused -> make.get());
  }

  /** Closes what was kept; called when ONNX Runtime destroys the node. */
  void close() throws Exception {
    for (AutoCloseable value : kept.values()) {
      value.close();
    }
  }
}
