package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OrtException;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.ir.text.HirParser;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Uses of operators that ONNX's own cases leave out: the interpreter against ONNX Runtime. */
class OperatorsOnRuntimeTest {

  /** Types that are not written are left to inference. */
  private static String typed(String body) {
    return body.replaceAll("(?m)(%\\w+)(?=(, %\\w+)* = )", "$1: f32*");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        """
        input %x: f32[4,2,3]
        input %w: f32[2,15,3]
        input %r: f32[2,15,5]
        input %b: f32[2,30]
        input %h: f32[2,2,5]
        %len: i32[2] = Constant() {value = i32[2]{4, 2}}
        %y, %last = GRU(%x, %w, %r, %b, %len, %h) {hidden_size = 5, direction = "bidirectional", linear_before_reset = 1}
        output %y
        output %last
        """,
        """
        input %x: f32[4,2,3]
        input %w: f32[1,15,3]
        input %r: f32[1,15,5]
        %y, %last = GRU(%x, %w, %r) {hidden_size = 5, direction = "reverse", clip = 0.5}
        output %y
        output %last
        """,
        """
        input %x: f32[4,2,3]
        input %w: f32[2,20,3]
        input %r: f32[2,20,5]
        input %b: f32[2,40]
        input %h: f32[2,2,5]
        input %c: f32[2,2,5]
        input %p: f32[2,15]
        %len: i32[2] = Constant() {value = i32[2]{3, 4}}
        %y, %last, %cell = LSTM(%x, %w, %r, %b, %len, %h, %c, %p) {hidden_size = 5, direction = "bidirectional"}
        output %y
        output %last
        output %cell
        """,
        """
        input %x: f32[4,2,3]
        input %w: f32[1,20,3]
        input %r: f32[1,20,5]
        %y, %last, %cell = LSTM(%x, %w, %r) {hidden_size = 5, activations = ["HardSigmoid", "Softsign", "Relu"], input_forget = 1}
        output %y
        output %last
        output %cell
        """,
        """
        input %x: f32[4,2,3]
        input %w: f32[2,5,3]
        input %r: f32[2,5,5]
        input %b: f32[2,10]
        %y, %last = RNN(%x, %w, %r, %b) {hidden_size = 5, direction = "bidirectional", activations = ["Relu", "Tanh"]}
        output %y
        output %last
        """,
        """
        input %x: f32[2,3,6]
        %s: f32[3] = Constant() {value = f32[3]{0.1, 0.3, 0.02}}
        %z: i8[3] = Constant() {value = i8[3]{1, -5, 0}}
        %q: i8[2,3,6] = QuantizeLinear(%x, %s, %z) {axis = 1}
        %y: f32[2,3,6] = DequantizeLinear(%q, %s, %z) {axis = -2}
        output %q
        output %y
        """,
        """
        input %x: f32[2,6]
        %s: f32[2,3] = Constant() {value = f32[2,3]{0.1, 0.3, 0.02, 0.2, 0.05, 0.7}}
        %q: u8[2,6] = QuantizeLinear(%x, %s) {axis = 1, block_size = 2}
        %y: f32[2,6] = DequantizeLinear(%q, %s) {axis = 1, block_size = 2}
        output %y
        """,
        """
        input %x: f32[3,5]
        %a: f8e4m3fn[3,5] = Cast(%x) {to = 17}
        %b: f8e5m2[3,5] = Cast(%x) {to = 19}
        %ya: f32[3,5] = Cast(%a) {to = 1}
        %yb: f32[3,5] = Cast(%b) {to = 1}
        %s: f32[] = Constant() {value = f32[]{0.25}}
        %q: f8e4m3fn[3,5] = QuantizeLinear(%x, %s) {output_dtype = 17}
        %y: f32[3,5] = DequantizeLinear(%q, %s)
        %q4: i4[3,5] = QuantizeLinear(%x, %s) {output_dtype = 22}
        %y4: f32[3,5] = DequantizeLinear(%q4, %s)
        output %ya
        output %yb
        output %y
        output %y4
        """,
        """
        input %x: f32[3,5]
        %q, %s, %z = DynamicQuantizeLinear(%x)
        output %q
        output %s
        output %z
        """,
        """
        input %a: f32[2,3,4]
        input %b: f32[4,2]
        %ua: u8[2,3,4] = Cast(%a) {to = 2}
        %ib: i8[4,2] = Cast(%b) {to = 3}
        %za: u8[] = Constant() {value = u8[]{3}}
        %zb: i8[2] = Constant() {value = i8[2]{1, -2}}
        %y: i32[2,3,2] = MatMulInteger(%ua, %ib, %za, %zb)
        output %y
        """,
        """
        input %a: f32[3,4]
        input %b: f32[4,2]
        %ua: u8[3,4] = Cast(%a) {to = 2}
        %ib: i8[4,2] = Cast(%b) {to = 3}
        %sa: f32[] = Constant() {value = f32[]{0.5}}
        %za: u8[] = Constant() {value = u8[]{3}}
        %sb: f32[2] = Constant() {value = f32[2]{0.25, 0.125}}
        %zb: i8[2] = Constant() {value = i8[2]{1, -2}}
        %sy: f32[] = Constant() {value = f32[]{0.75}}
        %zy: u8[] = Constant() {value = u8[]{100}}
        %y: u8[3,2] = QLinearMatMul(%ua, %sa, %za, %ib, %sb, %zb, %sy, %zy)
        output %y
        """,
        """
        input %x: f32[1,2,4,4]
        input %w: f32[3,2,3,3]
        %ux: u8[1,2,4,4] = Cast(%x) {to = 2}
        %uw: u8[3,2,3,3] = Cast(%w) {to = 2}
        %zx: u8[] = Constant() {value = u8[]{2}}
        %zw: u8[] = Constant() {value = u8[]{1}}
        %y: i32[1,3,4,4] = ConvInteger(%ux, %uw, %zx, %zw) {pads = [1, 1, 1, 1]}
        %sx: f32[] = Constant() {value = f32[]{0.5}}
        %sw: f32[] = Constant() {value = f32[]{0.25}}
        %sy: f32[] = Constant() {value = f32[]{1.5}}
        %zy: u8[] = Constant() {value = u8[]{7}}
        %bias: i32[3] = Constant() {value = i32[3]{4, -9, 2}}
        %q: u8[1,3,2,2] = QLinearConv(%ux, %sx, %zx, %uw, %sw, %zw, %sy, %zy, %bias)
        output %y
        output %q
        """,
        """
        input %x: f32[1,2,5,6]
        %scales: f32[2] = Constant() {value = f32[2]{1.6, 0.7}}
        %sizes: i64[2] = Constant() {value = i64[2]{8, 4}}
        %a = Resize(%x, _, %scales) {axes = [2, 3], mode = "linear"}
        %b = Resize(%x, _, %scales) {axes = [2, 3], mode = "cubic", coordinate_transformation_mode = "asymmetric"}
        %c = Resize(%x, _, _, %sizes) {axes = [2, 3], nearest_mode = "floor", coordinate_transformation_mode = "align_corners"}
        output %a
        output %b
        output %c
        """,
        """
        input %x: f32[2,3,5,6]
        %a = LpPool(%x) {kernel_shape = [2, 3], strides = [2, 1], pads = [1, 0, 0, 1], p = 3}
        %c = MeanVarianceNormalization(%x) {axes = [0, 2]}
        %d = LRN(%x) {size = 3, alpha = 0.5}
        output %a
        output %c
        output %d
        """,
        """
        input %x: f32[12]
        %r: f32[12] = Round(%x)
        %y, %i, %v, %n = Unique(%r)
        output %y
        output %i
        output %v
        output %n
        """,
        """
        input %x: f32[2,8,1]
        %length: i64[] = Constant() {value = i64[]{6}}
        %axis: i64[] = Constant() {value = i64[]{1}}
        %a = DFT(%x, %length, %axis) {onesided = 1}
        %b = DFT(%x, _, %axis)
        %c = DFT(%b, _, %axis) {inverse = 1}
        output %a
        output %b
        output %c
        """,
        """
        input %x: f32[2,4,3,2]
        input %s: f32[4]
        input %b: f32[4]
        %y: f32[2,4,3,2] = GroupNormalization(%x, %s, %b) {num_groups = 2}
        %z: f32[2,4,3,2] = InstanceNormalization(%x, %s, %b)
        input %g: f32[2]
        %w: f32[2,4,3,2] = RMSNormalization(%x, %g) {axis = -1}
        output %y
        output %z
        output %w
        """,
        """
        input %q: f32[2,4,3,8]
        input %k: f32[2,2,5,8]
        input %v: f32[2,2,5,8]
        %y: f32[2,4,3,8] = Attention(%q, %k, %v) {is_causal = 1, scale = 0.3}
        output %y
        """,
        """
        input %x: f32[2,3,8]
        input %c: f32[2,3,2]
        input %s: f32[2,3,2]
        %y: f32[2,3,8] = RotaryEmbedding(%x, %c, %s) {num_heads = 2}
        output %y
        """
      })
  void theInterpreterComputesTheSame(String body) throws OrtException {
    String text = "hir 1\ngraph \"g\" {\n  opset \"\" 23\n" + typed(body) + "}\n";
    Graph graph = Specialise.of(Map.of()).run(HirParser.parse(text));
    Random random = new Random(3);
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    Map<String, NdArray> operands = new LinkedHashMap<>();
    for (Value input : graph.inputs()) {
      double[] values = random.doubles(input.shape().elementCount(), -2, 8).toArray();
      if (graph.nodes().stream().noneMatch(node -> node.op().isOnnx("Cast"))) {
        values = random.doubles(values.length, -1.5, 1.5).toArray();
      }
      Tensor tensor = Tensor.ofDoubles(input.elementType(), input.shape(), values);
      inputs.put(input.name(), tensor);
      operands.put(input.name(), NdArray.of(tensor));
    }

    Map<String, NdArray> actual = new Interpreter().run(graph, operands);

    OnnxRuntimeRunner.run(OnnxExporter.toBytes(graph), inputs)
        .forEach(
            (name, expected) -> {
              Tensor tensor = actual.get(name).toTensor();
              assertThat(tensor.type()).as(name).isEqualTo(expected.type());
              assertThat(tensor.toDoubles())
                  .as(name)
                  .containsExactly(expected.toDoubles(), within(2e-5));
            });
  }
}
