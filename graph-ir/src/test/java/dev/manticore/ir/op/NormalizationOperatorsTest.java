package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.infer;
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
import java.util.List;
import org.junit.jupiter.api.Test;

class NormalizationOperatorsTest {

  @Test
  void softmaxSumsToOneAlongItsAxisHoweverLargeTheOperands() {
    NdArray result = run("Softmax", floats(1000, 1000 + Math.log(3)));
    assertThat(result.data()).containsExactly(new double[] {0.25, 0.75}, within(1e-12));

    NdArray columns = run("Softmax", Attributes.of("axis", 0), floats(shape(2, 2), 0, 0, 0, 0));
    assertThat(columns.data()).containsExactly(0.5, 0.5, 0.5, 0.5);

    NdArray logs = run("LogSoftmax", floats(0, Math.log(3)));
    assertThat(logs.data())
        .containsExactly(new double[] {Math.log(0.25), Math.log(0.75)}, within(1e-12));
  }

  @Test
  void beforeVersion13SoftmaxTakesAllAxesFromItsOwnOn() {
    OpId old = new OpId(OpId.ONNX, "Softmax", 11);

    NdArray result = runAll(old, Attributes.NONE, 1, floats(shape(1, 2, 2), 0, 0, 0, 0)).get(0);

    assertThat(result.data()).containsExactly(0.25, 0.25, 0.25, 0.25);
  }

  @Test
  void layerNormalizationGivesItsStatistics() {
    NdArray rows = floats(shape(2, 2), 1, 3, -2, 2);
    Attributes exact = Attributes.of("epsilon", Attribute.of(0f));

    List<NdArray> results =
        runAll(OpId.onnx("LayerNormalization"), exact, 3, rows, floats(1, 10), floats(0.5, 0));

    assertThat(results.get(0).data()).containsExactly(-0.5, 10, -0.5, 10);
    assertThat(results.get(1).shape()).containsExactly(2, 1);
    assertThat(results.get(1).data()).containsExactly(2, 0);
    assertThat(results.get(2).data()).containsExactly(1, 0.5);
  }

  @Test
  void layerNormalizationRefusesAScaleThatDoesNotFit() {
    assertThatThrownBy(
            () -> infer("LayerNormalization", Attributes.NONE, type("batch", "length", 8), type(4)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("[4] does not broadcast to [8]");
    assertThat(infer("LayerNormalization", Attributes.NONE, type("batch", "length", 8), type(8)))
        .isEqualTo(type("batch", "length", 8));
  }

  @Test
  void rmsNormalizationDividesByTheRootMeanSquare() {
    Attributes exact = Attributes.of("epsilon", Attribute.of(0f));

    NdArray result = run("RMSNormalization", exact, floats(shape(1, 2), 1, 7), floats(1, 2));

    assertThat(result.data()).containsExactly(new double[] {0.2, 2.8}, within(1e-12));
  }

  @Test
  void groupsAndInstancesNormaliseChannels() {
    NdArray input = floats(shape(1, 2, 2), 0, 2, 10, 30);
    Attributes exact = Attributes.of("epsilon", Attribute.of(0f));

    assertThat(run("InstanceNormalization", exact, input, floats(1, 2), floats(0, 1)).data())
        .containsExactly(-1, 1, -1, 3);
    assertThat(
            run(
                    "GroupNormalization",
                    exact.with("num_groups", 2),
                    input,
                    floats(1, 2),
                    floats(0, 1))
                .data())
        .containsExactly(-1, 1, -1, 3);
    assertThat(
            run(
                    "BatchNormalization",
                    exact,
                    input,
                    floats(1, 2),
                    floats(0, 1),
                    floats(1, 20),
                    floats(1, 100))
                .data())
        .containsExactly(-1, 1, -1, 3);
  }

  @Test
  void lpNormalizationHasTwoNorms() {
    assertThat(run("LpNormalization", floats(3, 4)).data())
        .containsExactly(new double[] {0.6, 0.8}, within(1e-15));
    assertThat(run("LpNormalization", Attributes.of("p", 1), floats(1, -3)).data())
        .containsExactly(0.25, -0.75);
  }

  @Test
  void lossesAreWeightedMeans() {
    NdArray scores = floats(shape(2, 2), 0, 0, 0, Math.log(3));
    NdArray targets = longs(0, 1);

    List<NdArray> results =
        runAll(OpId.onnx("SoftmaxCrossEntropyLoss"), Attributes.NONE, 2, scores, targets);
    double first = Math.log(2);
    double second = -Math.log(0.75);

    assertThat(results.get(0).data()[0]).isCloseTo((first + second) / 2, within(1e-12));
    assertThat(results.get(1).data()[0]).isCloseTo(-first, within(1e-12));
    Attributes none = Attributes.of("reduction", Attribute.of("none"));
    assertThat(run("SoftmaxCrossEntropyLoss", none, scores, targets).data())
        .containsExactly(new double[] {first, second}, within(1e-12));
    assertThat(
            run("SoftmaxCrossEntropyLoss", Attributes.of("ignore_index", 0), scores, targets)
                .data()[0])
        .isCloseTo(second, within(1e-12));
    assertThat(run("SoftmaxCrossEntropyLoss", scores, targets, floats(1, 3)).data()[0])
        .isCloseTo((first + 3 * second) / 4, within(1e-12));
    assertThatThrownBy(() -> run("SoftmaxCrossEntropyLoss", scores, longs(0, 2)))
        .hasMessageContaining("target 2 is not one of 2 classes");
  }
}
