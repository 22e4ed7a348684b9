package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Exported files in ONNX Runtime as Microsoft publishes it, against the reference interpreter. */
class OnnxRuntimeTest {

  @TempDir private Path directory;

  @Test
  void functionsRunByTheirBodies() throws OrtException {
    Graph graph = FunctionsTest.ours();
    Path file = directory.resolve("model.onnx");
    OnnxExporter.write(
        OnnxFunctions.define(graph),
        file,
        OnnxExporter.Options.DEFAULT.withPlacement(OnnxExporter.Placement.EXTERNAL));
    NdArray x = random(2, 5, 4);
    NdArray b = random(2, 5, 2);
    NdArray steps = random(2, 5, 2);
    NdArray labels = NdArray.of(ElementType.INT64, new int[] {1, 10}, new double[10]);
    labels = labels.reshape(2, 5);

    Map<String, NdArray> expected =
        new Interpreter().run(graph, Map.of("x", x, "b", b, "steps", steps, "labels", labels));
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(file.toString());
        OnnxTensor xTensor = tensor(environment, x);
        OnnxTensor bTensor = tensor(environment, b);
        OnnxTensor stepsTensor = tensor(environment, steps);
        OnnxTensor labelTensor =
            OnnxTensor.createTensor(
                environment, LongBuffer.wrap(labels.toLongs()), new long[] {2, 5});
        OrtSession.Result result =
            session.run(
                Map.of("x", xTensor, "b", bTensor, "steps", stepsTensor, "labels", labelTensor))) {
      for (Value output : graph.outputs()) {
        OnnxTensor actual = (OnnxTensor) result.get(output.name()).orElseThrow();
        double[] wanted = expected.get(output.name()).data();
        float[] values = new float[wanted.length];
        actual.getFloatBuffer().get(values);
        for (int i = 0; i < wanted.length; i++) {
          assertThat((double) values[i]).isCloseTo(wanted[i], within(1e-5));
        }
      }
    }
  }

  private static NdArray random(int... shape) {
    double[] values = new Random(7).doubles(NdArray.count(shape)).toArray();
    return NdArray.of(ElementType.FLOAT32, shape, values);
  }

  private static OnnxTensor tensor(OrtEnvironment environment, NdArray array) throws OrtException {
    float[] values = new float[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) array.data()[i];
    }
    long[] shape = new long[array.rank()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = array.dim(i);
    }
    return OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape);
  }
}
