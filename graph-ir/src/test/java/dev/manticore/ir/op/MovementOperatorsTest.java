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

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MovementOperatorsTest {

  @Test
  void reshapeCopiesAndInfersExtents() {
    assertThat(run("Reshape", iota(2, 6), longs(0, -1, 2)).shape()).containsExactly(2, 3, 2);
    assertThat(run("Reshape", Attributes.of("allowzero", 1), iota(0, 3), longs(3, 0)).shape())
        .containsExactly(3, 0);
    assertThatThrownBy(() -> run("Reshape", iota(2, 6), longs(5, -1)))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("[2,6] has no shape [5, -1]");
  }

  @Test
  void reshapeKeepsTheSymbolsItCanFollow() {
    assertThat(reshaped(type("batch", "length", 12), 0, 0, 4, 3))
        .isEqualTo(type("batch", "length", 4, 3));
    assertThat(reshaped(type("batch", "length", 4, 3), 0, 0, -1))
        .isEqualTo(type("batch", "length", 12));
    assertThat(reshaped(type("batch", 4, 3), -1, 12)).isEqualTo(type("batch", 12));
    assertThat(reshaped(type("batch", "length", 12), -1, 12)).isEqualTo(type("batch*length", 12));
    assertThat(infer("Reshape", Attributes.NONE, type("batch", 2), type(ElementType.INT64, 3)))
        .isEqualTo(type("?", "?", "?"));
  }

  private static TensorType reshaped(TensorType input, long... target) {
    return infer("Reshape", Attributes.NONE, input, Tensor.vector(target));
  }

  @Test
  void squeezeAndUnsqueezeTakeAxesBothWays() {
    Attributes axes = Attributes.of("axes", Attribute.ofInts(-1));

    assertThat(run("Squeeze", iota(1, 2, 1)).shape()).containsExactly(2);
    assertThat(run("Squeeze", iota(1, 2, 1), longs(0)).shape()).containsExactly(2, 1);
    assertThat(run("Squeeze", axes, iota(1, 2, 1)).shape()).containsExactly(1, 2);
    assertThat(run("Unsqueeze", iota(2), longs(0, 2)).shape()).containsExactly(1, 2, 1);
    assertThat(run("Unsqueeze", axes, iota(2)).shape()).containsExactly(2, 1);
    assertThatThrownBy(() -> run("Squeeze", iota(1, 2), longs(1)))
        .hasMessageContaining("not of one element");
  }

  @Test
  void flattenMakesAMatrix() {
    assertThat(run("Flatten", iota(2, 3, 4)).shape()).containsExactly(2, 12);
    assertThat(run("Flatten", Attributes.of("axis", 0), iota(2, 3)).shape()).containsExactly(1, 6);
    assertThat(infer("Flatten", Attributes.of("axis", 1), type("batch", 3, 4)))
        .isEqualTo(type("batch", 12));
  }

  @Test
  void transposeReversesUnlessTold() {
    assertThat(run("Transpose", iota(2, 3)).data()).containsExactly(0, 3, 1, 4, 2, 5);
    Attributes perm = Attributes.of("perm", Attribute.ofInts(1, 0, 2));
    assertThat(run("Transpose", perm, iota(2, 2, 2)).data())
        .containsExactly(0, 1, 4, 5, 2, 3, 6, 7);
    assertThat(infer("Transpose", perm, type("batch", "length", 8)))
        .isEqualTo(type("length", "batch", 8));
    assertThatThrownBy(
            () -> infer("Transpose", Attributes.of("perm", Attribute.ofInts(0, 0)), type(1, 2)))
        .hasMessageContaining("axis 0 is named twice");
  }

  @Test
  void concatAddsAlongItsAxis() {
    NdArray result =
        run("Concat", Attributes.of("axis", -1), iota(2, 2), floats(shape(2, 1), 8, 9));

    assertThat(result.data()).containsExactly(0, 1, 8, 2, 3, 9);
    assertThat(infer("Concat", Attributes.of("axis", 1), type("batch", 2), type("?", 3)))
        .isEqualTo(type("batch", 5));
    assertThatThrownBy(() -> infer("Concat", Attributes.of("axis", 1), type(2, 2), type(3, 2)))
        .hasMessageContaining("dimensions of axis 0 differ: 2 and 3");
  }

  @Test
  void splitIsEqualOrAsTold() {
    List<NdArray> parts = runAll(OpId.onnx("Split"), Attributes.of("num_outputs", 3), 3, iota(7));

    assertThat(parts.get(0).data()).containsExactly(0, 1, 2);
    assertThat(parts.get(2).data()).containsExactly(6);
    List<NdArray> uneven =
        runAll(OpId.onnx("Split"), Attributes.of("axis", 1), 2, iota(2, 3), longs(1, 2));
    assertThat(uneven.get(1).data()).containsExactly(1, 2, 4, 5);
    assertThatThrownBy(() -> runAll(OpId.onnx("Split"), Attributes.NONE, 2, iota(3), longs(1, 1)))
        .hasMessageContaining("3 elements do not split");
  }

  @ParameterizedTest
  @CsvSource({
    "1, 3, 1, '1,2'",
    "-2, 9223372036854775807, 1, '3,4'",
    "0, -1, 2, '0,2'",
    "-1, -9223372036854775807, -1, '4,3,2,1,0'",
    "3, 0, -2, '3,1'",
    "4, 2, 1, ''",
    "0, 100, 9223372036854775807, '0'",
  })
  void sliceClampsItsBounds(long start, long end, long step, String expected) {
    // Beyond 2^53 a double cannot tell these bounds from their neighbours, which does not matter.
    NdArray slice = run("Slice", iota(5), longs(start), longs(end), longs(0), longs(step));

    double[] values =
        expected.isEmpty()
            ? new double[0]
            : Arrays.stream(expected.split(",")).mapToDouble(Double::valueOf).toArray();
    assertThat(slice.data()).containsExactly(values);
  }

  @Test
  void sliceOfOneAxisKeepsTheOthers() {
    Tensor one = Tensor.vector(1);

    assertThat(run("Slice", iota(2, 3), longs(1), longs(3), longs(-1)).data())
        .containsExactly(1, 2, 4, 5);
    assertThat(
            infer(
                "Slice",
                Attributes.NONE,
                type("batch", "length", 8),
                Tensor.vector(0),
                Tensor.vector(Long.MAX_VALUE),
                one))
        .isEqualTo(type("batch", "length", 8));
    assertThat(
            infer(
                "Slice",
                Attributes.NONE,
                type("batch", "length", 8),
                type(ElementType.INT64, 1),
                Tensor.vector(Long.MAX_VALUE),
                one))
        .isEqualTo(type("batch", "?", 8));
    Attributes old = Attributes.of("starts", Attribute.ofInts(1)).with("ends", Attribute.ofInts(2));
    assertThat(run("Slice", old, iota(3)).data()).containsExactly(1);
  }

  @ParameterizedTest
  @CsvSource({
    "constant, '9,0,1,2,9,9'",
    "edge, '0,0,1,2,2,2'",
    "reflect, '1,0,1,2,1,0'",
    "wrap, '2,0,1,2,0,1'",
  })
  void padHasFourModes(String mode, String expected) {
    NdArray padded =
        run(
            "Pad",
            Attributes.of("mode", Attribute.of(mode)),
            iota(3),
            longs(1, 2),
            floats(shape(), 9));

    assertThat(padded.data())
        .containsExactly(Arrays.stream(expected.split(",")).mapToDouble(Double::valueOf).toArray());
  }

  @Test
  void padCutsWhereNegativeAndTakesAxes() {
    assertThat(run("Pad", iota(4), longs(-1, 1)).data()).containsExactly(1, 2, 3, 0);
    NdArray padded = run("Pad", iota(2, 2), longs(1, 0), floats(shape(), 7), longs(-1));
    assertThat(padded.data()).containsExactly(7, 0, 1, 7, 2, 3);
    assertThat(infer("Pad", Attributes.NONE, type("batch", 4), Tensor.vector(0, 3, 0, 0)))
        .isEqualTo(type("batch", 7));
  }

  @Test
  void expandAndTileRepeat() {
    assertThat(run("Expand", floats(shape(2, 1), 1, 2), longs(2, 1, 2)).data())
        .containsExactly(1, 1, 2, 2, 1, 1, 2, 2);
    assertThat(run("Tile", iota(2, 2), longs(1, 2)).data()).containsExactly(0, 1, 0, 1, 2, 3, 2, 3);
    assertThat(infer("Expand", Attributes.NONE, type("batch", 1), Tensor.vector(1, 5)))
        .isEqualTo(type("batch", 5));
    assertThat(infer("Tile", Attributes.NONE, type("batch", 3), Tensor.vector(1, 2)))
        .isEqualTo(type("batch", 6));
  }

  @Test
  void triluKeepsOneSideOfADiagonal() {
    NdArray ones = floats(shape(2, 3), 1, 1, 1, 1, 1, 1);

    assertThat(run("Trilu", ones).data()).containsExactly(1, 1, 1, 0, 1, 1);
    assertThat(run("Trilu", Attributes.of("upper", 0), ones, longs(shape(), -1)).data())
        .containsExactly(0, 0, 0, 1, 0, 0);
  }

  @Test
  void depthAndSpaceAreExchanged() {
    Attributes block = Attributes.of("blocksize", 2);
    NdArray image = iota(1, 4, 1, 2);

    NdArray space = run("DepthToSpace", block, image);

    assertThat(space.shape()).containsExactly(1, 1, 2, 4);
    assertThat(space.data()).containsExactly(0, 2, 1, 3, 4, 6, 5, 7);
    assertThat(run("SpaceToDepth", block, space).data()).containsExactly(image.data());
  }

  @Test
  void sequencesAreReversedUpToTheirLengths() {
    NdArray steps = iota(3, 2);

    assertThat(run("ReverseSequence", steps, longs(3, 2)).data()).containsExactly(4, 3, 2, 1, 0, 5);
    Attributes rows = Attributes.of("batch_axis", 0).with("time_axis", 1);
    assertThat(run("ReverseSequence", rows, iota(2, 3), longs(1, 3)).data())
        .containsExactly(0, 1, 2, 5, 4, 3);
  }
}
