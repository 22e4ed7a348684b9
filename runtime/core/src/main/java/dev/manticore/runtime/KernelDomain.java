package dev.manticore.runtime;

import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_API_VERSION;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.onnxruntime.OrtCustomOp;
import org.bytedeco.onnxruntime.OrtCustomOpDomain;
import org.bytedeco.onnxruntime.OrtSessionOptions;

/**
 * The kernels of one session, described to ONNX Runtime. It lives longer than the session, which
 * keeps the addresses of the descriptions.
 */
final class KernelDomain implements AutoCloseable {

  private final OnnxRuntime runtime;
  private final OrtCustomOpDomain domain;
  private final List<OrtCustomOp> operators = new ArrayList<>();

  /**
   * @param device whose kernels they are
   * @param threads of the session
   */
  KernelDomain(OnnxRuntime runtime, Device device, int threads) {
    this.runtime = runtime;
    try (PointerPointer<?> out = new PointerPointer<>(1);
        BytePointer name = new BytePointer(JavaKernel.DOMAIN)) {
      runtime.check(runtime.api().CreateCustomOpDomain(name, out), "making the kernel domain");
      this.domain = new OrtCustomOpDomain(out.get(0));
    }
    NativeHandles.opened();
    KernelCallbacks callbacks = KernelCallbacks.instance();
    for (JavaKernel kernel : device.kernels()) {
      OrtCustomOp operator = new OrtCustomOp();
      operator.version(ORT_API_VERSION);
      callbacks.fill(operator, kernel, device, threads);
      operators.add(operator);
      runtime.check(
          runtime.api().CustomOpDomain_Add(domain, operator), "adding kernel " + kernel.name());
    }
  }

  void register(OrtSessionOptions options) {
    runtime.check(runtime.api().AddCustomOpDomain(options, domain), "adding our kernels");
  }

  @Override
  public void close() {
    runtime.api().ReleaseCustomOpDomain(domain);
    NativeHandles.closed();
    for (OrtCustomOp operator : operators) {
      KernelCallbacks.instance().forget(operator);
      operator.close();
    }
    operators.clear();
  }
}
