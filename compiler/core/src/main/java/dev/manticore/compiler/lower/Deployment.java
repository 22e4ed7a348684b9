package dev.manticore.compiler.lower;

import static java.util.Objects.requireNonNull;

/**
 * What deployed models are for.
 *
 * @param target the runtime
 * @param precision what their products are computed in
 */
public record Deployment(Target target, Precision precision) {

  /** Plain {@code ai.onnx} in float32, in the form that suits processors. */
  public static final Deployment DEFAULT =
      new Deployment(Target.ONNXRUNTIME_CPU, Precision.FLOAT32);

  public Deployment {
    requireNonNull(target, "target");
    requireNonNull(precision, "precision");
  }

  /**
   * What the decoder with growing caches is for: ONNX Runtime, also where whole sequences go to
   * TensorRT, which refuses it.
   */
  public Target decoderTarget() {
    return target == Target.ONNXRUNTIME_CPU ? target : Target.ONNXRUNTIME_CUDA;
  }
}
