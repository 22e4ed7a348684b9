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
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ElementwiseOperatorsTest {

  /** Values from tables of the functions, to the digits that the tables give. */
  @ParameterizedTest
  @CsvSource({
    "Neg, 2.5, -2.5",
    "Reciprocal, 4, 0.25",
    "Round, 2.5, 2",
    "Round, -1.5, -2",
    "Sign, -3, -1",
    "Erf, 0.5, 0.520499877813046538",
    "Erf, -2, -0.995322265018952734",
    "Erf, 2.9, 0.999958902121900541",
    "Erf, 3.1, 0.999988351342632593",
    "Erf, 7, 1",
    "Sigmoid, 0, 0.5",
    "Sigmoid, -1000, 0",
    "Softplus, 1000, 1000",
    "Softplus, 0, 0.693147180559945309",
    "Gelu, 1, 0.841344746068542949",
    "Softsign, -3, -0.75",
    "Mish, 1, 0.865098388267302",
    "HardSwish, 1, 0.66666666666666667",
    "Asinh, 1, 0.881373587019543025",
    "Acosh, 2, 1.316957896924816709",
    "Atanh, 0.5, 0.549306144334054846",
    "Elu, -1, -0.632120558828557678",
    "Relu, -1, 0",
    "Celu, -1, -0.632120558828557678",
    "LeakyRelu, -1, -0.01",
    "ThresholdedRelu, 1, 0",
    "HardSigmoid, 1, 0.7",
  })
  void aFunctionOfOneNumberHasItsKnownValue(String operator, double x, double expected) {
    assertThat(run(operator, floats(x)).data()[0]).isCloseTo(expected, within(2e-8));
  }

  @Test
  void erfIsExactToAllButTheLastDigits() {
    assertThat(run("Erf", floats(0.5, 2.9, 3.1)).data())
        .containsExactly(
            new double[] {0.520499877813046538, 0.999958902121900541, 0.999988351342632593},
            within(1e-15));
  }

  @Test
  void geluHasAnApproximation() {
    Attributes tanh = Attributes.of("approximate", Attribute.of("tanh"));

    assertThat(run("Gelu", tanh, floats(1)).data()[0]).isCloseTo(0.841191990608, within(1e-10));
  }

  @Test
  void operandsBroadcastOnBothSides() {
    NdArray column = floats(shape(2, 1), 10, 20);
    NdArray row = floats(1, 2, 3);

    NdArray sum = run("Add", column, row);

    assertThat(sum.shape()).containsExactly(2, 3);
    assertThat(sum.data()).containsExactly(11, 12, 13, 21, 22, 23);
  }

  @Test
  void aScalarAndAnArrayOfHigherRankKeepTheOrderOfTheOperands() {
    assertThat(run("Sub", floats(shape(), 10), iota(3)).data()).containsExactly(10, 9, 8);
    assertThat(run("Sub", iota(3), floats(shape(), 10)).data()).containsExactly(-10, -9, -8);
    assertThat(run("Sub", floats(shape(1, 1), 10), iota(3)).shape()).containsExactly(1, 3);
  }

  @Test
  void integersDivideTowardZero() {
    assertThat(run("Div", longs(7, -7, 7), longs(2, 2, -2)).data()).containsExactly(3, -3, -3);
    assertThatThrownBy(() -> run("Div", longs(7), longs(0)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("divided by zero");
  }

  @Test
  void narrowIntegersWrapAround() {
    NdArray bytes = NdArray.of(ElementType.UINT8, shape(2), new double[] {200, 3});

    assertThat(run("Add", bytes, bytes).data()).containsExactly(144, 6);
    assertThat(run("Sub", bytes, bytes.withElementType(ElementType.UINT8)).data())
        .containsExactly(0, 0);
  }

  @Test
  void theRemainderHasTheSignOfTheDivisorUnlessAskedOtherwise() {
    NdArray dividends = longs(-4, 7, 5, 4, -7, 8);
    NdArray divisors = longs(2, -3, 8, -2, 3, 5);

    assertThat(run("Mod", dividends, divisors).data()).containsExactly(0, -2, 5, 0, 2, 3);
    assertThat(run("Mod", Attributes.of("fmod", 1), dividends, divisors).data())
        .containsExactly(0, 1, 5, 0, -1, 3);
  }

  @Test
  void powerHasTheTypeOfItsBase() {
    NdArray power = run("Pow", longs(2, 3), floats(0.5, 2));

    assertThat(power.elementType()).isEqualTo(ElementType.INT64);
    assertThat(power.data()).containsExactly(1, 9);
  }

  @Test
  void severalOperandsFold() {
    assertThat(run("Max", floats(1, 5), floats(4, 2), floats(shape(), 3)).data())
        .containsExactly(4, 5);
    assertThat(run("Mean", floats(1, 5), floats(4, 2), floats(shape(), 4)).data())
        .containsExactly(3, 11.0 / 3);
    assertThat(run("Sum", floats(1, 5)).data()).containsExactly(1, 5);
  }

  @Test
  void comparisonsAndLogicGiveBooleans() {
    NdArray less = run("Less", iota(3), floats(shape(1), 1));

    assertThat(less.elementType()).isEqualTo(ElementType.BOOL);
    assertThat(less.data()).containsExactly(1, 0, 0);
    assertThat(run("Equal", floats(Double.NaN), floats(Double.NaN)).data()).containsExactly(0);
    assertThat(run("Xor", bools(1, 1, 0), bools(1, 0, 0)).data()).containsExactly(0, 1, 0);
    assertThat(run("Not", bools(1, 0)).data()).containsExactly(0, 1);
    assertThatThrownBy(() -> run("And", iota(2), iota(2))).hasMessageContaining("must be bool");
  }

  @Test
  void whereChoosesOverAllThreeShapes() {
    NdArray chosen = run("Where", bools(1, 0), floats(shape(2, 1), 1, 2), floats(shape(), -1));

    assertThat(chosen.shape()).containsExactly(2, 2);
    assertThat(chosen.data()).containsExactly(1, -1, 2, -1);
  }

  @Test
  void clipTakesItsBoundsAsInputsOrAttributes() {
    assertThat(run("Clip", iota(4), floats(shape(), 1), floats(shape(), 2)).data())
        .containsExactly(1, 1, 2, 2);
    assertThat(run("Clip", iota(4), null, floats(shape(), 2)).data()).containsExactly(0, 1, 2, 2);
    assertThat(run("Clip", Attributes.of("min", Attribute.of(2f)), iota(4)).data())
        .containsExactly(2, 2, 2, 3);
  }

  @Test
  void castTruncatesWrapsAndRounds() {
    NdArray values = floats(-1.7, 300.9, 0.1, 0);

    assertThat(cast(values, ElementType.INT64).data()).containsExactly(-1, 300, 0, 0);
    assertThat(cast(values, ElementType.UINT8).data()).containsExactly(255, 44, 0, 0);
    assertThat(cast(values, ElementType.BOOL).data()).containsExactly(1, 1, 1, 0);
    assertThat(cast(values, ElementType.FLOAT16).data()[2]).isEqualTo(0.0999755859375);
    assertThat(cast(values, ElementType.BFLOAT16).data()[2]).isEqualTo(0.10009765625);
    assertThat(cast(values, ElementType.FLOAT64).data()[2]).isEqualTo(0.1);
    assertThat(run("CastLike", values, longs(1)).elementType()).isEqualTo(ElementType.INT64);
  }

  private static NdArray cast(NdArray array, ElementType to) {
    return run("Cast", Attributes.of("to", to.onnxNumber()), array);
  }

  @Test
  void dropoutIsTheIdentityOutsideOfTraining() {
    assertThat(runAll(OpId.onnx("Dropout"), Attributes.NONE, 2, iota(3)).get(0).data())
        .containsExactly(0, 1, 2);
    assertThatThrownBy(() -> run("Dropout", iota(3), floats(shape(), 0.5), bools(1)))
        .hasMessageContaining("random");
  }

  @Test
  void symbolsSurviveBroadcasting() {
    assertThat(infer("Add", Attributes.NONE, type("batch", "length", 8), type(8)))
        .isEqualTo(type("batch", "length", 8));
    assertThat(infer("Add", Attributes.NONE, type("batch", 1, "?"), type("length", 4)))
        .isEqualTo(type("batch", "length", 4));
    assertThat(infer("Add", Attributes.NONE, type("batch"), type("length"))).isEqualTo(type("?"));
  }

  @Test
  void operandsThatDoNotFitAreRefused() {
    assertThatThrownBy(() -> infer("Mul", Attributes.NONE, type("batch", 3), type(4)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("[batch,3] and [4] do not broadcast");
    assertThatThrownBy(() -> infer("Mul", Attributes.NONE, type(3), type(ElementType.INT64, 3)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("f32 and i64")
        .hasMessageContaining("Cast");
  }
}
