package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.onnxruntime.OrtException;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.text.HirParser;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Graphs of older versions of the standard operators, run as they are and lifted. */
class LiftedVersionsTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        """
        opset "" 7
        input %x: f32[1,2,3,3]
        %y: f32[1,2,6,9] = Upsample(%x) {scales = [1.0, 1.0, 2.0, 3.0], mode = "linear"}
        output %y
        """,
        """
        opset "" 9
        input %x: f32[1,2,3,3]
        %s: f32[4] = Constant() {value = f32[4]{1.0, 1.0, 2.0, 3.0}}
        %y: f32[1,2,6,9] = Upsample(%x, %s)
        output %y
        """,
        """
        opset "" 10
        input %x: f32[1,2,5,7]
        %s: f32[4] = Constant() {value = f32[4]{1.0, 1.0, 0.6, 0.5}}
        %g: f32[4] = Constant() {value = f32[4]{1.0, 1.0, 1.5, 2.0}}
        %y: f32[1,2,3,3] = Resize(%x, %s)
        %z: f32[1,2,7,14] = Resize(%x, %g)
        %w: f32[1,2,7,14] = Resize(%x, %g) {mode = "linear"}
        output %y
        output %z
        output %w
        """,
        """
        opset "" 11
        input %x: f32[1,2,5,7]
        %none: f32[0] = Constant() {value = f32[0]{}}
        %sizes: i64[4] = Constant() {value = i64[4]{1, 2, 8, 3}}
        %y: f32[1,2,8,3] = Resize(%x, %none, %none, %sizes) {mode = "linear"}
        output %y
        """,
        """
        opset "" 7
        input %x: f32[3,4]
        %a: f32[3,4] = Clip(%x) {min = -0.5}
        %b: f32[5,5] = Pad(%a) {pads = [1, 0, 1, 1], value = 2.5}
        %c: f32[2,5] = Slice(%b) {starts = [1], ends = [-2], axes = [0]}
        %d: f32[2,2], %i: i64[2,2] = TopK(%c) {k = 2, axis = 1}
        %e: f32[2,1], %f: f32[2,1] = Split(%d) {axis = 1, split = [1, 1]}
        %g: f32[2] = Squeeze(%f) {axes = [1]}
        %h: f32[1,2] = Unsqueeze(%g) {axes = [0]}
        output %e
        output %h
        output %i
        """,
        """
        opset "" 9
        input %x: f32[2,3,4]
        %a: f32[2,3,4] = Softmax(%x)
        %b: f32[2,3,4] = LogSoftmax(%x) {axis = 2}
        %c: f32[2,3,4] = Hardmax(%x) {axis = 0}
        output %a
        output %b
        output %c
        """,
        """
        opset "" 9
        input %x: f32[3,3]
        input %u: f32[2,3]
        %i: i64[2,3] = Constant() {value = i64[2,3]{1, 0, 2, 0, 2, 1}}
        %y: f32[3,3] = Scatter(%x, %i, %u)
        %d: f32[3,3] = Dropout(%y) {ratio = 0.2}
        output %d
        """,
        """
        opset "" 7
        input %x: f32[2,3,4]
        input %s: f32[3]
        input %b: f32[3]
        input %m: f32[3]
        input %v: f32[3]
        %p: f32[3] = Abs(%v)
        %y: f32[2,3,4] = BatchNormalization(%x, %s, %b, %m, %p) {spatial = 1, epsilon = 0.01}
        output %y
        """,
        """
        opset "" 12
        input %x: f32[2,3,4]
        %a: f32[2,1,4] = ReduceSum(%x) {axes = [1]}
        %b: f32[2,4] = ReduceMean(%x) {axes = [-2], keepdims = 0}
        %c: f32[1,1,1] = ReduceMax(%x)
        %d: f32[2,3] = ReduceLogSumExp(%x) {axes = [2], keepdims = 0}
        output %a
        output %b
        output %c
        output %d
        """,
        """
        opset "" 13
        input %x: f32[6,2]
        %a: f32[2,2], %b: f32[2,2], %c: f32[2,2] = Split(%x)
        output %a
        output %b
        output %c
        """,
        """
        opset "" 18
        input %x: f32[2,4,3]
        input %s: f32[2]
        input %b: f32[2]
        %y: f32[2,4,3] = GroupNormalization(%x, %s, %b) {num_groups = 2}
        output %y
        """,
        """
        opset "" 8
        input %s: f32[2,3]
        input %x: f32[2,4,3]
        %last: f32[2,3], %all: f32[2,4,3] = Scan(_, %s, %x) {
          body = graph "step" {
            opset "" 8
            input %state: f32[3]
            input %element: f32[3]
            %next: f32[3] = Add(%state, %element)
            %each: f32[3] = Mul(%next, %element)
            output %next
            output %each
          },
          num_scan_inputs = 1,
          directions = [1]
        }
        output %last
        output %all
        """
      })
  void compute(String body) throws OrtException {
    Graph graph = HirParser.parse("hir 1\ngraph \"g\" {\n" + body + "}\n");
    Random random = new Random(11);
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    for (Value input : graph.inputs()) {
      double[] values = random.doubles(input.shape().elementCount(), -1, 1).toArray();
      inputs.put(input.name(), Tensor.ofDoubles(input.elementType(), input.shape(), values));
    }

    Graph lifted = PassPipeline.of(new Lift()).run(graph);

    Map<String, Tensor> before = OnnxRuntimeRunner.run(OnnxExporter.toBytes(graph), inputs);
    Map<String, Tensor> after = OnnxRuntimeRunner.run(OnnxExporter.toBytes(lifted), inputs);
    before.forEach(
        (name, expected) -> {
          assertThat(after.get(name).type()).as(name).isEqualTo(expected.type());
          assertThat(after.get(name).toDoubles())
              .as(name)
              .containsExactly(expected.toDoubles(), within(1e-6));
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void exportsOfAnotherTool(String name) throws Exception {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Path file = fixture.get().resolve("model.onnx");
    Graph graph = OnnxImporter.read(file);
    Map<String, Tensor> reference =
        SafetensorsFile.open(fixture.get().resolve("reference.safetensors")).tensors();
    Tensor ids = reference.get("input_ids");
    Tensor expected = reference.get("logits");
    String input = graph.inputs().get(0).name();
    String output = graph.outputs().get(0).name();

    Graph lifted = PassPipeline.of(new Lift()).run(graph);

    double[] before =
        OnnxRuntimeRunner.run(Files.readAllBytes(file), Map.of(input, ids)).get(output).toDoubles();
    double[] after =
        OnnxRuntimeRunner.run(OnnxExporter.toBytes(lifted), Map.of(input, ids))
            .get(output)
            .toDoubles();
    double[] interpreted =
        new Interpreter().run(lifted, Map.of(input, NdArray.of(ids))).get(output).data();
    assertThat(ids.elementType()).isEqualTo(ElementType.INT64);
    assertThat(after).containsExactly(before, within(1e-5));
    assertThat(interpreted).containsExactly(expected.toDoubles(), within(1e-4));
  }
}
