package dev.manticore.ir.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.text.HirParser;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bodies of operators that are not our own, against the operators' own evaluation. */
class DecompositionsTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        """
        input %q: f32[2,4,3,2]
        input %k: f32[2,2,5,2]
        input %v: f32[2,2,5,3]
        %y: f32[2,4,3,3] = Attention(%q, %k, %v)
        output %y
        """,
        """
        input %q: f32[2,3,8]
        input %k: f32[2,5,4]
        input %v: f32[2,5,6]
        input %mask: f32[4,3,5]
        %y: f32[2,3,12], %k2: f32[2,2,5,2], %v2: f32[2,2,5,3], %s: f32[2,4,3,5] = Attention(%q, %k, %v, %mask) {q_num_heads = 4, kv_num_heads = 2, softcap = 2.0, scale = 0.5}
        output %y
        output %k2
        output %v2
        output %s
        """,
        """
        input %q: f32[1,2,2,3]
        input %k: f32[1,2,2,3]
        input %v: f32[1,2,2,3]
        input %pk: f32[1,2,4,3]
        input %pv: f32[1,2,4,3]
        %y: f32[1,2,2,3], %k2: f32[1,2,6,3], %v2: f32[1,2,6,3], %s: f32[1,2,2,6] = Attention(%q, %k, %v, _, %pk, %pv) {is_causal = 1, qk_matmul_output_mode = 3}
        output %y
        output %k2
        output %s
        """,
        """
        input %x: f32[2,3,8]
        input %c: f32[2,3,2]
        input %s: f32[2,3,2]
        %y: f32[2,3,8] = RotaryEmbedding(%x, %c, %s) {num_heads = 2, interleaved = 1}
        output %y
        """,
        """
        input %x: f32[2,2,3,6]
        input %c: f32[2,3,2]
        input %s: f32[2,3,2]
        %y: f32[2,2,3,6] = RotaryEmbedding(%x, %c, %s) {rotary_embedding_dim = 4}
        output %y
        """,
        """
        input %x: f32[2,4,3,2]
        input %s: f32[4]
        input %b: f32[4]
        input %m: f32[4]
        input %v: f32[4]
        %p: f32[4] = Abs(%v)
        %y: f32[2,4,3,2] = BatchNormalization(%x, %s, %b, %m, %p) {epsilon = 0.1}
        output %y
        """,
        """
        input %x: f32[3,4]
        input %s: f32[4]
        input %b: f32[4]
        input %m: f32[4]
        input %v: f32[4]
        %y: f32[3,4], %rm: f32[4], %rv: f32[4] = BatchNormalization(%x, %s, %b, %m, %v) {training_mode = 1, momentum = 0.7}
        output %y
        output %rm
        output %rv
        """,
        """
        input %x: f32[2,4,3,2]
        input %s: f32[4]
        input %b: f32[4]
        %y: f32[2,4,3,2] = InstanceNormalization(%x, %s, %b)
        %z: f32[2,4,3,2] = GroupNormalization(%y, %s, %b) {num_groups = 2}
        output %y
        output %z
        """,
        """
        input %x: f32[2,4,3]
        %y: f32[2,4,3] = LpNormalization(%x) {axis = 1, p = 1}
        %z: f32[2,4,3] = LpNormalization(%x)
        output %y
        output %z
        """,
        """
        input %x: f32[2,5,3,4]
        %y: f32[2,5,3,4] = MeanVarianceNormalization(%x)
        %z: f32[2,5,3,4] = LRN(%x) {size = 4, alpha = 0.3, beta = 0.6, bias = 1.5}
        %p: f32[2,5,2,3] = LpPool(%x) {kernel_shape = [2, 2], p = 4}
        %q: f32[2,5,1,1] = GlobalLpPool(%x) {p = 2}
        output %y
        output %z
        output %p
        output %q
        """,
        """
        input %x: f32[2,3,4]
        input %s: f32[3]
        %i: i8[2,3,4] = Cast(%x) {to = 3}
        %y: f32[2,3,4] = DequantizeLinear(%i, %s)
        output %y
        """,
        """
        opset "com.microsoft" 1
        input %x: f32[2,4,3]
        input %b: f32[3]
        %y: f32[2,4,3] = com.microsoft.Gelu(%x)
        %z: f32[2,4,3] = com.microsoft.FastGelu(%x, %b)
        %w: f32[2,4,3] = com.microsoft.QuickGelu(%x)
        output %y
        output %z
        output %w
        """
      })
  void bodiesComputeTheSame(String body) {
    Graph graph = HirParser.parse("hir 1\ngraph \"g\" {\n" + body + "}\n");
    Graph inlined = InlineBodies.all().run(graph);
    assertThat(inlined).isNotSameAs(graph);
    Random random = new Random(7);
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    for (Value input : graph.inputs()) {
      int[] shape = new int[input.shape().rank()];
      for (int i = 0; i < shape.length; i++) {
        shape[i] = (int) input.shape().dim(i).extent();
      }
      double[] values = random.doubles(NdArray.count(shape), -3, 3).toArray();
      inputs.put(input.name(), NdArray.of(ElementType.FLOAT32, shape, values));
    }

    Map<String, NdArray> expected = new Interpreter().run(graph, inputs);
    Map<String, NdArray> actual = new Interpreter().run(inlined, inputs);

    expected.forEach(
        (name, array) -> {
          assertThat(actual.get(name).shape()).isEqualTo(array.shape());
          assertThat(actual.get(name).data()).containsExactly(array.data(), within(1e-9));
        });
  }
}
