package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.bools;
import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.infer;
import static dev.manticore.ir.op.OperatorHarness.iota;
import static dev.manticore.ir.op.OperatorHarness.longs;
import static dev.manticore.ir.op.OperatorHarness.run;
import static dev.manticore.ir.op.OperatorHarness.shape;
import static dev.manticore.ir.op.OperatorHarness.type;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Tensor;
import org.junit.jupiter.api.Test;

class IndexingOperatorsTest {

  @Test
  void gatherTakesSlices() {
    NdArray result = run("Gather", Attributes.of("axis", 1), iota(2, 3), longs(shape(1, 2), -1, 0));

    assertThat(result.shape()).containsExactly(2, 1, 2);
    assertThat(result.data()).containsExactly(2, 0, 5, 3);
    assertThatThrownBy(() -> run("Gather", iota(2), longs(2)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("index 2 is outside of 2 elements");
  }

  @Test
  void gatherKeepsTheSymbolsOfItsIndices() {
    assertThat(
            infer(
                "Gather", Attributes.NONE, type(50, 8), type(ElementType.INT64, "batch", "length")))
        .isEqualTo(type("batch", "length", 8));
    assertThatThrownBy(() -> infer("Gather", Attributes.NONE, type(50, 8), type("batch")))
        .hasMessageContaining("indices must be integers");
  }

  @Test
  void elementsAreGatheredAndScattered() {
    NdArray indices = longs(shape(1, 3), 1, 0, 1);

    assertThat(run("GatherElements", iota(2, 3), indices).data()).containsExactly(3, 1, 5);
    NdArray updates = floats(shape(1, 3), 10, 20, 30);
    assertThat(run("ScatterElements", iota(2, 3), indices, updates).data())
        .containsExactly(0, 20, 2, 10, 4, 30);
    Attributes add = Attributes.of("reduction", Attribute.of("add")).with("axis", 1);
    assertThat(
            run("ScatterElements", add, iota(1, 2), longs(shape(1, 3), 0, 0, -1), updates).data())
        .containsExactly(30, 31);
  }

  @Test
  void tuplesOfIndicesReachSlices() {
    assertThat(run("GatherND", iota(2, 2), longs(shape(2, 2), 0, 0, 1, 1)).data())
        .containsExactly(0, 3);
    assertThat(run("GatherND", iota(2, 2), longs(shape(1, 1), -1)).data()).containsExactly(2, 3);
    NdArray batched =
        run("GatherND", Attributes.of("batch_dims", 1), iota(2, 2, 2), longs(shape(2, 1), 1, 0));
    assertThat(batched.shape()).containsExactly(2, 2);
    assertThat(batched.data()).containsExactly(2, 3, 4, 5);
    Attributes max = Attributes.of("reduction", Attribute.of("max"));
    assertThat(run("ScatterND", max, iota(4), longs(shape(2, 1), 0, 3), floats(7, 1)).data())
        .containsExactly(7, 1, 2, 3);
    assertThatThrownBy(() -> run("ScatterND", iota(4), longs(shape(2, 1), 0, 3), floats(7)))
        .hasMessageContaining("do not fit indices");
  }

  @Test
  void oneHotPutsItsDepthAnywhere() {
    NdArray depth = longs(shape(), 3);

    assertThat(run("OneHot", longs(1, -1), depth, floats(0, 5)).data())
        .containsExactly(0, 5, 0, 0, 0, 5);
    assertThat(run("OneHot", Attributes.of("axis", 0), longs(1, 7), depth, floats(0, 5)).data())
        .containsExactly(0, 0, 5, 0, 0, 0);
    assertThat(
            infer(
                "OneHot",
                Attributes.NONE,
                type(ElementType.INT64, "batch"),
                Tensor.scalar(3L),
                type(2)))
        .isEqualTo(type("batch", 3));
  }

  @Test
  void whereThingsAreIsFound() {
    assertThat(run("NonZero", floats(shape(2, 2), 1, 0, 0, 1)).data()).containsExactly(0, 1, 0, 1);
    assertThat(run("Compress", iota(2, 2), bools(0, 1, 1)).data()).containsExactly(1, 2);
    assertThat(run("Compress", Attributes.of("axis", 1), iota(2, 2), bools(0, 1)).data())
        .containsExactly(1, 3);
  }
}
