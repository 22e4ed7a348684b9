package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Dim;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.onnx.OnnxExporter;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Sums that are carried on: after = before + x, and y = 2 after. */
class RecurrenceTest {

  private static final Tensor ZEROS = Tensor.ofFloats(Shape.of(2, 2), 0, 0, 0, 0);

  private static ModelSession open() {
    GraphEditor editor = new GraphEditor("sums");
    Ops ops = new Ops(editor);
    TensorType type = new TensorType(FLOAT32, Shape.of(Dim.of(2), Dim.of("columns")));
    Value after = ops.add(editor.input("before", type), editor.input("x", type));
    editor.output(ops.named("after", after));
    editor.output(ops.named("y", ops.mul(after, 2)));
    return ModelSession.open(
        Devices.byName("cpu"), OnnxExporter.toBytes(editor.freeze()), SessionConfig.defaults());
  }

  private static double[] add(Recurrence runs, float... x) {
    return runs.run(Map.of("x", Tensor.ofFloats(Shape.of(2, x.length / 2), x)))
        .get("y")
        .toDoubles();
  }

  @Test
  void outputsBecomeInputs() {
    try (ModelSession session = open();
        Recurrence runs =
            new Recurrence(session, Map.of("after", "before"), Map.of("before", ZEROS))) {
      assertThat(add(runs, 1, 2, 3, 4)).containsExactly(2, 4, 6, 8);
      assertThat(add(runs, 1, 1, 1, 1)).containsExactly(4, 6, 8, 10);
      runs.reset();
      assertThat(add(runs, 1, 1, 1, 1)).containsExactly(2, 2, 2, 2);
    }
  }

  @Test
  void whatIsKeptMayBecomeLonger() {
    try (ModelSession session = open();
        Recurrence runs =
            new Recurrence(
                session, Map.of("after", "before"), Map.of("before", ZEROS.type()), Map.of())) {
      assertThat(add(runs, 1, 2, 3, 4)).containsExactly(2, 4, 6, 8);

      runs.extend("before", 1, 3);

      assertThat(add(runs, 0, 0, 5, 0, 0, 6)).containsExactly(2, 4, 10, 6, 8, 12);
      assertThatThrownBy(() -> runs.extend("before", 1, 2))
          .isInstanceOf(IllegalArgumentException.class);
      // There is no memory for so much: then it is as it was.
      assertThatThrownBy(() -> runs.extend("before", 1, 1L << 58))
          .isInstanceOf(ManticoreException.class);
      assertThat(add(runs, 0, 0, 0, 0, 0, 0)).containsExactly(2, 4, 10, 6, 8, 12);
      runs.reset();
      assertThat(add(runs, 1, 1, 1, 1)).containsExactly(2, 2, 2, 2);
    }
  }

  @Test
  void whatIsNotThereIsNamed() {
    try (ModelSession session = open()) {
      assertThatThrownBy(() -> new Recurrence(session, Map.of("after", "x2"), Map.of("x2", ZEROS)))
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("'x2'");
      try (Recurrence runs =
          new Recurrence(session, Map.of("after", "before"), Map.of("before", ZEROS))) {
        assertThatThrownBy(() -> runs.run(Map.of()))
            .isInstanceOf(ManticoreException.class)
            .hasMessageContaining("'x' is not given");
      }
    }
  }
}
