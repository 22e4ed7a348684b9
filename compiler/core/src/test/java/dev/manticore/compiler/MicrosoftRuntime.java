package dev.manticore.compiler;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs a model as its users do: with Microsoft's {@code ai.onnxruntime}. */
public final class MicrosoftRuntime {

  private MicrosoftRuntime() {}

  /**
   * @param arguments the model, the file for the first output, the length of a sequence, the ids
   *     with commas
   */
  public static void main(String[] arguments) throws OrtException, IOException {
    long[] ids = Arrays.stream(arguments[3].split(",")).mapToLong(Long::parseLong).toArray();
    long length = Long.parseLong(arguments[2]);
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions();
        OrtSession session = environment.createSession(arguments[0], options)) {
      float[] logits =
          session.getInputNames().contains("attention_mask")
              ? inPieces(environment, session, ids, (int) length)
              : atOnce(environment, session, ids, length);
      ByteBuffer bytes = ByteBuffer.allocate(4 * logits.length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(logits);
      Files.write(Path.of(arguments[1]), bytes.array());
    }
  }

  private static float[] atOnce(
      OrtEnvironment environment, OrtSession session, long[] ids, long length) throws OrtException {
    try (OnnxTensor input =
            OnnxTensor.createTensor(
                environment, LongBuffer.wrap(ids), new long[] {ids.length / length, length});
        OrtSession.Result result =
            session.run(Map.of(session.getInputNames().iterator().next(), input))) {
      return values(result.get(0));
    }
  }

  private static float[] values(OnnxValue value) {
    FloatBuffer buffer = ((OnnxTensor) value).getFloatBuffer();
    float[] values = new float[buffer.remaining()];
    buffer.get(values);
    return values;
  }

  /** A decoder: two tokens at once, then one by one. */
  private static float[] inPieces(
      OrtEnvironment environment, OrtSession session, long[] ids, int length) throws OrtException {
    int batch = ids.length / length;
    Map<String, OnnxTensor> states = new LinkedHashMap<>();
    for (NodeInfo info : session.getInputInfo().values()) {
      if (info.getName().startsWith("past_key_values.")) {
        long[] shape = ((TensorInfo) info.getInfo()).getShape().clone();
        int elements = 1;
        for (int axis = 0; axis < shape.length; axis++) {
          shape[axis] = axis == 0 ? batch : Math.max(0, shape[axis]);
          elements *= (int) shape[axis];
        }
        states.put(
            info.getName(),
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(new float[elements]), shape));
      }
    }
    float[] logits = new float[0];
    for (int from = 0; from < length; ) {
      int steps = from == 0 ? Math.min(2, length) : 1;
      long[] piece = new long[batch * steps];
      long[] mask = new long[batch * (from + steps)];
      Arrays.fill(mask, 1);
      for (int sequence = 0; sequence < batch; sequence++) {
        System.arraycopy(ids, sequence * length + from, piece, sequence * steps, steps);
      }
      Map<String, OnnxTensor> inputs = new LinkedHashMap<>(states);
      inputs.put(
          "input_ids",
          OnnxTensor.createTensor(environment, LongBuffer.wrap(piece), new long[] {batch, steps}));
      inputs.put(
          "attention_mask",
          OnnxTensor.createTensor(
              environment, LongBuffer.wrap(mask), new long[] {batch, from + steps}));
      OrtSession.Result result = session.run(inputs);
      float[] read = values(result.get("logits").orElseThrow());
      int row = read.length / (batch * steps);
      logits = logits.length == 0 ? new float[ids.length * row] : logits;
      for (int sequence = 0; sequence < batch; sequence++) {
        System.arraycopy(
            read, sequence * steps * row, logits, (sequence * length + from) * row, steps * row);
      }
      for (String name : states.keySet()) {
        String present = name.replace("past_key_values.", "present.");
        states.put(name, (OnnxTensor) result.get(present).orElseThrow());
      }
      from += steps;
    }
    return logits;
  }
}
