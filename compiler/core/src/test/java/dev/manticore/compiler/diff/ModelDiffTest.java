package dev.manticore.compiler.diff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelDiffTest {

  @TempDir Path directory;

  private static ModelDiff diff() {
    return new ModelDiff(Devices.byName("cpu"), 1e-5);
  }

  private static Path fixture(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    return fixture.get();
  }

  /** PyTorch's exports of a model and our own builders' graphs of its checkpoint. */
  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void exportsReachTheNormalFormOfTheirCheckpoints(String name) {
    Graph built = ModelDiff.read(fixture(name), Optional.empty());
    Graph exported = ModelDiff.read(fixture(name).resolve("model.onnx"), Optional.empty());

    DiffResult result = diff().compare(built, exported);

    assertThat(DiffReport.text(result))
        .isEqualTo("Same normal form: one structure on equal parameters.\n");
    assertThat(result.verdict()).isEqualTo(DiffResult.Verdict.SAME_NORMAL_FORM);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gpt2",
        "gpt-neo",
        "gpt-neox",
        "mamba",
        "gpt2/model.onnx",
        "gpt-neo/model.onnx",
        "gpt-neox/model.onnx"
      })
  void theNormalFormComputesTheSame(String name) {
    Graph graph = ModelDiff.read(fixture(name), Optional.empty());
    Graph normal = Normalisation.of(graph, Optional.empty()).graph();
    NdArray ids =
        NdArray.of(
            ElementType.INT64,
            new int[] {2, 13},
            IntStream.range(0, 26).mapToDouble(i -> (i * 7) % 29).toArray());
    Map<String, NdArray> inputs = Map.of(graph.inputs().get(0).name(), ids);

    double[] expected =
        new Interpreter().run(graph, inputs).get(graph.outputs().get(0).name()).data();
    double[] computed =
        new Interpreter().run(normal, inputs).get(graph.outputs().get(0).name()).data();

    assertThat(computed).containsExactly(expected, within(1e-6));
  }

  @Test
  void otherParametersAreMeasured() {
    Graph model = ModelDiff.read(fixture("gpt2"), Optional.empty());
    String name = "transformer.h.1.mlp.c_fc.bias";
    Value bias = model.parameter(name).orElseThrow();
    float[] values = model.parameters().get(bias).toFloats();
    values[3] += 0.25f;
    GraphEditor editor = model.edit();
    editor.setParameter(bias, Tensor.ofFloats(bias.shape(), values));

    DiffResult result = diff().compare(model, editor.freeze());

    assertThat(result.verdict()).isEqualTo(DiffResult.Verdict.DIFFERENT);
    assertThat(result.places()).isEmpty();
    assertThat(result.parameters()).hasSize(1);
    assertThat(result.parameters().get(0).first()).isEqualTo(name);
    assertThat(result.parameters().get(0).largest()).isCloseTo(0.25, within(1e-6));
    assertThat(result.samples()).isEqualTo(3);
    assertThat(result.largestDifference()).isPositive();
  }

  private static Graph graph(Function<Ops, Function<Value, Value>> drawn) {
    GraphEditor editor = new GraphEditor("g");
    Value x =
        editor.input(
            "x", new TensorType(ElementType.FLOAT32, Shape.of(Dim.of("batch"), Dim.of(4))));
    editor.output(drawn.apply(new Ops(editor)).apply(x));
    return editor.freeze();
  }

  @Test
  void whatNoRuleKnowsIsRun() {
    Graph squared = graph(ops -> x -> ops.sub(ops.mul(x, x), ops.scalar(ElementType.FLOAT32, 1)));
    Graph factors = graph(ops -> x -> ops.mul(ops.add(x, 1), ops.add(x, -1)));

    DiffResult result = diff().compare(squared, factors);

    assertThat(result.verdict()).isEqualTo(DiffResult.Verdict.EQUAL_ON_SAMPLES);
    assertThat(result.places()).isNotEmpty();
    assertThat(DiffReport.text(result)).endsWith("Equal in computed values on 3 samples.\n");
    assertThat(DiffReport.json(result)).containsEntry("verdict", "equal_on_samples");
  }

  @Test
  void othersAreDifferent() {
    DiffResult result =
        diff().compare(graph(ops -> x -> ops.exp(x)), graph(ops -> x -> ops.tanh(x)));

    assertThat(result.verdict()).isEqualTo(DiffResult.Verdict.DIFFERENT);
    assertThat(result.isEqual()).isFalse();
    assertThat(DiffReport.text(result)).endsWith("Different.\n").contains("Exp[%x]", "Tanh[%x]");
  }

  @Test
  void inputsThatDoNotCorrespondAreDifferent() {
    GraphEditor editor = new GraphEditor("g");
    editor.output(
        new Ops(editor).neg(editor.input("x", TensorType.of(ElementType.FLOAT32, 2, 3, 4))));

    DiffResult result = diff().compare(graph(ops -> x -> ops.exp(x)), editor.freeze());

    assertThat(result.verdict()).isEqualTo(DiffResult.Verdict.DIFFERENT);
    assertThat(result.notes()).hasSize(1);
    assertThat(result.notes().get(0)).contains("do not correspond");
  }

  @Test
  void textsAreReadAndNormalFormsWritten() throws IOException {
    Graph graph = graph(ops -> x -> ops.mul(ops.mul(x, 0.5), ops.add(erf(ops, x), 1)));
    Path text = directory.resolve("gelu.hir");
    Files.writeString(text, HirPrinter.print(graph));

    Normalisation normal =
        Normalisation.of(ModelDiff.read(text, Optional.empty()), Optional.of("gelu"));
    normal.write(directory.resolve("normal.hir"));
    normal.write(directory.resolve("normal.onnx"));

    assertThat(normal.explanation()).contains("1  gelu").contains("Rule gelu fired 1 times");
    for (String file : new String[] {"normal.hir", "normal.onnx"}) {
      Graph read = ModelDiff.read(directory.resolve(file), Optional.empty());
      assertThat(read.nodes()).hasSize(1);
      assertThat(diff().compare(read, graph).verdict())
          .isEqualTo(DiffResult.Verdict.SAME_NORMAL_FORM);
    }
  }

  private static Value erf(Ops ops, Value x) {
    return ops.onnx("Erf", ops.mul(x, Math.sqrt(0.5)));
  }

  @Test
  void aRuleThatIsNotThereIsRefused() {
    assertThatThrownBy(
            () -> Normalisation.of(graph(ops -> x -> ops.exp(x)), Optional.of("layernorm")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there is no rule 'layernorm'")
        .hasMessageContaining("layer-norm");
  }
}
