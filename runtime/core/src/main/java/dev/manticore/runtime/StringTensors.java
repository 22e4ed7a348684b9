package dev.manticore.runtime;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Utf8;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.bytedeco.onnxruntime.OrtValue;

/** Tensors of strings, which ONNX Runtime holds in memory of its own and copies in and out. */
final class StringTensors {

  private StringTensors() {}

  /** A value that the caller releases. */
  static OrtValue create(OnnxRuntime runtime, Tensor tensor) {
    long[] extents = tensor.shape().extents();
    try (PointerPointer<?> out = new PointerPointer<>(1);
        LongPointer dims = new LongPointer(Math.max(1, extents.length))) {
      dims.put(extents);
      runtime.check(
          runtime
              .api()
              .CreateTensorAsOrtValue(
                  runtime.allocator(), dims, extents.length, ElementType.STRING.onnxNumber(), out),
          "making a tensor of strings");
      OrtValue value = new OrtValue(out.get(0));
      int index = 0;
      for (String string : tensor.toStrings()) {
        byte[] bytes = Utf8.encode(string);
        runtime.check(
            runtime.api().GetResizedStringTensorElementBuffer(value, index++, bytes.length, out),
            "filling a tensor of strings");
        if (bytes.length > 0) {
          new RawPointer(out.get(0).address(), bytes.length).asByteBuffer().put(bytes);
        }
      }
      return value;
    }
  }

  static Tensor read(OnnxRuntime runtime, OrtValue value, TensorType type) {
    List<String> strings = new ArrayList<>();
    String doing = "reading a tensor of strings";
    try (SizeTPointer length = new SizeTPointer(1)) {
      for (long i = 0; i < type.shape().elementCount(); i++) {
        runtime.check(runtime.api().GetStringTensorElementLength(value, i, length), doing);
        byte[] bytes = new byte[Math.toIntExact(length.get())];
        try (BytePointer buffer = new BytePointer(Math.max(1, bytes.length))) {
          runtime.check(
              runtime.api().GetStringTensorElement(value, bytes.length, i, buffer), doing);
          buffer.get(bytes);
        }
        strings.add(Utf8.decode(bytes));
      }
    }
    return Tensor.ofStrings(type.shape(), strings);
  }
}
