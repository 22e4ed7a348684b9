package dev.manticore.ir.op;

import static dev.manticore.ir.op.OperatorHarness.floats;
import static dev.manticore.ir.op.OperatorHarness.iota;
import static dev.manticore.ir.op.OperatorHarness.longs;
import static dev.manticore.ir.op.OperatorHarness.shape;
import static dev.manticore.ir.op.OperatorHarness.type;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ControlOperatorsTest {

  private static List<Optional<Value>> present(Value... values) {
    return Arrays.stream(values).map(Optional::of).toList();
  }

  /** A scan whose state is a running sum of its inputs, which is also its output. */
  private static Graph runningSum(Attributes attributes, TensorType scanned) {
    GraphEditor editor = new GraphEditor("sum");
    Value initial = editor.input("initial", type("width"));
    Value input = editor.input("input", scanned);
    GraphEditor body = editor.subgraph("body");
    Value state = body.input("state", type("width"));
    Value element = body.input("element", type("width"));
    Value next = body.add(OpId.onnx("Add"), state, element);
    Value copy = body.add(OpId.onnx("Identity"), next);
    body.output(next);
    body.output(copy);
    editor
        .add(
            OpId.onnx("Scan"),
            "scan",
            attributes.with("body", Attribute.of(body.freeze())).with("num_scan_inputs", 1),
            present(initial, input),
            2)
        .forEach(editor::output);
    return editor.freeze();
  }

  @Test
  void scanCarriesAStateAndStacksItsOutputs() {
    Graph graph = runningSum(Attributes.NONE, type("length", "width"));

    Map<String, NdArray> results =
        new Interpreter().run(graph, Map.of("initial", floats(1, 1), "input", iota(3, 2)));

    assertThat(graph.outputs().get(0).type()).isEqualTo(type("width"));
    assertThat(graph.outputs().get(1).type()).isEqualTo(type("length", "width"));
    assertThat(results.get(graph.outputs().get(0).name()).data()).containsExactly(7, 10);
    assertThat(results.get(graph.outputs().get(1).name()).data())
        .containsExactly(1, 2, 3, 5, 7, 10);
  }

  @Test
  void scanGoesAlongAnyAxisEitherWay() {
    Attributes attributes =
        Attributes.of("scan_input_axes", Attribute.ofInts(1))
            .with("scan_input_directions", Attribute.ofInts(1))
            .with("scan_output_axes", Attribute.ofInts(-1))
            .with("scan_output_directions", Attribute.ofInts(1));
    Graph graph = runningSum(attributes, type("width", "length"));

    Map<String, NdArray> results =
        new Interpreter().run(graph, Map.of("initial", floats(0, 0), "input", iota(2, 3)));

    assertThat(graph.outputs().get(1).type()).isEqualTo(type("width", "length"));
    assertThat(results.get(graph.outputs().get(1).name()).data())
        .containsExactly(3, 3, 2, 12, 9, 5);
  }

  @Test
  void aScanOverNothingGivesItsInitialState() {
    Graph graph = runningSum(Attributes.NONE, type("length", "width"));

    Map<String, NdArray> results =
        new Interpreter().run(graph, Map.of("initial", floats(4, 5), "input", iota(0, 2)));

    assertThat(results.get(graph.outputs().get(0).name()).data()).containsExactly(4, 5);
    assertThat(results.get(graph.outputs().get(1).name()).size()).isZero();
  }

  @Test
  void aScanWithTheWrongNumberOfOperandsIsRefused() {
    assertThatThrownBy(
            () ->
                runningSum(
                    Attributes.of("scan_input_axes", Attribute.ofInts(2)), type("length", "width")))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("axis 2 is outside of rank 2");
  }

  /** Doubles a value until it is at least ten, or as often as the first input says. */
  @Test
  void loopStopsAtItsLimitOrItsCondition() {
    GraphEditor editor = new GraphEditor("double");
    Value limit = editor.input("limit", type(ElementType.INT64));
    Value initial = editor.input("initial", type());
    GraphEditor body = editor.subgraph("body");
    body.input("iteration", type(ElementType.INT64));
    body.input("condition", type(ElementType.BOOL));
    Value state = body.input("state", type());
    Value doubled = body.add(OpId.onnx("Add"), state, state);
    Value ten = body.constant(Tensor.scalar(10f));
    body.output(body.add(OpId.onnx("Less"), doubled, ten));
    body.output(doubled);
    body.output(body.add(OpId.onnx("Identity"), doubled));
    editor
        .add(
            OpId.onnx("Loop"),
            "loop",
            Attributes.of("body", Attribute.of(body.freeze())),
            List.of(Optional.of(limit), Optional.empty(), Optional.of(initial)),
            2)
        .forEach(editor::output);
    Graph graph = editor.freeze();

    assertThat(graph.outputs().get(1).type()).isEqualTo(type("?"));
    assertThat(doublings(graph, 9)).containsExactly(2, 4, 8, 16);
    assertThat(doublings(graph, 2)).containsExactly(2, 4);
    assertThat(doublings(graph, 0)).isEmpty();
  }

  private static double[] doublings(Graph graph, double limit) {
    Map<String, NdArray> inputs =
        Map.of("limit", longs(shape(), limit), "initial", floats(shape(), 1));
    return new Interpreter().run(graph, inputs).get(graph.outputs().get(1).name()).data();
  }

  @Test
  void ifRunsOneOfItsBranches() {
    GraphEditor editor = new GraphEditor("choose");
    Value condition = editor.input("condition", type(ElementType.BOOL));
    Value input = editor.input("input", type("length", 2));
    GraphEditor yes = editor.subgraph("yes");
    yes.output(yes.add(OpId.onnx("Neg"), input));
    GraphEditor no = editor.subgraph("no");
    no.output(no.constant(Tensor.ofFloats(Shape.of(1, 2), 8, 9)));
    Attributes branches =
        Attributes.of("then_branch", Attribute.of(yes.freeze()))
            .with("else_branch", Attribute.of(no.freeze()));
    editor.output(editor.add(OpId.onnx("If"), branches, condition));
    Graph graph = editor.freeze();

    assertThat(graph.outputs().get(0).type()).isEqualTo(type("?", 2));
    assertThat(chosen(graph, 1)).containsExactly(-0.0, -1);
    assertThat(chosen(graph, 0)).containsExactly(8, 9);
  }

  private static double[] chosen(Graph graph, double condition) {
    NdArray flag = NdArray.scalar(ElementType.BOOL, condition);
    return new Interpreter()
        .run(graph, Map.of("condition", flag, "input", iota(1, 2)))
        .get(graph.outputs().get(0).name())
        .data();
  }
}
