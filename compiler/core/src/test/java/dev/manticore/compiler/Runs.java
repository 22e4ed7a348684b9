package dev.manticore.compiler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;

/** Runs language models in the ways that they are run, and compares what they compute. */
public final class Runs {

  private static final Device CPU = Devices.byName("cpu");

  private Runs() {}

  /** The logits through ONNX Runtime, with the device's kernels. */
  public static Tensor onDevice(Graph graph, Tensor ids) {
    Graph lowered =
        Lowering.forDevice(
            graph, CPU.kernels().stream().map(JavaKernel::name).collect(Collectors.toSet()));
    try (ModelSession session =
        ModelSession.open(CPU, OnnxExporter.toBytes(lowered), SessionConfig.defaults())) {
      return run(session, ids);
    }
  }

  /** The logits through ONNX Runtime, without any lowering. */
  public static Tensor asItIs(Graph graph, Tensor ids) {
    try (ModelSession session =
        ModelSession.open(CPU, OnnxExporter.toBytes(graph), SessionConfig.defaults())) {
      return run(session, ids);
    }
  }

  /** The logits of a model file through ONNX Runtime. */
  public static Tensor fromFile(Path model, Tensor ids) {
    try (ModelSession session = ModelSession.open(CPU, model, SessionConfig.defaults())) {
      return run(session, ids);
    }
  }

  private static Tensor run(ModelSession session, Tensor ids) {
    String input = session.inputs().keySet().iterator().next();
    String output = session.outputs().keySet().iterator().next();
    return session.run(Map.of(input, ids)).get(output);
  }

  /**
   * The logits of a model file through Microsoft's build of ONNX Runtime, in a process of its own:
   * two builds of one native library do not go together in one.
   */
  public static Tensor fromFileByMicrosoft(Path model, Tensor ids, Path scratch) {
    String classPath =
        Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
            .filter(
                entry ->
                    entry.endsWith("test-classes") || entry.contains("com/microsoft/onnxruntime"))
            .collect(Collectors.joining(File.pathSeparator));
    try {
      Path result = Files.createTempFile(scratch, "logits", ".bin");
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-cp",
                  classPath,
                  MicrosoftRuntime.class.getName(),
                  model.toString(),
                  result.toString(),
                  ids.shape().dim(1).toString(),
                  Arrays.stream(ids.toLongs())
                      .mapToObj(Long::toString)
                      .collect(Collectors.joining(",")))
              .redirectErrorStream(true)
              .start();
      String output = new String(process.getInputStream().readAllBytes());
      assertThat(process.waitFor()).as(output).isZero();
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(result)).order(ByteOrder.LITTLE_ENDIAN);
      float[] values = new float[bytes.remaining() / 4];
      bytes.asFloatBuffer().get(values);
      long rows = ids.shape().elementCount();
      return Tensor.ofFloats(
          Shape.of(ids.shape().dim(0).extent(), ids.shape().dim(1).extent(), values.length / rows),
          values);
    } catch (IOException e) {
      throw new AssertionError(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  /** The largest difference of the first {@code vocabulary} logits of every position. */
  public static double difference(Tensor one, Tensor other, int vocabulary) {
    double[] a = one.toDoubles();
    double[] b = other.toDoubles();
    int strideA = Math.toIntExact(one.shape().dim(2).extent());
    int strideB = Math.toIntExact(other.shape().dim(2).extent());
    assertThat(a.length / strideA).isEqualTo(b.length / strideB);
    double largest = 0;
    for (int row = 0; row < a.length / strideA; row++) {
      for (int i = 0; i < vocabulary; i++) {
        double difference = Math.abs(a[row * strideA + i] - b[row * strideB + i]);
        largest = difference <= largest ? largest : difference;
      }
    }
    return largest;
  }
}
