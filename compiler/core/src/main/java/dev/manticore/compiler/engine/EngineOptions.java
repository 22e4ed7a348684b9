package dev.manticore.compiler.engine;

import static java.util.Objects.requireNonNull;

import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.ir.ManticoreException;

/**
 * What engines are built for.
 *
 * @param target a TensorRT
 * @param precision what they compute their products in
 * @param workspaceBytes the most device memory that one layer may use besides
 */
public record EngineOptions(
    Target target, Precision precision, DecodeLimits limits, long workspaceBytes) {

  /**
   * @throws ManticoreException {@code MNT-ENGINE} if the target is another runtime, or there is no
   *     workspace
   */
  public EngineOptions {
    requireNonNull(target, "target");
    requireNonNull(precision, "precision");
    requireNonNull(limits, "limits");
    if (!target.isTensorRt() || workspaceBytes < 1) {
      throw EngineTool.failure(
          "engines are TensorRT's and need some workspace, but "
              + target
              + " with "
              + workspaceBytes
              + " bytes was asked for");
    }
  }

  int batch() {
    return limits.batch();
  }

  int prompt() {
    return limits.prompt();
  }

  int capacity() {
    return limits.capacity();
  }
}
