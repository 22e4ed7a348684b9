package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorType;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.onnxruntime.OrtIoBinding;

/**
 * The inputs and outputs of a session tied to tensors, once; then run as often as wanted, without
 * copies. One tensor may be input and output at once: its values are then updated in place, which
 * is right only if the graph obeys the aliasing rule (every read of the input, or of a view of it,
 * comes before the write).
 */
public final class Binding implements AutoCloseable {

  private final ModelSession session;
  private final OrtIoBinding binding;
  private final ImmutableSet<String> copied;
  private final Map<String, DeviceTensor> inputs = new LinkedHashMap<>();
  private final Map<String, DeviceTensor> outputs = new LinkedHashMap<>();
  private boolean open = true;
  private boolean complete;

  /**
   * @param copied the inputs that ONNX Runtime copies when they are bound, as they are then
   */
  Binding(ModelSession session, OrtIoBinding binding, ImmutableSet<String> copied) {
    this.session = session;
    this.binding = binding;
    this.copied = copied;
    NativeHandles.opened();
  }

  /**
   * Ties an input to a tensor.
   *
   * @throws ManticoreException if the session has no such input or the type does not fit
   */
  public Binding bindInput(String name, DeviceTensor tensor) {
    checkFits("input", name, session.inputs(), tensor);
    tie(name, tensor);
    inputs.put(name, tensor);
    return this;
  }

  private void tie(String input, DeviceTensor tensor) {
    OnnxRuntime runtime = session.runtime();
    try (BytePointer text = new BytePointer(input)) {
      runtime.check(
          runtime.api().BindInput(binding, text, tensor.value()), "binding input " + input);
    }
  }

  /**
   * Ties an output to a tensor.
   *
   * @throws ManticoreException if the session has no such output or the type does not fit
   */
  public Binding bindOutput(String name, DeviceTensor tensor) {
    checkFits("output", name, session.outputs(), tensor);
    OnnxRuntime runtime = session.runtime();
    try (BytePointer text = new BytePointer(name)) {
      runtime.check(
          runtime.api().BindOutput(binding, text, tensor.value()), "binding output " + name);
    }
    outputs.put(name, tensor);
    return this;
  }

  /** Ties every input and output of the session whose name is in {@code state} to that tensor. */
  public Binding bindAll(DeviceState state) {
    session.inputs().keySet().stream()
        .filter(state.names()::contains)
        .forEach(name -> bindInput(name, state.get(name)));
    session.outputs().keySet().stream()
        .filter(state.names()::contains)
        .forEach(name -> bindOutput(name, state.get(name)));
    return this;
  }

  /**
   * Runs the graph once; only the bound outputs are computed.
   *
   * @throws ManticoreException if an input is not bound, or the run fails
   */
  public void run() {
    checkState(open, "the binding is closed");
    session.checkOpen();
    if (!complete) {
      checkComplete();
    }
    inputs.values().forEach(DeviceTensor::checkOpen);
    outputs.values().forEach(DeviceTensor::checkOpen);
    copied.forEach(input -> tie(input, inputs.get(input)));
    OnnxRuntime runtime = session.runtime();
    runtime.check(
        runtime.api().RunWithBinding(session.handle(), session.runOptions(), binding),
        "running " + session.name());
  }

  private void checkComplete() {
    Set<String> missing =
        new LinkedHashSet<>(Sets.difference(session.inputs().keySet(), inputs.keySet()));
    if (!missing.isEmpty() || outputs.isEmpty()) {
      throw new ManticoreException(
          "MNT-RUNTIME-BINDING",
          session.name()
              + (outputs.isEmpty() ? ": no output is bound" : ": inputs not bound: " + missing));
    }
    complete = true;
  }

  private void checkFits(
      String role, String name, ImmutableMap<String, TensorType> types, DeviceTensor tensor) {
    checkState(open, "the binding is closed");
    tensor.checkOpen();
    TensorType wanted = types.get(name);
    if (wanted == null) {
      throw new ManticoreException(
          "MNT-RUNTIME-BINDING",
          session.name() + " has no " + role + " '" + name + "'; it has " + types.keySet());
    }
    if (!fits(wanted, tensor.type())) {
      throw new ManticoreException(
          "MNT-RUNTIME-BINDING",
          role
              + " '"
              + name
              + "' of "
              + session.name()
              + " is "
              + wanted
              + ", not "
              + tensor.type());
    }
  }

  private static boolean fits(TensorType wanted, TensorType given) {
    if (wanted.elementType() != given.elementType()) {
      return false;
    }
    if (!wanted.shape().isRanked()) {
      return true;
    }
    if (wanted.shape().rank() != given.shape().rank()) {
      return false;
    }
    for (int axis = 0; axis < given.shape().rank(); axis++) {
      Dim dim = wanted.shape().dim(axis);
      if (dim.isKnown() && !dim.equals(given.shape().dim(axis))) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      checkArgument(session.isOpen(), "a binding is closed before its session");
      session.runtime().api().ReleaseIoBinding(binding);
      session.forget(this);
      NativeHandles.closed();
    }
  }
}
