package dev.manticore.compiler.engine;

import static java.util.Objects.requireNonNull;

import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.ir.ManticoreException;

/**
 * What engines are built for.
 *
 * @param target a TensorRT
 * @param precision what they compute their products in
 * @param batch the most sequences of a run
 * @param prompt the most tokens that the engine for prompts reads at once
 * @param capacity the most tokens of a sequence
 * @param workspaceBytes the most device memory that one layer may use besides
 */
public record EngineOptions(
    Target target, Precision precision, int batch, int prompt, int capacity, long workspaceBytes) {

  public EngineOptions {
    requireNonNull(target, "target");
    requireNonNull(precision, "precision");
    if (!target.isTensorRt()) {
      throw EngineTool.failure("engines are TensorRT's, not " + target + "'s");
    }
    if (batch < 1 || prompt < 2 || capacity < prompt || workspaceBytes < 1) {
      throw EngineTool.failure(
          "an engine needs a batch of 1 or more, prompts of 2 tokens or more, no more than its"
              + " capacity, and some workspace; not "
              + batch
              + ", "
              + prompt
              + ", "
              + capacity
              + " and "
              + workspaceBytes);
    }
  }

  /**
   * With room for no more tokens than the model has positions for.
   *
   * @param longest in tokens, 0 for any
   * @throws ManticoreException {@code MNT-ENGINE} if no prompt fits
   */
  EngineOptions within(long longest) {
    if (longest == 0 || longest >= capacity) {
      return this;
    }
    return new EngineOptions(
        target, precision, batch, (int) Math.min(prompt, longest), (int) longest, workspaceBytes);
  }
}
