package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkState;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_DISABLE_ALL;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_ENABLE_ALL;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_ENABLE_BASIC;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_ENABLE_EXTENDED;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_SEQUENTIAL;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.bytedeco.onnxruntime.OrtAllocator;
import org.bytedeco.onnxruntime.OrtCUDAProviderOptionsV2;
import org.bytedeco.onnxruntime.OrtIoBinding;
import org.bytedeco.onnxruntime.OrtKeyValuePairs;
import org.bytedeco.onnxruntime.OrtMemoryInfo;
import org.bytedeco.onnxruntime.OrtOptionalTypeInfo;
import org.bytedeco.onnxruntime.OrtRunOptions;
import org.bytedeco.onnxruntime.OrtSession;
import org.bytedeco.onnxruntime.OrtSessionOptions;
import org.bytedeco.onnxruntime.OrtStatus;
import org.bytedeco.onnxruntime.OrtTensorTypeAndShapeInfo;
import org.bytedeco.onnxruntime.OrtTypeInfo;
import org.bytedeco.onnxruntime.OrtValue;

/**
 * An ONNX model loaded by ONNX Runtime on one device, with the device's kernels registered.
 *
 * <pre>{@code
 * try (ModelSession session = ModelSession.open(device, model, SessionConfig.defaults());
 *     Binding step = session.bind()) {
 *   step.bindInput("w", state.get("w")).bindOutput("w_next", state.get("w"));
 *   step.run();
 * }
 * }</pre>
 */
public final class ModelSession implements AutoCloseable {

  private final OnnxRuntime runtime = OnnxRuntime.load();
  private final Device device;
  private final String name;
  private final KernelDomain kernels;
  private final OrtSession session;
  private final OrtRunOptions runOptions;
  private final ImmutableMap<String, TensorType> inputs;
  private final ImmutableMap<String, TensorType> outputs;
  private final List<BytePointer> texts = new ArrayList<>();
  private final PointerPointer<Pointer> inputNames;
  private final PointerPointer<Pointer> outputNames;
  private final Set<Binding> bindings = new LinkedHashSet<>();
  private final boolean profiled;
  private boolean open = true;

  /**
   * Loads a model held in memory; it must be below 2 GiB and without external data.
   *
   * @throws ManticoreException if ONNX Runtime refuses it, with its message
   */
  public static ModelSession open(Device device, byte[] model, SessionConfig config) {
    return new ModelSession(
        device,
        "the model",
        config,
        loader -> {
          try (BytePointer bytes = new BytePointer(model)) {
            return loader
                .runtime
                .api()
                .CreateSessionFromArray(
                    loader.runtime.environment(),
                    bytes,
                    model.length,
                    loader.options,
                    loader.result);
          }
        });
  }

  /**
   * Loads a model from a file; external data is found beside it.
   *
   * @throws ManticoreException if it cannot be read or ONNX Runtime refuses it, with its message
   */
  public static ModelSession open(Device device, Path model, SessionConfig config) {
    return new ModelSession(
        device,
        "the model " + model.getFileName(),
        config,
        loader -> {
          try (BytePointer path = new BytePointer(model.toAbsolutePath().toString())) {
            return loader
                .runtime
                .api()
                .CreateSession(loader.runtime.environment(), path, loader.options, loader.result);
          }
        });
  }

  private record Loader(OnnxRuntime runtime, OrtSessionOptions options, PointerPointer<?> result) {}

  private ModelSession(
      Device device, String name, SessionConfig config, Function<Loader, OrtStatus> load) {
    this.device = device;
    this.name = name;
    this.profiled = !config.profilePrefix().isEmpty();
    this.kernels = new KernelDomain(runtime, device, config.intraOpThreads());
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      this.session = create(config, load, out);
      NativeHandles.opened();
    } catch (RuntimeException e) {
      kernels.close();
      throw e;
    }
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(runtime.api().CreateRunOptions(out), "loading " + name);
      this.runOptions = new OrtRunOptions(out.get(0));
      this.inputs = types(Side.INPUT, out);
      this.outputs = types(Side.OUTPUT, out);
      this.inputNames = names(inputs);
      this.outputNames = names(outputs);
    } catch (RuntimeException e) {
      runtime.api().ReleaseSession(session);
      NativeHandles.closed();
      kernels.close();
      throw e;
    }
  }

  private OrtSession create(
      SessionConfig config, Function<Loader, OrtStatus> load, PointerPointer<?> out) {
    runtime.check(runtime.api().CreateSessionOptions(out), "loading " + name);
    OrtSessionOptions options = new OrtSessionOptions(out.get(0));
    try {
      configure(options, config);
      kernels.register(options);
      runtime.check(load.apply(new Loader(runtime, options, out)), "loading " + name);
      return new OrtSession(out.get(0));
    } finally {
      runtime.api().ReleaseSessionOptions(options);
    }
  }

  private void configure(OrtSessionOptions options, SessionConfig config) {
    String doing = "configuring a session";
    runtime.check(runtime.api().SetSessionExecutionMode(options, ORT_SEQUENTIAL), doing);
    runtime.check(runtime.api().SetIntraOpNumThreads(options, config.intraOpThreads()), doing);
    runtime.check(runtime.api().SetInterOpNumThreads(options, 1), doing);
    int level =
        switch (config.optimization()) {
          case NONE -> ORT_DISABLE_ALL;
          case BASIC -> ORT_ENABLE_BASIC;
          case EXTENDED -> ORT_ENABLE_EXTENDED;
          case ALL -> ORT_ENABLE_ALL;
        };
    runtime.check(runtime.api().SetSessionGraphOptimizationLevel(options, level), doing);
    if (config.memoryPattern() == SessionConfig.MemoryPattern.OFF) {
      runtime.check(runtime.api().DisableMemPattern(options), doing);
    }
    boolean spinning = config.spinning() == SessionConfig.Spinning.DURING_RUNS;
    entry(options, "session.intra_op.allow_spinning", spinning ? "1" : "0");
    // Otherwise the threads of an idle session go on spinning and slow down those of the next.
    entry(options, "session.force_spinning_stop", "1");
    if (!config.disabledOptimizers().isEmpty()) {
      entry(
          options,
          "optimization.disable_specified_optimizers",
          String.join(";", config.disabledOptimizers()));
    }
    if (!config.profilePrefix().isEmpty()) {
      try (BytePointer prefix = new BytePointer(config.profilePrefix())) {
        runtime.check(runtime.api().EnableProfiling(options, prefix), doing);
      }
    }
    device
        .executionProviders()
        .forEach((provider, settings) -> append(options, provider, settings));
  }

  private void append(
      OrtSessionOptions options, String provider, ImmutableMap<String, String> settings) {
    List<BytePointer> texts = new ArrayList<>();
    int count = settings.size();
    try (PointerPointer<Pointer> keys = new PointerPointer<>(Math.max(1, count));
        PointerPointer<Pointer> values = new PointerPointer<>(Math.max(1, count));
        BytePointer providerName = new BytePointer(provider)) {
      int index = 0;
      for (Map.Entry<String, String> setting : settings.entrySet()) {
        BytePointer key = new BytePointer(setting.getKey());
        texts.add(key);
        BytePointer value = new BytePointer(setting.getValue());
        texts.add(value);
        keys.put(index, key);
        values.put(index, value);
        index++;
      }
      if (provider.equals(Device.CUDA)) {
        appendCuda(options, keys, values, count);
      } else {
        runtime.check(
            runtime
                .api()
                .SessionOptionsAppendExecutionProvider(options, providerName, keys, values, count),
            "enabling " + provider);
      }
    } finally {
      texts.forEach(BytePointer::close);
    }
  }

  /** CUDA's provider is not among those that are found by their names. */
  private void appendCuda(
      OrtSessionOptions options,
      PointerPointer<Pointer> keys,
      PointerPointer<Pointer> values,
      int count) {
    String doing = "enabling CUDA, which needs CUDA 13 and cuDNN 9 on the library path";
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(runtime.api().CreateCUDAProviderOptions(out), doing);
      OrtCUDAProviderOptionsV2 settings = new OrtCUDAProviderOptionsV2(out.get(0));
      try {
        runtime.check(
            runtime.api().UpdateCUDAProviderOptions(settings, keys, values, count), doing);
        runtime.check(
            runtime.api().SessionOptionsAppendExecutionProvider_CUDA_V2(options, settings), doing);
      } finally {
        runtime.api().ReleaseCUDAProviderOptions().call(settings);
      }
    }
  }

  private void entry(OrtSessionOptions options, String key, String value) {
    runtime.check(runtime.api().AddSessionConfigEntry(options, key, value), "setting " + key);
  }

  private enum Side {
    INPUT,
    OUTPUT
  }

  private ImmutableMap<String, TensorType> types(Side side, PointerPointer<?> out) {
    ImmutableMap.Builder<String, TensorType> types = ImmutableMap.builder();
    String doing = "reading the " + side.name().toLowerCase(java.util.Locale.ROOT) + "s of " + name;
    try (SizeTPointer count = new SizeTPointer(1)) {
      runtime.check(
          side == Side.INPUT
              ? runtime.api().SessionGetInputCount(session, count)
              : runtime.api().SessionGetOutputCount(session, count),
          doing);
      for (long index = 0; index < count.get(); index++) {
        runtime.check(
            side == Side.INPUT
                ? runtime.api().SessionGetInputName(session, index, runtime.allocator(), out)
                : runtime.api().SessionGetOutputName(session, index, runtime.allocator(), out),
            doing);
        String valueName = runtime.takeString(out.get(0));
        runtime.check(
            side == Side.INPUT
                ? runtime.api().SessionGetInputTypeInfo(session, index, out)
                : runtime.api().SessionGetOutputTypeInfo(session, index, out),
            doing);
        OrtTypeInfo info = new OrtTypeInfo(out.get(0));
        try {
          types.put(valueName, type(info, valueName, out));
        } finally {
          runtime.api().ReleaseTypeInfo(info);
        }
      }
    }
    return types.build();
  }

  /** The type of a tensor, or of the tensor that an optional value holds if it holds one. */
  private TensorType type(OrtTypeInfo info, String valueName, PointerPointer<?> out) {
    String doing = "reading the type of " + valueName;
    runtime.check(runtime.api().CastTypeInfoToOptionalTypeInfo(info, out), doing);
    if (out.get(0) != null) {
      OrtOptionalTypeInfo optional = new OrtOptionalTypeInfo(out.get(0));
      runtime.check(runtime.api().GetOptionalContainedTypeInfo(optional, out), doing);
      OrtTypeInfo contained = new OrtTypeInfo(out.get(0));
      try {
        return type(contained, valueName, out);
      } finally {
        runtime.api().ReleaseTypeInfo(contained);
      }
    }
    runtime.check(runtime.api().CastTypeInfoToTensorInfo(info, out), doing);
    if (out.get(0) == null) {
      throw new ManticoreException(
          "MNT-RUNTIME-TYPE", name + ": '" + valueName + "' is no tensor; only tensors are run");
    }
    // Owned by the type info.
    return tensorType(new OrtTensorTypeAndShapeInfo(out.get(0)), doing);
  }

  private TensorType tensorType(OrtTensorTypeAndShapeInfo info, String doing) {
    try (IntPointer element = new IntPointer(1);
        SizeTPointer rank = new SizeTPointer(1)) {
      runtime.check(runtime.api().GetTensorElementType(info, element), doing);
      runtime.check(runtime.api().GetDimensionsCount(info, rank), doing);
      int axes = (int) rank.get();
      long[] extents = new long[axes];
      runtime.check(runtime.api().GetDimensions(info, extents, axes), doing);
      List<Dim> dims = new ArrayList<>();
      try (PointerPointer<?> symbols = new PointerPointer<>(Math.max(1, axes))) {
        runtime.check(runtime.api().GetSymbolicDimensions(info, symbols, axes), doing);
        for (int axis = 0; axis < axes; axis++) {
          String symbol =
              symbols.get(axis) == null ? "" : new BytePointer(symbols.get(axis)).getString();
          dims.add(
              extents[axis] >= 0
                  ? Dim.of(extents[axis])
                  : symbol.isEmpty() ? Dim.UNKNOWN : Dim.of(symbol));
        }
      }
      return new TensorType(ElementType.ofOnnxNumber(element.get()), Shape.of(dims));
    }
  }

  /** The inputs that a run needs, in the model's order; extents may be symbolic or unknown. */
  public ImmutableMap<String, TensorType> inputs() {
    return inputs;
  }

  /** The outputs, in the model's order; extents may be symbolic or unknown. */
  public ImmutableMap<String, TensorType> outputs() {
    return outputs;
  }

  public Device device() {
    return device;
  }

  /**
   * The inputs that the session reads elsewhere than in the device's memory: those that operators
   * take which the CPU computes in its place. ONNX Runtime copies them when they are bound.
   */
  ImmutableSet<String> inputsElsewhere() {
    ImmutableSet.Builder<String> elsewhere = ImmutableSet.builder();
    String doing = "reading where inputs are";
    try (PointerPointer<Pointer> places = new PointerPointer<>(Math.max(1, inputs.size()));
        PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(
          runtime.api().SessionGetMemoryInfoForInputs(session, places, inputs.size()), doing);
      int index = 0;
      for (String input : inputs.keySet()) {
        OrtMemoryInfo place = new OrtMemoryInfo(places.get(index++));
        runtime.check(runtime.api().MemoryInfoGetName(place, out), doing);
        if (!new BytePointer(out.get(0)).getString().equals(device.memoryName())) {
          elsewhere.add(input);
        }
      }
    }
    return elsewhere.build();
  }

  /** A new binding, closed with the session if not before. */
  public Binding bind() {
    checkOpen();
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(runtime.api().CreateIoBinding(session, out), "binding " + name);
      Binding binding =
          new Binding(
              this,
              new OrtIoBinding(out.get(0)),
              device.executionProviders().isEmpty() ? ImmutableSet.of() : inputsElsewhere());
      bindings.add(binding);
      return binding;
    }
  }

  /**
   * Runs the model once and copies all outputs, whatever their shapes. For checks and tools; a
   * training or decoding loop uses a {@link Binding}.
   *
   * @throws ManticoreException if an input is missing, does not fit, or the run fails
   */
  public ImmutableMap<String, Tensor> run(Map<String, Tensor> given) {
    checkOpen();
    for (String input : inputs.keySet()) {
      if (!given.containsKey(input)) {
        throw new ManticoreException(
            "MNT-RUNTIME-BINDING", name + ": input '" + input + "' is not given");
      }
    }
    Map<String, TensorType> types = new LinkedHashMap<>();
    Map<String, OrtValue> values = new HashMap<>();
    List<OrtValue> strings = new ArrayList<>();
    for (String input : inputs.keySet()) {
      Tensor tensor = given.get(input);
      if (tensor.elementType() == ElementType.STRING) {
        strings.add(StringTensors.create(runtime, tensor));
        values.put(input, strings.get(strings.size() - 1));
      } else {
        types.put(input, tensor.type());
      }
    }
    try (DeviceState state = DeviceState.allocate(CpuDevice.instance(), types)) {
      state.tensors().forEach((input, tensor) -> tensor.write(given.get(input).data()));
      state.tensors().forEach((input, tensor) -> values.put(input, tensor.value()));
      return take(runOn(values));
    } finally {
      strings.forEach(runtime.api()::ReleaseValue);
    }
  }

  /** Runs the model once, with memory for all outputs made for this run. */
  private Map<String, OrtValue> runOn(Map<String, OrtValue> values) {
    return runOn(values, Map.of());
  }

  /**
   * Runs the model once.
   *
   * @param into outputs that are written into memory that is there, of their very shapes
   * @return all outputs, in the model's order; the caller releases those that it gave no memory for
   */
  Map<String, OrtValue> runOn(Map<String, OrtValue> values, Map<String, OrtValue> into) {
    try (PointerPointer<Pointer> inputValues = new PointerPointer<>(Math.max(1, inputs.size()));
        PointerPointer<Pointer> outputValues = new PointerPointer<>(Math.max(1, outputs.size()))) {
      int index = 0;
      for (String input : inputs.keySet()) {
        inputValues.put(index++, values.get(input));
      }
      index = 0;
      for (String output : outputs.keySet()) {
        Pointer given = into.get(output);
        outputValues.put(index++, given == null ? new RawPointer(0) : given);
      }
      runtime.check(
          runtime
              .api()
              .Run(
                  session,
                  runOptions,
                  inputNames,
                  inputValues,
                  inputs.size(),
                  outputNames,
                  outputs.size(),
                  outputValues),
          "running " + name);
      Map<String, OrtValue> results = new LinkedHashMap<>();
      index = 0;
      for (String output : outputs.keySet()) {
        results.put(output, new OrtValue(outputValues.get(index++)));
      }
      return results;
    }
  }

  /** Names as ONNX Runtime is given them for each run. */
  private PointerPointer<Pointer> names(ImmutableMap<String, TensorType> types) {
    PointerPointer<Pointer> names = new PointerPointer<>(Math.max(1, types.size()));
    int index = 0;
    for (String text : types.keySet()) {
      BytePointer pointer = new BytePointer(text);
      texts.add(pointer);
      names.put(index++, pointer);
    }
    return names;
  }

  private ImmutableMap<String, Tensor> take(Map<String, OrtValue> values) {
    ImmutableMap.Builder<String, Tensor> results = ImmutableMap.builder();
    try {
      values.forEach((output, value) -> results.put(output, copy(value, output)));
    } finally {
      values.values().forEach(runtime.api()::ReleaseValue);
    }
    return results.build();
  }

  private Tensor copy(OrtValue value, String output) {
    String doing = "reading output " + output;
    try (PointerPointer<?> out = new PointerPointer<>(1);
        IntPointer held = new IntPointer(1)) {
      runtime.check(runtime.api().HasValue(value, held), doing);
      if (held.get() == 0) {
        throw new ManticoreException(
            "MNT-RUNTIME-TYPE", name + ": '" + output + "' holds no value; only tensors are read");
      }
      runtime.check(runtime.api().GetTensorTypeAndShape(value, out), doing);
      OrtTensorTypeAndShapeInfo info = new OrtTensorTypeAndShapeInfo(out.get(0));
      try {
        TensorType type = tensorType(info, doing);
        if (type.elementType() == ElementType.STRING) {
          return StringTensors.read(runtime, value, type);
        }
        byte[] bytes = new byte[Math.toIntExact(type.byteSize())];
        view(value, type, doing).data().read(0, ByteBuffer.wrap(bytes));
        return new Tensor(type, TensorData.ofBytes(bytes));
      } finally {
        runtime.api().ReleaseTensorTypeAndShapeInfo(info);
      }
    }
  }

  /** The values of a tensor where they are: good until it is released. */
  Tensor view(OrtValue value, String output) {
    String doing = "reading output " + output;
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(runtime.api().GetTensorTypeAndShape(value, out), doing);
      OrtTensorTypeAndShapeInfo info = new OrtTensorTypeAndShapeInfo(out.get(0));
      try {
        return view(value, tensorType(info, doing), doing);
      } finally {
        runtime.api().ReleaseTensorTypeAndShapeInfo(info);
      }
    }
  }

  private Tensor view(OrtValue value, TensorType type, String doing) {
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(runtime.api().GetTensorMutableData(value, out), doing);
      long address = out.get(0) == null ? 0 : out.get(0).address();
      return new Tensor(type, new NativeData(address, type.byteSize()));
    }
  }

  /** Bytes outside the heap that somebody else owns. */
  private record NativeData(long address, long byteSize) implements TensorData {
    @Override
    public void read(long offset, ByteBuffer target) {
      int count = target.remaining();
      Objects.checkFromIndexSize(offset, count, byteSize);
      if (count > 0) {
        target.put(new RawPointer(address + offset, count).asByteBuffer());
      }
    }
  }

  /**
   * Ends the profile that the configuration asked for and writes it.
   *
   * @return the file, or nothing if no profile was asked for
   */
  public Optional<Path> finishProfile() {
    checkOpen();
    if (!profiled) {
      return Optional.empty();
    }
    try (PointerPointer<?> out = new PointerPointer<>(1)) {
      runtime.check(
          runtime.api().SessionEndProfiling(session, runtime.allocator(), out),
          "writing the profile");
      return Optional.of(Path.of(runtime.takeString(out.get(0))));
    }
  }

  /**
   * The most bytes that this session has held at a time in the device's memory, as ONNX Runtime's
   * arena counts them: values of runs, constants, what its kernels need besides. It counts the
   * blocks that it hands out, which may be up to twice as large as what lies in them. Bound tensors
   * are the caller's. Empty if the device's allocator does not count.
   */
  public OptionalLong peakBytes() {
    checkOpen();
    String doing = "reading how much memory " + name + " takes";
    try (PointerPointer<?> out = new PointerPointer<>(1);
        BytePointer key = new BytePointer("MaxInUse")) {
      OrtMemoryInfo place = MemoryPlace.of(runtime, device, out);
      try {
        runtime.check(runtime.api().CreateAllocator(session, place, out), doing);
      } finally {
        runtime.api().ReleaseMemoryInfo(place);
      }
      OrtAllocator arena = new OrtAllocator(out.get(0));
      try {
        runtime.check(runtime.api().AllocatorGetStats(arena, out), doing);
        OrtKeyValuePairs counts = new OrtKeyValuePairs(out.get(0));
        try {
          BytePointer most = runtime.api().GetKeyValue().call(counts, key);
          return most == null || most.isNull()
              ? OptionalLong.empty()
              : OptionalLong.of(Long.parseLong(most.getString()));
        } finally {
          runtime.api().ReleaseKeyValuePairs(counts);
        }
      } finally {
        runtime.api().ReleaseAllocator(arena);
      }
    }
  }

  OnnxRuntime runtime() {
    return runtime;
  }

  OrtSession handle() {
    return session;
  }

  OrtRunOptions runOptions() {
    return runOptions;
  }

  String name() {
    return name;
  }

  boolean isOpen() {
    return open;
  }

  void checkOpen() {
    checkState(open, "the session is closed");
  }

  void forget(Binding binding) {
    bindings.remove(binding);
  }

  /** Frees the session and its bindings; the state they were bound to is not touched. */
  @Override
  public void close() {
    if (open) {
      List.copyOf(bindings).forEach(Binding::close);
      open = false;
      runtime.api().ReleaseRunOptions(runOptions);
      runtime.api().ReleaseSession(session);
      NativeHandles.closed();
      kernels.close();
      inputNames.close();
      outputNames.close();
      texts.forEach(BytePointer::close);
    }
  }
}
