package dev.manticore.runtime;

import static org.bytedeco.onnxruntime.global.onnxruntime.INPUT_OUTPUT_REQUIRED;
import static org.bytedeco.onnxruntime.global.onnxruntime.ORT_FAIL;
import static org.bytedeco.onnxruntime.global.onnxruntime.OrtMemTypeDefault;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.onnxruntime.OrtApi;
import org.bytedeco.onnxruntime.OrtCustomOp;
import org.bytedeco.onnxruntime.OrtKernelContext;
import org.bytedeco.onnxruntime.OrtKernelInfo;
import org.bytedeco.onnxruntime.OrtStatus;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The functions that ONNX Runtime calls for our kernels. JavaCPP has room for ten callbacks of one
 * kind in a process, so there is one of each kind; it finds its kernel by the address or number
 * that ONNX Runtime passes along.
 */
final class KernelCallbacks {

  private static final Logger LOG = LoggerFactory.getLogger(KernelCallbacks.class);

  private final OnnxRuntime runtime = OnnxRuntime.load();
  private final ConcurrentMap<Long, Registration> registrations = new ConcurrentHashMap<>();
  private final ConcurrentMap<Long, KernelNode> nodes = new ConcurrentHashMap<>();
  private final ConcurrentMap<Long, ParallelWork> works = new ConcurrentHashMap<>();
  private final AtomicLong numbers = new AtomicLong();

  private final GetName getName = new GetName();
  private final GetProvider getProvider = new GetProvider();
  private final InputCount inputCount = new InputCount();
  private final InputType inputType = new InputType();
  private final InputCharacteristic inputCharacteristic = new InputCharacteristic();
  private final InputMemory inputMemory = new InputMemory();
  private final OutputCount outputCount = new OutputCount();
  private final OutputType outputType = new OutputType();
  private final OutputCharacteristic outputCharacteristic = new OutputCharacteristic();
  private final Create create = new Create();
  private final Compute compute = new Compute();
  private final Destroy destroy = new Destroy();
  private final Step step = new Step();

  private KernelCallbacks() {}

  static KernelCallbacks instance() {
    return Holder.INSTANCE;
  }

  private static final class Holder {
    private static final KernelCallbacks INSTANCE = new KernelCallbacks();
  }

  /**
   * Fills in the description of {@code kernel}, which is found again by its address.
   *
   * @param device of the session
   * @param threads of the session
   */
  void fill(OrtCustomOp operator, JavaKernel kernel, Device device, int threads) {
    registrations.put(
        operator.address(),
        new Registration(
            kernel,
            device,
            new BytePointer(kernel.name()),
            new BytePointer(kernel.executionProvider()),
            threads));
    operator.GetName(getName);
    operator.GetExecutionProviderType(getProvider);
    operator.GetInputTypeCount(inputCount);
    operator.GetInputType(inputType);
    operator.GetInputCharacteristic(inputCharacteristic);
    operator.GetInputMemoryType(inputMemory);
    operator.GetOutputTypeCount(outputCount);
    operator.GetOutputType(outputType);
    operator.GetOutputCharacteristic(outputCharacteristic);
    operator.CreateKernelV2(create);
    operator.KernelComputeV2(compute);
    operator.KernelDestroy(destroy);
  }

  void forget(OrtCustomOp operator) {
    registrations.remove(operator.address()).close();
  }

  /** Runs {@code work} on the threads of the session that {@code context} belongs to. */
  void parallel(OrtKernelContext context, ParallelWork work) {
    long number = numbers.incrementAndGet();
    works.put(number, work);
    try {
      runtime.check(
          runtime
              .api()
              .KernelContext_ParallelFor(
                  context, step, work.count(), work.count(), new RawPointer(number)),
          "running a kernel in parallel");
    } finally {
      works.remove(number);
    }
    work.rethrow();
  }

  private JavaKernel kernel(OrtCustomOp operator) {
    return registrations.get(operator.address()).kernel();
  }

  private OrtStatus failure(Throwable thrown) {
    String message = thrown instanceof ManticoreException ? thrown.getMessage() : thrown.toString();
    // ONNX Runtime copies the message.
    try (BytePointer text = new BytePointer(message, StandardCharsets.UTF_8)) {
      return runtime.api().CreateStatus().call(ORT_FAIL, text);
    }
  }

  private record Registration(
      JavaKernel kernel, Device device, BytePointer name, BytePointer provider, int threads) {
    void close() {
      name.close();
      provider.close();
    }
  }

  private static final class GetName extends OrtCustomOp.GetName_OrtCustomOp {
    @Override
    public BytePointer call(OrtCustomOp operator) {
      return instance().registrations.get(operator.address()).name();
    }
  }

  private static final class GetProvider extends OrtCustomOp.GetExecutionProviderType_OrtCustomOp {
    @Override
    public BytePointer call(OrtCustomOp operator) {
      return instance().registrations.get(operator.address()).provider();
    }
  }

  private static final class InputCount extends OrtCustomOp.GetInputTypeCount_OrtCustomOp {
    @Override
    public long call(OrtCustomOp operator) {
      return instance().kernel(operator).inputs().size();
    }
  }

  private static final class InputType extends OrtCustomOp.GetInputType_OrtCustomOp_long {
    @Override
    public int call(OrtCustomOp operator, long index) {
      return instance().kernel(operator).inputs().get((int) index).onnxNumber();
    }
  }

  private static final class InputCharacteristic
      extends OrtCustomOp.GetInputCharacteristic_OrtCustomOp_long {
    @Override
    public int call(OrtCustomOp operator, long index) {
      return INPUT_OUTPUT_REQUIRED;
    }
  }

  private static final class InputMemory extends OrtCustomOp.GetInputMemoryType_OrtCustomOp_long {
    @Override
    public int call(OrtCustomOp operator, long index) {
      return OrtMemTypeDefault;
    }
  }

  private static final class OutputCount extends OrtCustomOp.GetOutputTypeCount_OrtCustomOp {
    @Override
    public long call(OrtCustomOp operator) {
      return instance().kernel(operator).outputs().size();
    }
  }

  private static final class OutputType extends OrtCustomOp.GetOutputType_OrtCustomOp_long {
    @Override
    public int call(OrtCustomOp operator, long index) {
      return instance().kernel(operator).outputs().get((int) index).onnxNumber();
    }
  }

  private static final class OutputCharacteristic
      extends OrtCustomOp.GetOutputCharacteristic_OrtCustomOp_long {
    @Override
    public int call(OrtCustomOp operator, long index) {
      return INPUT_OUTPUT_REQUIRED;
    }
  }

  private static final class Create
      extends OrtCustomOp.CreateKernelV2_OrtCustomOp_OrtApi_OrtKernelInfo_PointerPointer {
    @Override
    public OrtStatus call(
        OrtCustomOp operator,
        OrtApi api,
        OrtKernelInfo info,
        @SuppressWarnings("rawtypes") PointerPointer kernel) {
      KernelCallbacks callbacks = instance();
      try {
        KernelNode node = callbacks.read(callbacks.registrations.get(operator.address()), info);
        long number = callbacks.numbers.incrementAndGet();
        callbacks.nodes.put(number, node);
        kernel.put(0, new RawPointer(number));
        return null;
      } catch (Throwable e) {
        return callbacks.failure(e);
      }
    }
  }

  private KernelNode read(Registration registration, OrtKernelInfo info) {
    JavaKernel kernel = registration.kernel();
    ImmutableMap.Builder<String, Long> integers = ImmutableMap.builder();
    for (String attribute : kernel.integerAttributes()) {
      long[] value = new long[1];
      runtime.check(
          runtime.api().KernelInfoGetAttribute_int64(info, attribute, value),
          "reading attribute " + attribute + " of " + kernel.name());
      integers.put(attribute, value[0]);
    }
    ImmutableMap.Builder<String, Float> floats = ImmutableMap.builder();
    for (String attribute : kernel.floatAttributes()) {
      float[] value = new float[1];
      runtime.check(
          runtime.api().KernelInfoGetAttribute_float(info, attribute, value),
          "reading attribute " + attribute + " of " + kernel.name());
      floats.put(attribute, value[0]);
    }
    return new KernelNode(
        kernel, registration.device(), registration.threads(), integers.build(), floats.build());
  }

  private static final class Compute extends OrtCustomOp.KernelComputeV2_Pointer_OrtKernelContext {
    @Override
    public OrtStatus call(Pointer node, OrtKernelContext context) {
      KernelCallbacks callbacks = instance();
      try (OrtNodeContext evaluation =
          new OrtNodeContext(callbacks.runtime, context, callbacks.nodes.get(node.address()))) {
        evaluation.compute();
        return null;
      } catch (Throwable e) {
        return callbacks.failure(e);
      }
    }
  }

  private static final class Destroy extends OrtCustomOp.KernelDestroy_Pointer {
    @Override
    public void call(Pointer node) {
      try {
        instance().nodes.remove(node.address()).close();
      } catch (Throwable e) {
        // Nothing may be thrown into native code, and nobody is there to be told by value.
        LOG.warn("closing a node of a kernel", e);
      }
    }
  }

  private static final class Step extends OrtApi.Fn_Pointer_long {
    @Override
    public void call(Pointer work, long index) {
      instance().works.get(work.address()).step((int) index);
    }
  }
}
