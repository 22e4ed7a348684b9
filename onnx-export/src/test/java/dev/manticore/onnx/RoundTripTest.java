package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class RoundTripTest {

  @TestFactory
  Stream<DynamicTest> onnxNodeTests() throws IOException {
    return each("fixtures/onnx-node-tests");
  }

  @TestFactory
  Stream<DynamicTest> exportedCheckpoints() throws IOException {
    return each("fixtures/huggingface");
  }

  private static Stream<DynamicTest> each(String folder) throws IOException {
    Optional<Path> root = Fixtures.shared(folder);
    assumeTrue(root.isPresent(), "no " + folder);
    List<DynamicTest> tests = new ArrayList<>();
    try (Stream<Path> cases = Files.list(root.orElseThrow())) {
      cases
          .map(directory -> directory.resolve("model.onnx"))
          .filter(Files::exists)
          .sorted()
          .forEach(
              model ->
                  tests.add(
                      DynamicTest.dynamicTest(
                          model.getParent().getFileName().toString(), () -> roundTrip(model))));
    }
    return tests.stream();
  }

  private static void roundTrip(Path model) {
    Graph first;
    try {
      first = OnnxImporter.read(model, OnnxImporter.Functions.KEEP);
    } catch (ManticoreException e) {
      assumeTrue(!e.code().equals("MNT-ONNX-UNSUPPORTED"), e.getMessage());
      throw e;
    }
    byte[] bytes = OnnxExporter.toBytes(first);
    Graph second = OnnxImporter.read(bytes, Optional.empty(), OnnxImporter.Functions.KEEP);

    assertThat(GraphText.of(second)).isEqualTo(GraphText.of(first));
    assertThat(OnnxExporter.toBytes(second)).isEqualTo(bytes);
    assertThat(OnnxImporter.read(model).functions()).isEmpty();
  }
}
