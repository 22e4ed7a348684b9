package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.onnxruntime.OrtValue;

/**
 * Runs of a session in which outputs become inputs of the next run, where they are and whatever
 * their shapes: what a decoder carries along is never copied. Some are kept: input and output are
 * the same memory, and the session's kernels write what is new into it. It is closed before its
 * session.
 *
 * <pre>{@code
 * try (Recurrence runs = new Recurrence(session, Map.of("present", "past"), Map.of("past", zeros))) {
 *   Tensor first = runs.run(Map.of("x", a)).get("y");
 *   Tensor second = runs.run(Map.of("x", b)).get("y");
 * }
 * }</pre>
 */
public final class Recurrence implements AutoCloseable {

  private final ModelSession session;
  private final ImmutableMap<String, String> carried;
  private final ImmutableMap<String, TensorType> keptTypes;
  private final ImmutableMap<String, String> kept;
  private final DeviceState initial;
  private final Map<String, DeviceState> keeping = new HashMap<>();
  private final Map<String, OrtValue> states = new HashMap<>();
  private final List<OrtValue> owned = new ArrayList<>();
  private final List<OrtValue> results = new ArrayList<>();
  private boolean open = true;

  /**
   * @param carried which input takes over which output, by the output's name
   * @param begin the values of these inputs in the first run
   * @throws ManticoreException if the session has no such inputs or outputs, or one has no value
   */
  public Recurrence(ModelSession session, Map<String, String> carried, Map<String, Tensor> begin) {
    this(session, carried, Map.of(), begin);
  }

  /**
   * @param carried which input takes over which output, by the output's name
   * @param kept the types, with all extents, of the inputs among these that have their output's
   *     shape and begin with zeros, and that the session reads before, or while, it writes that
   *     output; nothing here checks this
   * @param begin the values of the others in the first run
   * @throws ManticoreException if the session has no such inputs or outputs, one has no value, or
   *     there is not enough memory
   */
  public Recurrence(
      ModelSession session,
      Map<String, String> carried,
      Map<String, TensorType> kept,
      Map<String, Tensor> begin) {
    this.session = session;
    this.carried = ImmutableMap.copyOf(carried);
    this.keptTypes = ImmutableMap.copyOf(kept);
    this.kept = ImmutableMap.copyOf(Maps.filterValues(this.carried, kept::containsKey));
    Map<String, TensorType> types = new LinkedHashMap<>();
    this.carried.forEach(
        (output, input) -> {
          if (!session.outputs().containsKey(output)
              || !session.inputs().containsKey(input)
              || !begin.containsKey(input) && !kept.containsKey(input)) {
            throw new ManticoreException(
                "MNT-RUNTIME-BINDING",
                session.name()
                    + ": output '"
                    + output
                    + "' cannot become input '"
                    + input
                    + "' of the next run: one of them is not there, or has no value to begin with");
          }
          if (!kept.containsKey(input)) {
            types.put(input, begin.get(input).type());
          }
        });
    this.initial = DeviceState.allocate(CpuDevice.instance(), types);
    try {
      this.initial.tensors().forEach((input, tensor) -> tensor.write(begin.get(input).data()));
      reset();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * Goes back to where the first run began.
   *
   * @throws ManticoreException if there is not enough memory
   */
  public void reset() {
    checkState(open, "the recurrence is closed");
    release(owned);
    release(results);
    initial.tensors().forEach((input, tensor) -> states.put(input, tensor.value()));
    keptTypes.forEach((input, type) -> keep(input, zeros(input, type)));
  }

  private static DeviceState zeros(String input, TensorType type) {
    return DeviceState.allocate(CpuDevice.instance(), Map.of(input, type));
  }

  /** A state takes the place of what an input was, which goes. */
  private void keep(String input, DeviceState fresh) {
    DeviceState before = keeping.put(input, fresh);
    states.put(input, fresh.get(input).value());
    if (before != null) {
      before.close();
    }
  }

  /**
   * Makes what is kept of an input longer along an axis; what it holds stays where it is along that
   * axis, and zeros follow.
   *
   * @param extent no less than it is
   * @throws ManticoreException if there is not enough memory; it is then as it was
   */
  public void extend(String input, int axis, long extent) {
    checkState(open, "the recurrence is closed");
    DeviceState state = keeping.get(input);
    checkArgument(state != null, "%s is not kept", input);
    DeviceTensor before = state.get(input);
    Shape shape = before.type().shape();
    checkArgument(shape.dim(axis).extent() <= extent, "%s becomes shorter", before);
    DeviceState longer = zeros(input, before.type().withShape(shape.withDim(axis, Dim.of(extent))));
    longer.get(input).writeAlong(axis, before);
    keep(input, longer);
  }

  /**
   * Runs the session once.
   *
   * @param given the inputs that are not carried
   * @return the outputs that are not carried: views that are good until the next call
   * @throws ManticoreException if an input is missing, does not fit, or the run fails; what is
   *     carried is then as it was, and of what is kept nothing is known
   */
  public ImmutableMap<String, Tensor> run(Map<String, Tensor> given) {
    checkState(open, "the recurrence is closed");
    release(results);
    Map<String, OrtValue> inputs = new HashMap<>(states);
    Map<String, TensorType> types = new LinkedHashMap<>();
    given.forEach((input, tensor) -> types.put(input, tensor.type()));
    for (String input : session.inputs().keySet()) {
      if (!states.containsKey(input) && !given.containsKey(input)) {
        throw new ManticoreException(
            "MNT-RUNTIME-BINDING", session.name() + ": input '" + input + "' is not given");
      }
    }
    Map<String, OrtValue> outputs;
    try (DeviceState run = DeviceState.allocate(CpuDevice.instance(), types)) {
      run.tensors()
          .forEach(
              (input, tensor) -> {
                tensor.write(given.get(input).data());
                inputs.put(input, tensor.value());
              });
      Map<String, OrtValue> into = new HashMap<>();
      kept.forEach((output, input) -> into.put(output, states.get(input)));
      outputs = session.runOn(inputs, into);
    }
    release(owned);
    ImmutableMap.Builder<String, Tensor> views = ImmutableMap.builder();
    outputs.forEach(
        (output, value) -> {
          String input = carried.get(output);
          if (input == null) {
            results.add(value);
            views.put(output, session.view(value, output));
          } else if (!kept.containsKey(output)) {
            owned.add(value);
            states.put(input, value);
          }
        });
    return views.build();
  }

  private void release(List<OrtValue> values) {
    values.forEach(session.runtime().api()::ReleaseValue);
    values.clear();
  }

  @Override
  public void close() {
    if (open) {
      release(owned);
      release(results);
      open = false;
      initial.close();
      keeping.values().forEach(DeviceState::close);
    }
  }
}
