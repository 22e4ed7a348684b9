package dev.manticore.compiler.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.protobuf.ByteString;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConformanceRunTest {

  @TempDir private Path directory;

  private final List<String> details = new ArrayList<>();

  private ConformanceSummary run(Path cases) {
    return new ConformanceRun(Devices.byName("cpu"), details::add).run(cases);
  }

  /** y = op(x), and what is expected of it. */
  private void addCase(String name, OpId op, ElementType type, float given, float expected)
      throws IOException {
    Path home = directory.resolve(name);
    Path data = Files.createDirectories(home.resolve("test_data_set_0"));
    GraphEditor editor = new GraphEditor("case");
    editor.output(editor.add(op, editor.input("x", TensorType.of(type, 1))));
    Graph graph = editor.freeze();
    Files.write(home.resolve("model.onnx"), OnnxExporter.toBytes(graph));
    write(data.resolve("input_0.pb"), Tensor.ofDoubles(type, Shape.of(1), given));
    write(data.resolve("output_0.pb"), Tensor.ofDoubles(type, Shape.of(1), expected));
  }

  private static void write(Path file, Tensor tensor) throws IOException {
    TensorProto.Builder proto =
        TensorProto.newBuilder()
            .setDataType(tensor.elementType().onnxNumber())
            .setRawData(ByteString.copyFrom(tensor.data().toByteArray()));
    for (long extent : tensor.shape().extents()) {
      proto.addDims(extent);
    }
    Files.write(file, proto.build().toByteArray());
  }

  @Test
  void aCasePassesOrIsUnsupportedOrFails() throws IOException {
    addCase("good", OpId.onnx("Neg"), ElementType.FLOAT32, 2, -2);
    addCase("nested/deeper/good", OpId.onnx("Relu"), ElementType.FLOAT32, -2, 0);
    addCase("foreign", new OpId("com.example", "Strange", 1), ElementType.FLOAT32, 2, 2);

    assertThat(run(directory)).isEqualTo(new ConformanceSummary(3, 2, 1, 2, 2, 0));
    assertThat(details).singleElement().asString().startsWith("unsupported  foreign: ");
  }

  @Test
  void dataThatTheOperatorDoesNotGiveIsUnsupportedAndTheInterpreterFailsOnIt() throws IOException {
    addCase("wrong", OpId.onnx("Neg"), ElementType.FLOAT32, 2, 3);

    assertThat(run(directory)).isEqualTo(new ConformanceSummary(1, 0, 1, 1, 0, 1));
    assertThat(details.get(1))
        .isEqualTo("FAILED  wrong: interpret: output 0: element 0 is -2.0 instead of 3.0");
  }

  @Test
  void aModelThatCannotBeImportedFails() throws IOException {
    addCase("bad", OpId.onnx("Neg"), ElementType.FLOAT32, 2, 3);
    Files.write(directory.resolve("bad/model.onnx"), new byte[] {8, 7, 18});

    assertThat(run(directory)).isEqualTo(new ConformanceSummary(1, 0, 1, 0, 0, 1));
    assertThat(details.get(0)).startsWith("FAILED  bad: import: ");
  }

  @Test
  void aDirectoryWithoutCasesIsRefused() {
    assertThatThrownBy(() -> run(directory))
        .isInstanceOf(ManticoreException.class)
        .hasFieldOrPropertyWithValue("code", "MNT-CONFORMANCE");
  }

  @Test
  void onnxNodeTests() {
    Optional<Path> cases = Fixtures.shared("fixtures/onnx-node-tests");
    assumeTrue(cases.isPresent(), "no fixtures/onnx-node-tests");

    ConformanceSummary summary = run(cases.orElseThrow());

    assertThat(summary.failed()).as("%s", details).isZero();
    assertThat(summary.roundTripPassed() + summary.runtimeUnsupported()).isEqualTo(summary.cases());
    assertThat(summary.interpreterPassed()).isEqualTo(summary.interpreterCovered());
    assertThat(summary.interpreterCovered()).isGreaterThanOrEqualTo(300);
  }
}
