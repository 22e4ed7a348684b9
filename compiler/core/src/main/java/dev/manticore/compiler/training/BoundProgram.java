package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.memory.Recompute;
import dev.manticore.ir.Value;
import dev.manticore.ir.state.StateBinding;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceTensor;
import dev.manticore.runtime.ModelSession;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A graph in a session, all its inputs and outputs bound to tensors of a device.
 *
 * @param memory how it keeps within its budget of memory; empty if it has none
 */
record BoundProgram(ModelSession session, Binding binding, Optional<Recompute.Planned> memory)
    implements AutoCloseable {

  /**
   * Opens a session.
   *
   * @param tensors one for each input and output, by name
   * @param bindings outputs that overwrite an input instead
   */
  static BoundProgram open(
      Device device,
      Function<String, DeviceTensor> tensors,
      StepProgram program,
      ImmutableList<StateBinding> bindings) {
    ModelSession session = program.open(device);
    Binding binding = session.bind();
    for (Value input : program.graph().inputs()) {
      binding.bindInput(input.name(), tensors.apply(input.name()));
    }
    Map<String, String> overwritten = new LinkedHashMap<>();
    bindings.forEach(bound -> overwritten.put(bound.output(), bound.input()));
    for (Value output : program.graph().outputs()) {
      String place = overwritten.getOrDefault(output.name(), output.name());
      binding.bindOutput(output.name(), tensors.apply(place));
    }
    return new BoundProgram(session, binding, program.plan());
  }

  void run() {
    binding.run();
  }

  @Override
  public void close() {
    binding.close();
    session.close();
  }
}
