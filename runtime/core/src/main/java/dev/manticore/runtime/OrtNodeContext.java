package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.bytedeco.onnxruntime.OrtAllocator;
import org.bytedeco.onnxruntime.OrtKernelContext;
import org.bytedeco.onnxruntime.OrtMemoryInfo;
import org.bytedeco.onnxruntime.OrtTensorTypeAndShapeInfo;
import org.bytedeco.onnxruntime.OrtValue;

/** The evaluation of a node by ONNX Runtime, seen through its C API. */
final class OrtNodeContext implements KernelContext, AutoCloseable {

  private final OnnxRuntime runtime;
  private final OrtKernelContext context;
  private final KernelNode node;
  private final Cells cells = Cells.OF_THREAD.get();
  private final PointerPointer<?> out = cells.out;
  private final Map<Integer, OrtValue> inputs = new HashMap<>();
  private final Map<Integer, long[]> shapes = new HashMap<>();
  private final List<Pointer> scratch = new ArrayList<>();
  private OrtAllocator allocator;

  /**
   * What ONNX Runtime answers into. Memory outside the heap costs more than the calls that use it,
   * and a thread evaluates one node after the other.
   */
  private static final class Cells {
    static final ThreadLocal<Cells> OF_THREAD = ThreadLocal.withInitial(Cells::new);

    final PointerPointer<?> out = new PointerPointer<>(1);
    final SizeTPointer rank = new SizeTPointer(1);
    final LongPointer extents = new LongPointer(MOST_AXES);
  }

  /** The rank of outputs that are asked for without making memory for it. */
  private static final int MOST_AXES = 8;

  OrtNodeContext(OnnxRuntime runtime, OrtKernelContext context, KernelNode node) {
    this.runtime = runtime;
    this.context = context;
    this.node = node;
  }

  void compute() {
    node.kernel().compute(this);
  }

  // Small tensors take less time than asking for their shapes, which is done once for each.

  @Override
  public long[] inputShape(int index) {
    return shapes.computeIfAbsent(index, this::readShape).clone();
  }

  private long[] readShape(int index) {
    runtime.check(runtime.api().GetTensorTypeAndShape(input(index), out), "reading a shape");
    OrtTensorTypeAndShapeInfo info = new OrtTensorTypeAndShapeInfo(out.get(0));
    try {
      runtime.check(runtime.api().GetDimensionsCount(info, cells.rank), "reading a rank");
      long[] extents = new long[(int) cells.rank.get()];
      runtime.check(
          runtime.api().GetDimensions(info, extents, extents.length), "reading the extents");
      return extents;
    } finally {
      runtime.api().ReleaseTensorTypeAndShapeInfo(info);
    }
  }

  @Override
  public FloatView floatInput(int index) {
    return new FloatView(
        address(input(index)), count(shapes.computeIfAbsent(index, this::readShape)));
  }

  @Override
  public LongView longInput(int index) {
    return new LongView(
        address(input(index)), count(shapes.computeIfAbsent(index, this::readShape)));
  }

  @Override
  public FloatView floatOutput(int index, long... shape) {
    return new FloatView(outputAddress(index, shape), count(shape));
  }

  @Override
  public long inputAddress(int index) {
    return address(input(index));
  }

  @Override
  public long outputAddress(int index, long... shape) {
    if (shape.length <= MOST_AXES) {
      allocate(index, cells.extents, shape);
    } else {
      try (LongPointer extents = new LongPointer(shape.length)) {
        allocate(index, extents, shape);
      }
    }
    return address(new OrtValue(out.get(0)));
  }

  private void allocate(int index, LongPointer extents, long[] shape) {
    extents.put(shape, 0, shape.length);
    runtime.check(
        runtime.api().KernelContext_GetOutput(context, index, extents, shape.length, out),
        "allocating output " + index);
  }

  @Override
  public long scratch(long byteSize) {
    if (allocator == null) {
      OrtMemoryInfo place = MemoryPlace.of(runtime, node.device(), out);
      try {
        runtime.check(
            runtime.api().KernelContext_GetAllocator(context, place, out), "finding an allocator");
        allocator = new OrtAllocator(out.get(0));
      } finally {
        runtime.api().ReleaseMemoryInfo(place);
      }
    }
    runtime.check(
        runtime.api().AllocatorAlloc(allocator, Math.max(1, byteSize), out),
        "allocating " + byteSize + " bytes to work in");
    scratch.add(out.get(0));
    return out.get(0).address();
  }

  @Override
  public long stream() {
    runtime.check(runtime.api().KernelContext_GetGPUComputeStream(context, out), "asking a stream");
    return out.get(0) == null ? 0 : out.get(0).address();
  }

  @Override
  public long integer(String attribute) {
    Long value = node.integers().get(attribute);
    checkArgument(value != null, "attribute %s is not declared", attribute);
    return value;
  }

  @Override
  public float real(String attribute) {
    Float value = node.floats().get(attribute);
    checkArgument(value != null, "attribute %s is not declared", attribute);
    return value;
  }

  @Override
  public <T extends AutoCloseable> T kept(Object key, Class<T> type, Supplier<T> make) {
    return type.cast(node.kept(key, make));
  }

  @Override
  public int threads() {
    return node.threads();
  }

  @Override
  public void parallel(int count, IntConsumer task) {
    if (count == 1) {
      task.accept(0);
    } else if (count > 1) {
      KernelCallbacks.instance().parallel(context, new ParallelWork(count, task));
    }
  }

  private OrtValue input(int index) {
    return inputs.computeIfAbsent(index, this::readInput);
  }

  private OrtValue readInput(int index) {
    runtime.check(
        runtime.api().KernelContext_GetInput(context, index, out), "reading input " + index);
    return new OrtValue(out.get(0));
  }

  private long address(OrtValue value) {
    runtime.check(runtime.api().GetTensorMutableData(value, out), "reading an address");
    return out.get(0) == null ? 0 : out.get(0).address();
  }

  private static long count(long[] extents) {
    long count = 1;
    for (long extent : extents) {
      count *= extent;
    }
    return count;
  }

  @Override
  public void close() {
    // Work that was started may not be done, but whatever takes this memory next comes after it.
    for (Pointer block : scratch) {
      runtime.check(runtime.api().AllocatorFree(allocator, block), "freeing what was worked in");
    }
    if (allocator != null) {
      runtime.api().ReleaseAllocator(allocator);
    }
  }
}
