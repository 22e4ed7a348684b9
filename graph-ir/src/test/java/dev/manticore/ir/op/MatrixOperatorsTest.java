package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.bools;
import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.infer;
import static dev.manticore.ir.op.OperatorHarness.iota;
import static dev.manticore.ir.op.OperatorHarness.longs;
import static dev.manticore.ir.op.OperatorHarness.run;
import static dev.manticore.ir.op.OperatorHarness.runAll;
import static dev.manticore.ir.op.OperatorHarness.shape;
import static dev.manticore.ir.op.OperatorHarness.type;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MatrixOperatorsTest {

  @Test
  void batchesBroadcastAndVectorsAreRowsOrColumns() {
    NdArray matrix = floats(shape(2, 2), 1, 2, 3, 4);

    assertThat(run("MatMul", matrix, matrix).data()).containsExactly(7, 10, 15, 22);
    assertThat(run("MatMul", matrix, floats(1, 10)).shape()).containsExactly(2);
    assertThat(run("MatMul", floats(1, 10), matrix).data()).containsExactly(31, 42);
    assertThat(run("MatMul", floats(1, 2), floats(3, 4)).shape()).isEmpty();
    NdArray batched = run("MatMul", iota(2, 1, 1, 2), iota(3, 2, 1));
    assertThat(batched.shape()).containsExactly(2, 3, 1, 1);
    assertThat(batched.data()).containsExactly(1, 3, 5, 3, 13, 23);
  }

  @Test
  void symbolsPassThroughProducts() {
    assertThat(infer("MatMul", Attributes.NONE, type("batch", "length", 8), type(8, 4)))
        .isEqualTo(type("batch", "length", 4));
    assertThat(
            infer(
                "MatMul",
                Attributes.NONE,
                type("batch", 2, "length", 8),
                type("batch", 2, 8, "length")))
        .isEqualTo(type("batch", 2, "length", "length"));
    assertThatThrownBy(() -> infer("MatMul", Attributes.NONE, type("batch", 8), type(4, 8)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("[batch,8] and [4,8] differ: 8 and 4");
  }

  @Test
  void gemmScalesTransposesAndAdds() {
    Attributes attributes =
        Attributes.of("transA", 1)
            .with("transB", 1)
            .with("alpha", Attribute.of(2f))
            .with("beta", Attribute.of(0.5f));

    NdArray result =
        run("Gemm", attributes, iota(2, 1), floats(shape(3, 2), 1, 1, 2, 2, 3, 3), floats(2, 4, 6));

    assertThat(result.shape()).containsExactly(1, 3);
    assertThat(result.data()).containsExactly(3, 6, 9);
    assertThatThrownBy(() -> infer("Gemm", Attributes.NONE, type("batch", 2), type(2, 3), type(4)))
        .hasMessageContaining("[4] does not broadcast to [batch,3]");
  }

  @Test
  void fusedMatMulScalesAndTransposes() {
    Attributes attributes = Attributes.of("transB", 1).with("alpha", Attribute.of(0.5f));

    NdArray result =
        runAll(OpId.microsoft("FusedMatMul"), attributes, 1, iota(2, 2), iota(3, 2)).get(0);

    assertThat(result.shape()).containsExactly(2, 3);
    assertThat(result.data()).containsExactly(0.5, 1.5, 2.5, 1.5, 6.5, 11.5);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "ij,jk->ik; 1,3,3,13",
        "ij,kj; 1,3,3,13",
        "ij,ij->; 14",
        "ij,ij->j; 4,10",
        "...i,...i->...; 1,13",
        "ii,jk->jki; 0,0,0,3,0,6,0,9",
      })
  void einsumMultipliesAndSums(String equation, String expected) {
    NdArray matrix = iota(2, 2);
    NdArray second = equation.equals("ij,jk->ik") ? run("Transpose", matrix) : matrix;

    NdArray result =
        run("Einsum", Attributes.of("equation", Attribute.of(equation)), matrix, second);

    assertThat(result.data())
        .containsExactly(Arrays.stream(expected.split(",")).mapToDouble(Double::valueOf).toArray());
  }

  @Test
  void einsumKeepsSymbols() {
    Attributes equation = Attributes.of("equation", Attribute.of("bqhd,bkhd->bhqk"));

    assertThat(infer("Einsum", equation, type("batch", "length", 2, 4), type("batch", "all", 2, 4)))
        .isEqualTo(type("batch", 2, "length", "all"));
    assertThatThrownBy(() -> infer("Einsum", equation, type("batch", 2), type("batch", 2)))
        .hasMessageContaining("does not fit rank 2");
  }

  /** Two positions, one head of size one: what the second attends to is a softmax of two. */
  @Test
  void causalAttentionLooksBack() {
    NdArray queries = floats(shape(1, 1, 2, 1), 1, 1);
    NdArray keys = floats(shape(1, 1, 2, 1), 0, Math.log(3));
    NdArray values = floats(shape(1, 1, 2, 1), 4, 8);

    assertThat(run("Attention", Attributes.of("is_causal", 1), queries, keys, values).data())
        .containsExactly(new double[] {4, 7}, within(1e-12));
    assertThat(run("Attention", queries, keys, values).data())
        .containsExactly(new double[] {7, 7}, within(1e-12));
    assertThat(run("Attention", queries, keys, values, bools(1, 0)).data())
        .containsExactly(new double[] {4, 4}, within(1e-12));
  }

  @Test
  void headsOfQueriesShareKeysAndThePastComesFirst() {
    Attributes heads = Attributes.of("q_num_heads", 2).with("kv_num_heads", 1).with("is_causal", 1);
    NdArray past = floats(shape(1, 1, 1, 1), 0);
    NdArray pastValue = floats(shape(1, 1, 1, 1), 2);

    List<NdArray> results =
        runAll(
            OpId.onnx("Attention"),
            heads,
            4,
            floats(shape(1, 1, 2), 0, Math.log(3)),
            floats(shape(1, 1, 1), 1),
            floats(shape(1, 1, 1), 6),
            null,
            past,
            pastValue);

    assertThat(results.get(0).shape()).containsExactly(1, 1, 2);
    assertThat(results.get(0).data()).containsExactly(new double[] {4, 5}, within(1e-12));
    assertThat(results.get(1).data()).containsExactly(0, 1);
    assertThat(results.get(3).shape()).containsExactly(1, 2, 1, 2);
  }

  @Test
  void rotaryEmbeddingTurnsPairs() {
    NdArray input = floats(shape(1, 1, 2, 4), 1, 2, 3, 4, 1, 2, 3, 4);
    NdArray cosines = floats(shape(2, 2), 1, 1, 0, 1);
    NdArray sines = floats(shape(2, 2), 0, 0, 1, 0);
    NdArray positions = longs(shape(1, 2), 0, 1);

    assertThat(run("RotaryEmbedding", input, cosines, sines, positions).data())
        .containsExactly(1, 2, 3, 4, -3, 2, 1, 4);
    assertThat(
            run(
                    "RotaryEmbedding",
                    Attributes.of("interleaved", 1),
                    input,
                    cosines,
                    sines,
                    positions)
                .data())
        .containsExactly(1, 2, 3, 4, -2, 1, 3, 4);
  }
}
