package dev.manticore.compiler.training;

import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.memory.Recompute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.state.AliasingVerifier;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Optional;

/**
 * A step graph as a device runs it.
 *
 * @param graph lowered, and proven to update its state safely
 * @param config of its session
 * @param plan how it keeps within its budget of memory; empty if it has none
 */
public record StepProgram(Graph graph, SessionConfig config, Optional<Recompute.Planned> plan) {

  /**
   * Lowers a step.
   *
   * @param memory the most bytes that its values may take at a time, 0 for any number
   * @param config of its session, where there is no budget
   * @throws dev.manticore.ir.ManticoreException {@code MNT-PRECISION} if the device does not
   *     compute in the precision; {@code MNT-MEMORY} if the budget is too small
   */
  public static StepProgram of(
      StepGraphs.Step step, Device device, Precision precision, long memory, SessionConfig config) {
    Graph lowered = Lowering.forDevice(step.graph(), device, precision);
    StepProgram program = memory == 0 ? of(lowered, config) : within(memory, lowered, config);
    AliasingVerifier.verify(program.graph(), step.bindings());
    return program;
  }

  private static StepProgram of(Graph lowered, SessionConfig config) {
    return new StepProgram(lowered, config, Optional.empty());
  }

  private static StepProgram within(long memory, Graph lowered, SessionConfig config) {
    Recompute.Planned plan = new Recompute(memory, StepGraphs.LOSS).plan(lowered);
    return new StepProgram(
        plan.graph(), config.withOptimization(SessionConfig.Optimization.NONE), Optional.of(plan));
  }

  /** A session that runs the step; the caller closes it. */
  public ModelSession open(Device device) {
    return ModelSession.open(device, OnnxExporter.toBytes(graph), config);
  }
}
