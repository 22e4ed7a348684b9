package dev.manticore.onnx;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxTensorLike;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import com.google.common.collect.ImmutableBiMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs models in ONNX Runtime as Microsoft publishes it, on the CPU. */
final class OnnxRuntimeRunner {

  /** The element types that the Java binding has. */
  private static final ImmutableBiMap<ElementType, OnnxJavaType> TYPES =
      ImmutableBiMap.<ElementType, OnnxJavaType>builder()
          .put(ElementType.FLOAT32, OnnxJavaType.FLOAT)
          .put(ElementType.FLOAT64, OnnxJavaType.DOUBLE)
          .put(ElementType.FLOAT16, OnnxJavaType.FLOAT16)
          .put(ElementType.BFLOAT16, OnnxJavaType.BFLOAT16)
          .put(ElementType.INT8, OnnxJavaType.INT8)
          .put(ElementType.INT16, OnnxJavaType.INT16)
          .put(ElementType.INT32, OnnxJavaType.INT32)
          .put(ElementType.INT64, OnnxJavaType.INT64)
          .put(ElementType.UINT8, OnnxJavaType.UINT8)
          .put(ElementType.BOOL, OnnxJavaType.BOOL)
          .buildOrThrow();

  private OnnxRuntimeRunner() {}

  /**
   * @throws OrtException if the model cannot be loaded or run
   * @throws UnsupportedOperationException for element types that the Java binding does not have
   */
  static Map<String, Tensor> run(byte[] model, Map<String, Tensor> inputs) throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    Map<String, OnnxTensorLike> given = new LinkedHashMap<>();
    try (OrtSession session = environment.createSession(model)) {
      for (Map.Entry<String, Tensor> input : inputs.entrySet()) {
        given.put(input.getKey(), tensor(environment, input.getValue()));
      }
      try (OrtSession.Result result = session.run(given)) {
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        for (Map.Entry<String, ai.onnxruntime.OnnxValue> output : result) {
          if (!(output.getValue() instanceof OnnxTensor tensor)) {
            throw new UnsupportedOperationException(output.getKey() + " is no tensor");
          }
          outputs.put(output.getKey(), tensor(tensor));
        }
        return outputs;
      }
    } finally {
      given.values().forEach(OnnxTensorLike::close);
    }
  }

  private static OnnxTensor tensor(OrtEnvironment environment, Tensor tensor) throws OrtException {
    OnnxJavaType type = TYPES.get(tensor.elementType());
    if (type == null) {
      throw new UnsupportedOperationException(tensor.type() + " has no Java type");
    }
    byte[] bytes = tensor.data().toByteArray();
    ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
    buffer.put(bytes).flip();
    return OnnxTensor.createTensor(environment, buffer, tensor.shape().extents(), type);
  }

  private static Tensor tensor(OnnxTensor tensor) {
    TensorInfo info = tensor.getInfo();
    ElementType elementType = TYPES.inverse().get(info.type);
    ByteBuffer buffer = elementType == null ? null : tensor.getByteBuffer();
    if (buffer == null) {
      throw new UnsupportedOperationException(info + " cannot be read");
    }
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return new Tensor(
        new TensorType(elementType, Shape.of(info.getShape())), TensorData.ofBytes(bytes));
  }
}
