package dev.manticore.runtime;

import static org.bytedeco.onnxruntime.global.onnxruntime.OrtDeviceAllocator;
import static org.bytedeco.onnxruntime.global.onnxruntime.OrtMemTypeDefault;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.onnxruntime.OrtMemoryInfo;

/** Tells ONNX Runtime where a device's memory is. */
final class MemoryPlace {

  private MemoryPlace() {}

  /** A description that the caller releases. */
  static OrtMemoryInfo of(OnnxRuntime runtime, Device device, PointerPointer<?> out) {
    try (BytePointer name = new BytePointer(device.memoryName())) {
      runtime.check(
          runtime
              .api()
              .CreateMemoryInfo(name, OrtDeviceAllocator, device.index(), OrtMemTypeDefault, out),
          "describing the memory of " + device.name());
      return new OrtMemoryInfo(out.get(0));
    }
  }
}
