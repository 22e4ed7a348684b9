package dev.manticore.compiler;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.io.Resources;
import dev.manticore.ir.ElementType;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceMemory;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.KernelContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/** The CPU, for which graphs are lowered as for a GPU with kernels of certain names. */
public final class CudaForm implements Device {

  /** The kernels of the device cuda that training steps use. */
  public static final ImmutableSet<String> KERNELS =
      ImmutableSet.of(
          "AdamW",
          "Attention",
          "AttentionGrad",
          "CausalAttention",
          "CausalAttentionGrad",
          "CausalConv",
          "CausalConvGrad",
          "CrossEntropyGrad",
          "EmbeddingGrad",
          "GeluTanhGrad",
          "LayerNormGrad",
          "RmsNormGrad",
          "SelectiveScan",
          "SelectiveScanGrad",
          "Silu",
          "SiluGrad");

  private final ImmutableList<JavaKernel> kernels;

  /** One without kernels of ours: its graphs run here. */
  public CudaForm() {
    this(Set.of());
  }

  /** One with kernels of these names: its graphs run here where the CPU has them too. */
  public CudaForm(Set<String> kernels) {
    this.kernels = kernels.stream().map(Named::new).collect(ImmutableList.toImmutableList());
  }

  private record Named(String name) implements JavaKernel {
    @Override
    public ImmutableList<ElementType> inputs() {
      throw new UnsupportedOperationException(name);
    }

    @Override
    public ImmutableList<ElementType> outputs() {
      throw new UnsupportedOperationException(name);
    }

    @Override
    public void compute(KernelContext context) {
      throw new UnsupportedOperationException(name);
    }
  }

  /** The operators that ONNX Runtime's provider for CUDA computes. */
  public static ImmutableSet<String> operators() {
    try {
      return Resources.readLines(
              Resources.getResource(CudaForm.class, "lower/cuda-operators.txt"),
              StandardCharsets.UTF_8)
          .stream()
          .filter(line -> !line.startsWith("#"))
          .collect(ImmutableSet.toImmutableSet());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String name() {
    return "cuda:0";
  }

  @Override
  public DeviceMemory allocate(long byteSize) {
    return CpuDevice.instance().allocate(byteSize);
  }

  @Override
  public String memoryName() {
    return CUDA_MEMORY;
  }

  @Override
  public int index() {
    return 0;
  }

  @Override
  public ImmutableMap<String, ImmutableMap<String, String>> executionProviders() {
    return ImmutableMap.of();
  }

  @Override
  public ImmutableList<JavaKernel> kernels() {
    return kernels;
  }
}
