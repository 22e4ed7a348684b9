package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.ir.Graph;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.onnx.conformance.ConformanceCase;
import dev.manticore.onnx.conformance.Interpretation;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * ONNX's own cases of single operators, through the importer, inference and the interpreter. Cases
 * that the catalogue does not cover are skipped, with the reason.
 */
class ConformanceTest {

  @TestFactory
  Stream<DynamicTest> onnxNodeTests() {
    return cases(Interpretation::unlifted);
  }

  @TestFactory
  Stream<DynamicTest> liftedOnnxNodeTests() {
    return cases(Interpretation::of);
  }

  @TestFactory
  Stream<DynamicTest> liftedAndDecomposedOnnxNodeTests() {
    return cases(
        graph ->
            Interpretation.unlifted(PassPipeline.of(new Lift(), InlineBodies.all()).run(graph)));
  }

  private static Stream<DynamicTest> cases(Function<Graph, Interpretation> form) {
    Optional<Path> root = Fixtures.shared("fixtures/onnx-node-tests");
    assumeTrue(root.isPresent(), "no fixtures/onnx-node-tests");
    return ConformanceCase.in(root.orElseThrow()).stream()
        .map(known -> DynamicTest.dynamicTest(known.name(), () -> check(known, form)));
  }

  private static void check(ConformanceCase known, Function<Graph, Interpretation> form) {
    try {
      Interpretation interpretation = form.apply(OnnxImporter.read(known.model()));
      for (Path dataSet : known.dataSets()) {
        List<Tensor> expected = ConformanceCase.outputs(dataSet);
        List<Tensor> actual = interpretation.run(ConformanceCase.inputs(dataSet));

        assertThat(ConformanceCase.difference(actual, expected)).isEmpty();
        for (int i = 0; i < actual.size(); i++) {
          assertThat(interpretation.outputs().get(i).elementType())
              .isEqualTo(actual.get(i).elementType());
        }
      }
    } catch (NotCoveredException e) {
      assumeTrue(false, e.getMessage());
    }
  }
}
