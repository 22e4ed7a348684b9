package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;

/**
 * Something that graphs run on: its memory, how ONNX Runtime reaches it, and the kernels it has.
 */
public interface Device {

  /** The name among {@link #executionProviders} of ONNX Runtime's provider for CUDA. */
  String CUDA = "CUDA";

  /** What {@link #memoryName} gives for memory of a GPU. */
  String CUDA_MEMORY = "Cuda";

  /** {@code cpu}, {@code cuda:0}. */
  String name();

  /**
   * Allocates zeroed memory, aligned to 64 bytes at least.
   *
   * @throws dev.manticore.ir.ManticoreException if there is not enough
   */
  DeviceMemory allocate(long byteSize);

  /**
   * ONNX Runtime's name of the memory that {@link #allocate} hands out, {@code Cpu} or {@code
   * Cuda}.
   */
  String memoryName();

  /** The index among devices of the same kind. */
  int index();

  /**
   * The execution providers that a session on this device needs before ONNX Runtime's own CPU
   * provider, most wanted first, each with its options; empty for the CPU.
   */
  ImmutableMap<String, ImmutableMap<String, String>> executionProviders();

  /** The kernels registered in every session on this device. */
  ImmutableList<JavaKernel> kernels();
}
