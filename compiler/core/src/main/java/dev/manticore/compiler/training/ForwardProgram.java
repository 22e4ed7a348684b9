package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.SessionConfig;
import java.util.LinkedHashMap;
import java.util.Map;

/** A model that only runs forward, in float32, and the tensors that it reads and writes. */
record ForwardProgram(DeviceState state, BoundProgram program) implements AutoCloseable {

  /**
   * Puts a model on a device.
   *
   * @param graph of {@link StepGraphs} of the model: its parameters are inputs
   * @param parameters values for those of the model's parameters that are named here; the others
   *     are the model's own
   * @param threads threads of a run
   */
  static ForwardProgram open(
      Device device, Graph graph, Graph model, Map<String, Tensor> parameters, int threads) {
    Map<String, TensorType> types = new LinkedHashMap<>();
    for (Value value : graph.inputs()) {
      types.put(value.name(), value.type());
    }
    for (Value value : graph.outputs()) {
      types.put(value.name(), value.type());
    }
    DeviceState state = DeviceState.allocate(device, types);
    model
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (types.containsKey(value.name())) {
                state.get(value.name()).write(parameters.getOrDefault(value.name(), tensor).data());
              }
            });
    StepProgram program =
        StepProgram.of(
            new StepGraphs.Step(graph, ImmutableList.of()),
            device,
            Precision.FLOAT32,
            0,
            SessionConfig.defaults().withIntraOpThreads(threads));
    return new ForwardProgram(
        state, BoundProgram.open(device, state::get, program, ImmutableList.of()));
  }

  /** Runs a batch; returns the mean loss over its labels that count, in nats each. */
  double loss(Batch batch) {
    state.get("input_ids").setLongs(batch.inputs());
    state.get("labels").setLongs(batch.labels());
    program.run();
    return state.get(StepGraphs.LOSS).toFloats()[0];
  }

  @Override
  public void close() {
    program.close();
    state.close();
  }
}
