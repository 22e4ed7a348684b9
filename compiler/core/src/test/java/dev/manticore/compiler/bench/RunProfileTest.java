package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.bench.RunProfile.Entry;
import dev.manticore.compiler.bench.RunProfile.Part;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.runtime.CpuDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RunProfileTest {

  @TempDir Path directory;

  private final List<String> events = new ArrayList<>();

  private void event(String category, String name, String operator, int microseconds) {
    events.add(
        String.format(
            "{\"cat\":\"%s\",\"pid\":1,\"tid\":1,\"dur\":%d,\"ts\":0,\"ph\":\"X\",\"name\":\"%s\","
                + "\"args\":{\"op_name\":\"%s\"}}",
            category, microseconds, name, operator));
  }

  private void kernel(String node, String operator, int microseconds) {
    event("Node", node + "_kernel_time", operator, microseconds);
  }

  private RunProfile read(Graph graph) throws IOException {
    Path file = directory.resolve("profile.json");
    Files.writeString(file, "[\n" + String.join(",\n", events) + "\n]\n");
    return RunProfile.read(file, graph);
  }

  /** Nodes {@code mlp/fc}, {@code mlp/fc_2}, {@code update/w} and {@code loose}. */
  private static Graph graph() {
    GraphEditor editor = new GraphEditor("step");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 2));
    Value first = add(editor, "mlp/fc", "h.0.mlp", x);
    Value second = add(editor, "mlp/fc_2", "h.1.mlp", first);
    Value update = add(editor, "update/w", "", second);
    editor.output(add(editor, "loose", "", update));
    return editor.freeze();
  }

  private static Value add(GraphEditor editor, String name, String module, Value operand) {
    editor.withOrigin(module.isEmpty() ? Origin.NONE : Origin.of("model", module));
    return editor
        .add(OpId.onnx("Relu"), name, Attributes.NONE, List.of(Optional.of(operand)), 1)
        .get(0);
  }

  @Test
  void theMedianOfTheLatterHalfOfTheRunsCounts() throws IOException {
    for (int microseconds : new int[] {9000, 8000, 7000, 1000, 3000, 2000}) {
      event("Session", "model_run", "", 10 * microseconds);
      kernel("loose", "Relu", microseconds);
    }

    RunProfile profile = read(graph());

    assertThat(profile.runMilliseconds()).isCloseTo(20, within(1e-9));
    assertThat(profile.nodes()).containsExactly(new Entry("loose", "Relu", "", 2));
  }

  @Test
  void nodesAreKnownByTheModuleThatTheyWereMadeFrom() throws IOException {
    kernel("update/w", "AdamW", 4000);
    kernel("mlp/fc", "MatMul", 1000);
    kernel("mlp/fc_2", "MatMul", 2000);
    // Named after the first that ONNX Runtime fused.
    kernel("mlp/fc_2_fused_0", "Gemm", 3000);
    kernel("unknown", "Cast", 500);
    kernel("loose", "Relu", 250);

    assertThat(read(graph()).nodes())
        .extracting(Entry::name, Entry::operator, Entry::origin)
        .containsExactly(
            tuple("update/w", "AdamW", "update"),
            tuple("mlp/fc", "MatMul", "h.0.mlp"),
            tuple("mlp/fc_2", "MatMul", "h.1.mlp"),
            tuple("mlp/fc_2_fused_0", "Gemm", "h.1.mlp"),
            tuple("unknown", "Cast", ""),
            tuple("loose", "Relu", ""));
  }

  @Test
  void partsAddUpAndTheMostExpensiveComesFirst() throws IOException {
    kernel("mlp/fc", "MatMul", 1000);
    kernel("mlp/fc_2", "MatMul", 2000);
    kernel("loose", "Relu", 5000);

    RunProfile profile = read(graph());

    assertThat(profile.byOperator())
        .containsExactly(new Part("Relu", 1, 5, 5 / 8.0), new Part("MatMul", 2, 3, 3 / 8.0));
    assertThat(profile.byOrigin())
        .containsExactly(
            new Part("", 1, 5, 5 / 8.0),
            new Part("h.1.mlp", 1, 2, 2 / 8.0),
            new Part("h.0.mlp", 1, 1, 1 / 8.0));
  }

  @Test
  void otherEventsAndAProfileOfNothingAreLeftOut() throws IOException {
    event("Session", "session_initialization", "", 700);
    event("Session", "SequentialExecutor::Execute", "", 700);
    event("Node", "mlp/fc_fence_before", "MatMul", 700);

    RunProfile profile = read(graph());

    assertThat(profile.nodes()).isEmpty();
    assertThat(profile.runMilliseconds()).isZero();
    assertThat(profile.byOperator()).isEmpty();
  }

  @Test
  void aStepsProfileHasItsNodesAndModules() throws IOException {
    StepRequest request =
        new StepRequest(StepRequest.Model.GPT_NEO, 32, 1, 1, 4, 8, 4, Duration.ofMinutes(1), 1);
    CpuDevice device = CpuDevice.instance();

    RunProfile profile = StepBenchmark.profile(device, request, StepBenchmark.Settings.DEFAULT);

    // ONNX Runtime leaves our kernels as they are.
    long updates =
        StepBenchmark.trainingGraph(device, request).nodes().stream()
            .filter(node -> node.op().equals(OpId.kernel("AdamW")))
            .count();
    assertThat(profile.byOperator())
        .filteredOn(part -> part.what().equals("AdamW"))
        .extracting(Part::nodes)
        .containsExactly((int) updates);
    assertThat(profile.byOrigin()).extracting(Part::what).contains("update", "transformer.h.0.mlp");
    assertThat(profile.byOperator().stream().mapToDouble(Part::share).sum())
        .isCloseTo(1, within(1e-9));
    assertThat(profile.runMilliseconds())
        .isGreaterThan(profile.nodes().stream().mapToDouble(Entry::milliseconds).max().orElse(0));
  }
}
