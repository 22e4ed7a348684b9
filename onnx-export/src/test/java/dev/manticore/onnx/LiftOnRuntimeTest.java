package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.onnxruntime.OrtException;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** ONNX's own cases of single operators in ONNX Runtime, as they are written and lifted. */
class LiftOnRuntimeTest {

  @TestFactory
  Stream<DynamicTest> onnxNodeTests() throws IOException {
    Optional<Path> root = Fixtures.shared("fixtures/onnx-node-tests");
    assumeTrue(root.isPresent(), "no fixtures/onnx-node-tests");
    List<DynamicTest> tests = new ArrayList<>();
    try (Stream<Path> cases = Files.list(root.orElseThrow())) {
      cases
          .filter(directory -> Files.exists(directory.resolve("model.onnx")))
          .sorted()
          .forEach(
              directory ->
                  tests.add(
                      DynamicTest.dynamicTest(
                          directory.getFileName().toString(), () -> check(directory))));
    }
    return tests.stream();
  }

  private static void check(Path directory) throws IOException, OrtException {
    Path file = directory.resolve("model.onnx");
    Graph graph;
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    Map<String, Tensor> before;
    try {
      graph = OnnxImporter.read(file);
      for (int i = 0; i < graph.inputs().size(); i++) {
        Path input = directory.resolve("test_data_set_0").resolve("input_" + i + ".pb");
        inputs.put(graph.inputs().get(i).name(), OnnxTensors.read(input));
      }
      before = OnnxRuntimeRunner.run(Files.readAllBytes(file), inputs);
    } catch (ManticoreException | UnsupportedOperationException | OrtException e) {
      abort("it does not run as it is written: " + e.getMessage());
      return;
    }
    assumeTrue(
        graph.nodes().stream().allMatch(LiftOnRuntimeTest::isDeterministic),
        "its outputs are random");

    Graph lifted = PassPipeline.of(new Lift()).run(graph);
    Map<String, Tensor> after = OnnxRuntimeRunner.run(OnnxExporter.toBytes(lifted), inputs);

    assertThat(after.keySet()).isEqualTo(before.keySet());
    before.forEach((name, tensor) -> checkSame(after.get(name), tensor));
  }

  private static boolean isDeterministic(Node node) {
    return !node.op().isOnnx("Bernoulli") && !node.op().isOnnx("RandomUniformLike");
  }

  private static void checkSame(Tensor actual, Tensor expected) {
    assertThat(actual.type()).isEqualTo(expected.type());
    double[] values = actual.toDoubles();
    double[] wanted = expected.toDoubles();
    // Later versions have other kernels, which round in another order.
    double tolerance = expected.elementType() == ElementType.FLOAT16 ? 1e-3 : 1e-6;
    for (int i = 0; i < wanted.length; i++) {
      if (Double.isFinite(wanted[i])) {
        assertThat(values[i])
            .as("element %s", i)
            .isCloseTo(wanted[i], within(tolerance * Math.max(1, Math.abs(wanted[i]))));
      } else {
        assertThat(values[i]).as("element %s", i).isEqualTo(Double.valueOf(wanted[i]));
      }
    }
  }
}
