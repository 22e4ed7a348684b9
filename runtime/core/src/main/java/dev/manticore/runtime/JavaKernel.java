package dev.manticore.runtime;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ElementType;

/**
 * An ONNX operator of the domain {@code dev.manticore.kernel}, version 1, computed in Java, or
 * started from it on another device. One object serves all nodes of all sessions, from several
 * threads at once.
 */
public interface JavaKernel {

  /** The domain that the kernels are registered in. */
  String DOMAIN = "dev.manticore.kernel";

  /** The operator's name. */
  String name();

  /** The element types of the inputs; all are required. */
  ImmutableList<ElementType> inputs();

  /** The element types of the outputs; all are required. */
  ImmutableList<ElementType> outputs();

  /** The integer attributes that a node must have. */
  default ImmutableList<String> integerAttributes() {
    return ImmutableList.of();
  }

  /** The float attributes that a node must have. */
  default ImmutableList<String> floatAttributes() {
    return ImmutableList.of();
  }

  /** ONNX Runtime's name of the execution provider whose memory the kernel works on. */
  default String executionProvider() {
    return "CPUExecutionProvider";
  }

  /**
   * Computes the outputs. The context is valid during the call only.
   *
   * @throws dev.manticore.ir.ManticoreException if the inputs do not fit; the run fails with its
   *     message
   */
  void compute(KernelContext context);
}
