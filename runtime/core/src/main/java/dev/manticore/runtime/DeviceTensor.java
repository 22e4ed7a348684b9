package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.onnxruntime.OrtMemoryInfo;
import org.bytedeco.onnxruntime.OrtValue;

/**
 * A tensor in a device's memory, owned by a {@link DeviceState}. Sessions are bound to it by
 * address, so what one session writes the next one reads.
 */
public final class DeviceTensor {

  private static final int WINDOW = 1 << 20;

  private final String name;
  private final TensorType type;
  private final DeviceMemory memory;
  private final OrtValue value;
  private boolean open = true;

  DeviceTensor(Device device, String name, TensorType type) {
    this.name = name;
    this.type = type;
    this.memory = device.allocate(type.byteSize());
    this.value = describe(device);
    NativeHandles.opened();
  }

  private OrtValue describe(Device device) {
    OnnxRuntime runtime = OnnxRuntime.load();
    long[] extents = type.shape().extents();
    try (PointerPointer<?> out = new PointerPointer<>(1);
        LongPointer dims = new LongPointer(Math.max(1, extents.length))) {
      dims.put(extents);
      OrtMemoryInfo place = MemoryPlace.of(runtime, device, out);
      try {
        runtime.check(
            runtime
                .api()
                .CreateTensorWithDataAsOrtValue(
                    place,
                    new RawPointer(memory.address(), type.byteSize()),
                    type.byteSize(),
                    dims,
                    extents.length,
                    type.elementType().onnxNumber(),
                    out),
            "describing tensor " + name);
      } finally {
        runtime.api().ReleaseMemoryInfo(place);
      }
      return new OrtValue(out.get(0));
    } catch (RuntimeException e) {
      memory.close();
      throw e;
    }
  }

  public String name() {
    return name;
  }

  public TensorType type() {
    return type;
  }

  OrtValue value() {
    return value;
  }

  /** Replaces all values; {@code data} is read in windows. */
  public void write(TensorData data) {
    checkArgument(
        data.byteSize() == type.byteSize(),
        "%s takes %s bytes, not %s",
        this,
        type.byteSize(),
        data.byteSize());
    ByteBuffer window = ByteBuffer.allocateDirect((int) Math.min(WINDOW, data.byteSize()));
    for (long offset = 0; offset < data.byteSize(); offset += window.capacity()) {
      window.clear().limit((int) Math.min(window.capacity(), data.byteSize() - offset));
      data.read(offset, window);
      memory.write(offset, window.flip());
    }
  }

  /** The values as they are whenever they are read; a view that lives as long as the state. */
  public TensorData contents() {
    return new TensorData() {
      @Override
      public long byteSize() {
        return type.byteSize();
      }

      @Override
      public void read(long offset, ByteBuffer target) {
        memory.read(offset, target);
      }
    };
  }

  /** Takes over the values of a tensor of the same type and device. */
  public void copyFrom(DeviceTensor source) {
    checkArgument(type.equals(source.type), "%s cannot take the values of %s", this, source);
    memory.copyFrom(source.memory);
  }

  /** Takes over the values of a tensor that is shorter along an axis, and else of its shape. */
  void writeAlong(int axis, DeviceTensor source) {
    long rows = 1;
    for (int i = 0; i < axis; i++) {
      rows *= type.shape().dim(i).extent();
    }
    if (rows == 0) {
      return;
    }
    long from = source.type.byteSize() / rows;
    long to = type.byteSize() / rows;
    ByteBuffer window = ByteBuffer.allocateDirect((int) Math.max(1, Math.min(WINDOW, from)));
    for (long row = 0; row < rows; row++) {
      for (long done = 0; done < from; done += window.capacity()) {
        window.clear().limit((int) Math.min(window.capacity(), from - done));
        source.memory.read(row * from + done, window);
        memory.write(row * to + done, window.flip());
      }
    }
  }

  /** Sets every value to zero. */
  public void zero() {
    memory.zero();
  }

  /** Replaces all values of a float32 tensor. */
  public void setFloats(float... values) {
    checkSmall(ElementType.FLOAT32, values.length);
    ByteBuffer bytes = buffer();
    bytes.asFloatBuffer().put(values);
    memory.write(0, bytes);
  }

  /** Replaces all values of an int64 tensor. */
  public void setLongs(long... values) {
    checkSmall(ElementType.INT64, values.length);
    ByteBuffer bytes = buffer();
    bytes.asLongBuffer().put(values);
    memory.write(0, bytes);
  }

  /** All values of a float32 tensor, for small ones. */
  public float[] toFloats() {
    float[] values = new float[Math.toIntExact(type.shape().elementCount())];
    checkSmall(ElementType.FLOAT32, values.length);
    ByteBuffer bytes = buffer();
    memory.read(0, bytes);
    bytes.flip().order(ByteOrder.nativeOrder()).asFloatBuffer().get(values);
    return values;
  }

  /** All values of an int64 tensor, for small ones. */
  public long[] toLongs() {
    long[] values = new long[Math.toIntExact(type.shape().elementCount())];
    checkSmall(ElementType.INT64, values.length);
    ByteBuffer bytes = buffer();
    memory.read(0, bytes);
    bytes.flip().order(ByteOrder.nativeOrder()).asLongBuffer().get(values);
    return values;
  }

  private void checkSmall(ElementType elementType, int count) {
    checkArgument(type.elementType() == elementType, "%s is not %s", this, elementType.text());
    checkArgument(count == type.shape().elementCount(), "%s does not hold %s values", this, count);
  }

  private ByteBuffer buffer() {
    return ByteBuffer.allocateDirect(Math.toIntExact(type.byteSize()))
        .order(ByteOrder.nativeOrder());
  }

  void checkOpen() {
    checkState(open, "%s is closed", this);
  }

  void close() {
    open = false;
    OnnxRuntime.load().api().ReleaseValue(value);
    NativeHandles.closed();
    memory.close();
  }

  @Override
  public String toString() {
    return name + ": " + type;
  }
}
