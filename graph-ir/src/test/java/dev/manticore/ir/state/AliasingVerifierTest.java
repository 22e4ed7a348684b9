package dev.manticore.ir.state;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Graphs that may, and graphs that may not, write their new state over their old one. */
final class AliasingVerifierTest {

  private static final TensorType MATRIX = TensorType.of(ElementType.FLOAT32, 2, 2);

  private final GraphEditor editor = new GraphEditor("update");
  private final Ops ops = new Ops(editor);
  private final Value p = editor.input("p", MATRIX);
  private final Value g = editor.input("g", MATRIX);

  @Test
  void acceptsAnUpdateThatComesAfterAllReads() {
    Value used = ops.matMul(p, g);
    assertAccepted(ops.sub(p, used));
  }

  @Test
  void acceptsAReadThatTheUpdateWaitsForThroughAnotherValue() {
    Value read = ops.matMul(ops.reshape(p, 2, 2), g);
    editor.output(read);
    Value after =
        ops.onnx("Min", ops.onnx("ReduceSumSquare", read), ops.scalar(p.elementType(), 0));
    assertAccepted(ops.sub(p, ops.add(g, after)));
  }

  @Test
  void refusesAReadThatTheUpdateDoesNotWaitFor() {
    editor.output(ops.matMul(p, g));
    assertRefused(ops.sub(p, g), "MatMul", "may read 'p' after");
  }

  @Test
  void refusesALateReadOfAView() {
    Value view = ops.squeeze(ops.unsqueeze(ops.reshape(p, 4), 0), 0);
    editor.output(ops.exp(view));
    assertRefused(ops.sub(p, g), "Exp", "may read 'p' after");
  }

  @Test
  void refusesALateReadBySubgraph() {
    GraphEditor body = editor.subgraph("body");
    Value row = body.freshInput("row", TensorType.of(ElementType.FLOAT32, 2));
    body.output(new Ops(body).add(row, p));
    Attributes attributes =
        Attributes.of("body", Attribute.of(body.freeze())).with("num_scan_inputs", 1);
    editor.output(
        editor.add(OpId.onnx("Scan"), "Scan", attributes, List.of(Optional.of(g)), 1).get(0));
    assertRefused(ops.sub(p, g), "Scan", "may read 'p' after");
  }

  @Test
  void refusesAViewAmongTheOutputs() {
    editor.output(ops.reshape(p, 4));
    assertRefused(ops.sub(p, g), "is a view of 'p'");
  }

  @Test
  void refusesAnUpdateThatReadsOtherElementsThanItWrites() {
    assertRefused(ops.matMul(p, g), "MatMul", "not known to do so element by element");
  }

  @Test
  void acceptsAnUpdateFromACopyInAnotherOrder() {
    Value turned = ops.transpose(p, 1, 0);
    assertAccepted(ops.sub(p, turned));
  }

  @Test
  void refusesTwoUpdatesOfOneTensor() {
    Value next = ops.sub(p, g);
    Value other = ops.add(p, next);
    editor.output(next);
    editor.output(other);
    Graph graph = editor.freeze();
    List<StateBinding> bindings =
        List.of(new StateBinding("p", next.name()), new StateBinding("p", other.name()));
    assertThatThrownBy(() -> AliasingVerifier.verify(graph, bindings))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("binds a value that another binding has");
  }

  @Test
  void acceptsTheInPlaceKernelOnlyAsItIsDeclared() {
    Value first = editor.input("m", MATRIX);
    Value second = editor.input("v", MATRIX);
    Value settings = editor.input("settings", TensorType.of(ElementType.FLOAT32, 8));
    List<Value> next =
        editor.add(
            OpId.kernel("AdamW"),
            "AdamW",
            Attributes.NONE,
            List.of(
                Optional.of(p),
                Optional.of(first),
                Optional.of(second),
                Optional.of(g),
                Optional.of(settings)),
            3);
    next.forEach(editor::output);
    Graph graph = editor.freeze();
    assertThatCode(() -> AliasingVerifier.verify(graph, bound(next, "p", "m", "v")))
        .doesNotThrowAnyException();
    assertThatThrownBy(() -> AliasingVerifier.verify(graph, bound(next, "m", "p", "v")))
        .isInstanceOf(IrException.class)
        .hasMessageContaining("not known to do so element by element");
  }

  private static List<StateBinding> bound(List<Value> outputs, String... inputs) {
    return List.of(
        new StateBinding(inputs[0], outputs.get(0).name()),
        new StateBinding(inputs[1], outputs.get(1).name()),
        new StateBinding(inputs[2], outputs.get(2).name()));
  }

  private void assertAccepted(Value next) {
    editor.output(next);
    Graph graph = editor.freeze();
    assertThatCode(
            () -> AliasingVerifier.verify(graph, List.of(new StateBinding("p", next.name()))))
        .doesNotThrowAnyException();
  }

  private void assertRefused(Value next, String... parts) {
    editor.output(next);
    Graph graph = editor.freeze();
    assertThatThrownBy(
            () -> AliasingVerifier.verify(graph, List.of(new StateBinding("p", next.name()))))
        .isInstanceOf(IrException.class)
        .hasMessageContainingAll(parts);
  }
}
