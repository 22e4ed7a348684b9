package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;

/** The kernels of the CPU. */
final class CpuKernels {

  private CpuKernels() {}

  static ImmutableList<JavaKernel> all() {
    return ImmutableList.of();
  }

  static String form() {
    return "none";
  }
}
