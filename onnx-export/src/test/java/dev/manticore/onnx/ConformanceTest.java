package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.NdArray;
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
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** ONNX's own cases of single operators, through the importer, inference and the interpreter. */
class ConformanceTest {

  /** Beginnings of the names of cases that are not covered, and why. */
  private static final ImmutableMap<String, String> NOT_COVERED =
      ImmutableMap.<String, String>builder()
          .put(
              "test_blackmanwindow",
              "Operators of images and signals, which no language model of ours has")
          .put(
              "test_hammingwindow",
              "Operators of images and signals, which no language model of ours has")
          .put(
              "test_hannwindow",
              "Operators of images and signals, which no language model of ours has")
          .put("test_dft", "Operators of images and signals, which no language model of ours has")
          .put("test_stft", "Operators of images and signals, which no language model of ours has")
          .put(
              "test_gridsample",
              "Operators of images and signals, which no language model of ours has")
          .put("test_lrn", "Operators of images and signals, which no language model of ours has")
          .put(
              "test_nonmaxsuppression",
              "Operators of images and signals, which no language model of ours has")
          .put(
              "test_resize", "Operators of images and signals, which no language model of ours has")
          .put("test_convinteger", "Quantised operators, which are not in the catalogue")
          .put("test_dequantizelinear", "Quantised operators, which are not in the catalogue")
          .put("test_dynamicquantizelinear", "Quantised operators, which are not in the catalogue")
          .put("test_matmulinteger", "Quantised operators, which are not in the catalogue")
          .put("test_qlinear", "Quantised operators, which are not in the catalogue")
          .put("test_quantizelinear", "Quantised operators, which are not in the catalogue")
          .put("test_gru", "Recurrent networks of the old kind, which are not in the catalogue")
          .put("test_lstm", "Recurrent networks of the old kind, which are not in the catalogue")
          .put("test_rnn", "Recurrent networks of the old kind, which are not in the catalogue")
          .put(
              "test_simple_rnn",
              "Recurrent networks of the old kind, which are not in the catalogue")
          .put("test_bernoulli", "Random numbers, which are not in the catalogue")
          .put("test_training_dropout_default", "Random numbers, which are not in the catalogue")
          .put("test_training_dropout_mask", "Random numbers, which are not in the catalogue")
          .put("test_cast_FLOAT_to_STRING", "Strings, which the IR does not hold")
          .put("test_castlike_FLOAT_to_STRING", "Strings, which the IR does not hold")
          .put("test_castlike_STRING_to_FLOAT", "Strings, which the IR does not hold")
          .put("test_strnormalizer", "Strings, which the IR does not hold")
          .put("test_tfidfvectorizer", "Strings, which the IR does not hold")
          .put("test_optional_has_element", "Values that are not tensors")
          .put(
              "test_cast_FLOAT_to_BFLOAT16",
              "The case truncates to bfloat16; since then ONNX rounds to nearest even, as we do")
          .put(
              "test_castlike_FLOAT_to_BFLOAT16",
              "The case truncates to bfloat16; since then ONNX rounds to nearest even, as we do")
          .put("test_unique", "Not in the catalogue")
          .buildOrThrow();

  /** Cases whose operators only run in the form that they are lifted to. */
  private static final ImmutableMap<String, String> COVERED_LIFTED =
      ImmutableMap.of("test_scan_sum", "Scan of opset 8, with a batch axis of its own");

  @TestFactory
  Stream<DynamicTest> onnxNodeTests() throws IOException {
    return cases(
        directory -> {
          skip(directory, COVERED_LIFTED);
          check(directory, graph -> graph);
        });
  }

  @TestFactory
  Stream<DynamicTest> liftedOnnxNodeTests() throws IOException {
    return cases(directory -> check(directory, graph -> PassPipeline.of(new Lift()).run(graph)));
  }

  private static Stream<DynamicTest> cases(Case check) throws IOException {
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
                          directory.getFileName().toString(), () -> check.run(directory))));
    }
    return tests.stream();
  }

  @FunctionalInterface
  private interface Case {
    void run(Path directory) throws IOException;
  }

  private static void skip(Path directory, Map<String, String> reasons) {
    String name = directory.getFileName().toString();
    Optional<String> reason =
        reasons.keySet().stream().filter(name::startsWith).findFirst().map(reasons::get);
    assumeTrue(reason.isEmpty(), reason::orElseThrow);
  }

  private static void check(Path directory, UnaryOperator<Graph> form) throws IOException {
    skip(directory, NOT_COVERED);
    Graph graph = form.apply(OnnxImporter.read(directory.resolve("model.onnx")));
    Path data = directory.resolve("test_data_set_0");
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    for (int i = 0; i < graph.inputs().size(); i++) {
      inputs.put(
          graph.inputs().get(i).name(),
          NdArray.of(
              bfloat(
                  OnnxTensors.read(data.resolve("input_" + i + ".pb")),
                  graph.inputs().get(i).type())));
    }

    Map<String, NdArray> outputs = new Interpreter().run(graph, inputs);

    for (int i = 0; i < graph.outputs().size(); i++) {
      TensorType inferred = graph.outputs().get(i).type();
      Tensor expected = bfloat(OnnxTensors.read(data.resolve("output_" + i + ".pb")), inferred);
      Tensor actual = outputs.get(graph.outputs().get(i).name()).toTensor();
      assertThat(inferred.elementType()).isEqualTo(expected.elementType());
      assertThat(actual.type()).isEqualTo(expected.type());
      checkClose(actual.toDoubles(), expected.toDoubles());
    }
  }

  /** The cases hold bfloat16 as its bits in {@code uint16}. */
  private static Tensor bfloat(Tensor tensor, TensorType type) {
    return type.elementType() == ElementType.BFLOAT16
        ? new Tensor(tensor.type().withElementType(ElementType.BFLOAT16), tensor.data())
        : tensor;
  }

  /** The tolerances of ONNX's own test runner. */
  private static void checkClose(double[] actual, double[] expected) {
    for (int i = 0; i < expected.length; i++) {
      if (Double.isFinite(expected[i])) {
        assertThat(actual[i])
            .as("element %s", i)
            .isCloseTo(expected[i], within(1e-7 + 1e-3 * Math.abs(expected[i])));
      } else {
        assertThat(actual[i]).as("element %s", i).isEqualTo(Double.valueOf(expected[i]));
      }
    }
  }
}
