package dev.manticore.compiler;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
        OrtSession session = environment.createSession(arguments[0], options);
        OnnxTensor input =
            OnnxTensor.createTensor(
                environment, LongBuffer.wrap(ids), new long[] {ids.length / length, length});
        OrtSession.Result result =
            session.run(Map.of(session.getInputNames().iterator().next(), input))) {
      FloatBuffer logits = ((OnnxTensor) result.get(0)).getFloatBuffer();
      ByteBuffer bytes = ByteBuffer.allocate(4 * logits.remaining()).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(logits);
      Files.write(Path.of(arguments[1]), bytes.array());
    }
  }
}
