package dev.manticore.compiler.lower;

import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** A runtime that deployed graphs are for. Each can be asked what it would refuse of a graph. */
public enum Target {
  /** ONNX Runtime from 1.24 on, on the processor. */
  ONNXRUNTIME_CPU,
  /** The same with its CUDA provider. */
  ONNXRUNTIME_CUDA,
  /** TensorRT 10.15 and its parser. */
  TENSORRT_10,
  /** TensorRT from 11.0 on. */
  TENSORRT_11;

  /**
   * The target of a name.
   *
   * @throws ManticoreException {@code MNT-TARGET} if there is none
   */
  public static Target of(String name) {
    return Arrays.stream(values())
        .filter(target -> target.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-TARGET",
                    "there is no target '"
                        + name
                        + "'; choose one of "
                        + Arrays.stream(values())
                            .map(Target::toString)
                            .collect(Collectors.joining(", "))));
  }

  /** Whether it is TensorRT, whatever its version. */
  public boolean isTensorRt() {
    return this == TENSORRT_10 || this == TENSORRT_11;
  }

  /** The last version of {@code ai.onnx} that it reads. */
  int lastOpset() {
    return isTensorRt() ? 24 : 23;
  }

  /** The name on the command line: {@code tensorrt-10}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
