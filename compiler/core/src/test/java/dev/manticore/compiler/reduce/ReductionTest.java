package dev.manticore.compiler.reduce;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReductionTest {

  private static final Reduction.Bounds AMPLE = new Reduction.Bounds(5000, Duration.ofMinutes(5));

  @TempDir private Path directory;
  private final Graph graph = TinyModels.build("gpt-neo", TinyModels.gptNeo(2, 16), 1);

  @Test
  void oneNodeIsLeftWhereOneNodeIsToBlame() {
    Reduction.Result result = run(graph, AMPLE, candidate -> count(candidate, "Softmax") >= 1);

    assertThat(result.finished()).isTrue();
    assertThat(result.graph().nodes()).hasSize(1);
    assertThat(result.graph().nodes().get(0).op().name()).isEqualTo("Softmax");
    assertThat(result.graph().outputs()).hasSize(1);
  }

  @Test
  void whatBelongsTogetherStaysTogether() {
    // A softmax whose weights are multiplied with something.
    Reduction.Result result =
        run(
            graph,
            AMPLE,
            candidate ->
                candidate.nodes().stream()
                    .filter(node -> node.op().isOnnx("MatMul"))
                    .flatMap(node -> node.presentInputs().stream())
                    .flatMap(value -> candidate.producer(value).stream())
                    .anyMatch(node -> node.op().isOnnx("Softmax")));

    assertThat(result.graph().nodes())
        .extracting(node -> node.op().name())
        .containsExactly("Softmax", "MatMul");
  }

  @Test
  void extentsAndInputsShrinkToo() {
    Reduction.Result result = run(graph, AMPLE, candidate -> count(candidate, "Gelu") == 1);

    assertThat(result.graph().nodes()).hasSize(1);
    Node gelu = result.graph().nodes().get(0);
    assertThat(gelu.input(0).shape().dim(-1).extent()).isEqualTo(1);
    assertThat(result.graph().parameters()).isEmpty();
  }

  @Test
  void theSmallestSoFarIsKeptWhenItIsStopped() {
    List<Integer> sizes = new ArrayList<>();
    Reduction.Result result =
        Reduction.run(
            graph,
            candidate -> count(candidate, "Softmax") >= 1,
            new Reduction.Bounds(3, Duration.ofMinutes(1)),
            Ticker.systemTicker(),
            smaller -> sizes.add(smaller.nodes().size()));

    assertThat(result.finished()).isFalse();
    assertThat(result.tries()).isEqualTo(3);
    assertThat(sizes).isNotEmpty().isSortedAccordingTo((a, b) -> b - a);
    assertThat(result.graph().nodes()).hasSize(sizes.get(sizes.size() - 1));
  }

  @Test
  void aCommandIsTheJudge() throws IOException {
    Path model = directory.resolve("model.onnx");
    ModelFiles.write(graph, model, Placement.INLINE);
    Path output = directory.resolve("small.onnx");
    List<String> lines = new ArrayList<>();

    Reduction.Result result =
        Reducer.reduce(
            request(
                model,
                output,
                OptionalInt.empty(),
                "sh",
                "-c",
                "if grep -q Softmax \"$1\"; then echo a softmax >&2; exit 7; else exit 1; fi",
                "check",
                "{}"),
            Ticker.systemTicker(),
            new Cancellation(),
            lines::add);

    Graph small = ModelFiles.read(output);
    assertThat(small.nodes()).extracting(node -> node.op().name()).containsExactly("Softmax");
    assertThat(new String(Files.readAllBytes(output), StandardCharsets.ISO_8859_1))
        .contains("Softmax");
    assertThat(lines.get(0)).startsWith("it fails: " + graph.nodes().size() + " nodes");
    assertThat(result.tries()).isGreaterThan(5);
  }

  @Test
  void errorsMayBeWhatCounts() {
    Path model = directory.resolve("model.hir");
    ModelFiles.write(graph, model, Placement.AUTOMATIC);
    Path output = directory.resolve("small.hir");

    Reducer.reduce(
        new Reducer.Request(
            model,
            output,
            ImmutableList.of("sh", "-c", "grep -c Gelu \"$1\" >&2", "check", "{}"),
            directory,
            OptionalInt.empty(),
            Optional.of(Pattern.compile("^[1-9]")),
            AMPLE),
        Ticker.systemTicker(),
        new Cancellation(),
        line -> {});

    assertThat(ModelFiles.read(output).nodes())
        .extracting(node -> node.op().name())
        .containsExactly("Gelu");
  }

  @Test
  void aCommandThatDoesNotFailIsToldSo() {
    Path model = directory.resolve("model.onnx");
    ModelFiles.write(graph, model, Placement.INLINE);
    Path output = directory.resolve("small.onnx");

    assertThatThrownBy(() -> reduce(request(model, output, OptionalInt.empty(), "true", "{}")))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-REDUCE"))
        .hasMessageContaining("does not fail");
    assertThatThrownBy(() -> reduce(request(model, output, OptionalInt.of(3), "false", "{}")))
        .hasMessageContaining("status 1");
    assertThatThrownBy(() -> reduce(request(model, output, OptionalInt.empty(), "false")))
        .hasMessageContaining("where the file's path goes");
    assertThatThrownBy(
            () -> reduce(request(model, output, OptionalInt.empty(), "/no/such/command", "{}")))
        .hasMessageContaining("cannot be run");
    assertThat(output).doesNotExist();
  }

  @Test
  void aStopLeavesTheOutputWhole() {
    Path model = directory.resolve("model.onnx");
    ModelFiles.write(graph, model, Placement.INLINE);
    Path output = directory.resolve("small.onnx");
    Cancellation cancellation = new Cancellation();
    List<String> lines = new ArrayList<>();

    assertThatThrownBy(
            () ->
                Reducer.reduce(
                    request(model, output, OptionalInt.empty(), "false", "{}"),
                    Ticker.systemTicker(),
                    cancellation,
                    line -> {
                      lines.add(line);
                      if (lines.size() == 2) {
                        cancellation.request();
                      }
                    }))
        .isInstanceOf(CancelledException.class);
    assertThat(ModelFiles.read(output).nodes().size()).isLessThan(graph.nodes().size());
  }

  private Reducer.Request request(Path model, Path output, OptionalInt status, String... command) {
    return new Reducer.Request(
        model, output, ImmutableList.copyOf(command), directory, status, Optional.empty(), AMPLE);
  }

  private static void reduce(Reducer.Request request) {
    Reducer.reduce(request, Ticker.systemTicker(), new Cancellation(), line -> {});
  }

  private static Reduction.Result run(Graph graph, Reduction.Bounds bounds, Predicate<Graph> test) {
    return Reduction.run(graph, test, bounds, Ticker.systemTicker(), smaller -> {});
  }

  private static long count(Graph graph, String operator) {
    return graph.nodes().stream().filter(node -> node.op().isOnnx(operator)).count();
  }
}
