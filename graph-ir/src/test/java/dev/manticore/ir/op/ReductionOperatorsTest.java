package dev.manticore.ir.op;

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
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReductionOperatorsTest {

  /** Of the rows 1 2 3 and 4 5 6. */
  @ParameterizedTest
  @CsvSource({
    "ReduceSum, 6, 15",
    "ReduceMean, 2, 5",
    "ReduceMax, 3, 6",
    "ReduceMin, 1, 4",
    "ReduceProd, 6, 120",
    "ReduceSumSquare, 14, 77",
    "ReduceL1, 6, 15",
    "ReduceL2, 3.741657386773941, 8.774964387392123",
    "ReduceLogSum, 1.791759469228055, 2.70805020110221",
    "ReduceLogSumExp, 3.407605964444380, 6.407605964444380",
  })
  void aReductionTakesTheAxesItIsGiven(String operator, double first, double second) {
    NdArray rows = floats(shape(2, 3), 1, 2, 3, 4, 5, 6);

    NdArray kept = run(operator, rows, longs(-1));
    NdArray dropped =
        run(operator, Attributes.of("axes", Attribute.ofInts(1)).with("keepdims", 0), rows);

    assertThat(kept.shape()).containsExactly(2, 1);
    assertThat(kept.data()).containsExactly(new double[] {first, second}, within(1e-12));
    assertThat(dropped.shape()).containsExactly(2);
    assertThat(dropped.data()).isEqualTo(kept.data());
  }

  @Test
  void withoutAxesAllAreReducedUnlessTold() {
    assertThat(run("ReduceSum", iota(2, 3)).shape()).containsExactly(1, 1);
    assertThat(run("ReduceSum", Attributes.of("noop_with_empty_axes", 1), iota(2, 3)).data())
        .containsExactly(0, 1, 2, 3, 4, 5);
    assertThat(run("ReduceSum", iota(2, 2, 2), longs(2, 0)).data()).containsExactly(10, 18);
  }

  @Test
  void meansOfIntegersAreTruncated() {
    assertThat(run("ReduceMean", longs(1, 2)).data()).containsExactly(1);
  }

  @Test
  void symbolsOfTheOtherAxesAreKept() {
    assertThat(infer("ReduceMean", Attributes.NONE, type("batch", "length", 8), Tensor.vector(-1)))
        .isEqualTo(type("batch", "length", 1));
    assertThat(infer("ReduceMean", Attributes.NONE, type("batch", 8), type(ElementType.INT64, 1)))
        .isEqualTo(type("?", "?"));
    assertThatThrownBy(
            () -> infer("ReduceMean", Attributes.NONE, type("batch", 8), Tensor.vector(2)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("axis 2 is outside of rank 2");
  }

  @Test
  void theFirstOfEqualElementsIsFoundUnlessTold() {
    NdArray rows = floats(shape(2, 3), 3, 1, 3, 0, 0, 1);

    assertThat(run("ArgMax", Attributes.of("axis", 1), rows).data()).containsExactly(0, 2);
    assertThat(run("ArgMax", Attributes.of("axis", 1).with("select_last_index", 1), rows).data())
        .containsExactly(2, 2);
    assertThat(run("ArgMin", Attributes.of("keepdims", 0), rows).data()).containsExactly(1, 1, 1);
  }

  @Test
  void topKIsSortedAndStable() {
    NdArray rows = floats(shape(2, 4), 1, 4, 4, 2, 9, 8, 7, 6);

    List<NdArray> largest = runAll(OpId.onnx("TopK"), Attributes.NONE, 2, rows, longs(2));
    List<NdArray> smallest =
        runAll(OpId.onnx("TopK"), Attributes.of("largest", 0).with("axis", 0), 2, rows, longs(1));

    assertThat(largest.get(0).data()).containsExactly(4, 4, 9, 8);
    assertThat(largest.get(1).data()).containsExactly(1, 2, 0, 1);
    assertThat(smallest.get(0).data()).containsExactly(1, 4, 4, 2);
  }

  @Test
  void runningSumsGoBothWays() {
    NdArray axis = longs(shape(), 0);
    NdArray values = floats(1, 2, 3);

    assertThat(run("CumSum", values, axis).data()).containsExactly(1, 3, 6);
    assertThat(run("CumSum", Attributes.of("exclusive", 1), values, axis).data())
        .containsExactly(0, 1, 3);
    assertThat(run("CumSum", Attributes.of("exclusive", 1).with("reverse", 1), values, axis).data())
        .containsExactly(5, 3, 0);
    assertThat(run("CumSum", iota(2, 3), axis).data()).containsExactly(0, 1, 2, 3, 5, 7);
  }
}
