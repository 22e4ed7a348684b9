package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class GraphEditorTest {

  private static final OpId OP = new OpId("test", "Op", 1);
  private static final TensorType TYPE = TensorType.of(ElementType.FLOAT32, 2);

  @Test
  void givesFreshNamesInsideScopes() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);

    Value first = editor.add(OP, x);
    Value second = editor.add(OP, x);
    editor.enter("blocks.0").enter("attention");
    Value inner = editor.add(OP, x);
    editor.leave().leave();

    assertThat(first.name()).isEqualTo("Op");
    assertThat(second.name()).isEqualTo("Op_1");
    assertThat(inner.name()).isEqualTo("blocks.0/attention/Op");
    assertThat(editor.freshName("")).isEqualTo("value");
  }

  @Test
  void refusesATakenName() {
    GraphEditor editor = new GraphEditor("g");
    editor.input("x", TYPE);

    assertThatThrownBy(() -> editor.parameter("x", Tensor.scalar(1f)))
        .isInstanceOf(IrException.class)
        .hasMessage("graph 'g' has two values called 'x'");
  }

  @Test
  void namesInsideSubgraphsStayTakenWhenAGraphIsEdited() {
    Graph graph = withSubgraph();

    assertThat(graph.edit().freshName("inner")).isEqualTo("inner_1");
    assertThat(graph.edit().freshName("bodyInput")).isEqualTo("bodyInput_1");
  }

  @Test
  void replacesUsesInNodesSubgraphsAndOutputs() {
    Graph graph = withSubgraph();
    GraphEditor editor = graph.edit();
    Value x = graph.input("x");
    Value z = editor.input("z", TYPE);

    editor.replaceUses(x, z);
    Graph changed = editor.freeze();

    Node node = changed.nodes().get(0);
    assertThat(node.input(0)).isSameAs(z);
    assertThat(node.attributes().graph("body").captures()).containsExactly(z);
    assertThat(changed.outputs()).contains(z).doesNotContain(x);
    assertThat(graph.nodes().get(0).input(0)).isSameAs(x);
  }

  @Test
  void removesANodeThatWasRewiredSince() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);
    Value z = editor.input("z", TYPE);
    Value y = editor.add(OP, x);
    Node node = editor.producer(y).orElseThrow();
    editor.replaceUses(x, z);

    editor.removeNode(node);

    assertThat(editor.nodes()).isEmpty();
    assertThat(editor.producer(y)).isEmpty();
    assertThatThrownBy(() -> editor.removeNode(node))
        .isInstanceOf(IrException.class)
        .hasMessage("graph 'g' has no node 'Op' (test.Op) to remove");
  }

  @Test
  void keepsOnlyWhatOutputsDependOn() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);
    Value used = editor.add(OP, x);
    editor.add(OP, used);
    Value captured = editor.add(OP, x);
    editor.output(addWithSubgraph(editor, used, captured));

    Graph graph = editor.freezeLive();

    assertThat(graph.nodes()).extracting(Node::name).containsExactly("Op", "Op_2", "If");
    assertThat(graph.inputs()).containsExactly(x);
  }

  @Test
  void isOfNoUseAfterFreeze() {
    GraphEditor editor = new GraphEditor("g");
    editor.freeze();

    assertThatThrownBy(editor::freeze).hasMessageContaining("after freeze");
  }

  @Test
  void recordsTheNewestVersionOfEachDomain() {
    GraphEditor editor = new GraphEditor("g");
    editor.opset("", 13);
    Value x = editor.input("x", TYPE);
    editor.output(editor.add(new OpId("test", "New", 3), editor.add(OP, x)));

    assertThat(editor.freeze().opsets()).containsEntry("", 13).containsEntry("test", 3);
  }

  @Test
  void aParameterBecomesAnInputUnderTheSameValue() {
    GraphEditor editor = new GraphEditor("g");
    Value w = editor.parameter("w", Tensor.scalar(1f));
    editor.output(w);

    editor.parameterToInput(w);
    Graph graph = editor.freeze();

    assertThat(graph.inputs()).containsExactly(w);
    assertThat(graph.parameters()).isEmpty();
  }

  private static Graph withSubgraph() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);
    editor.output(addWithSubgraph(editor, x, x));
    editor.output(x);
    return editor.freeze();
  }

  private static Value addWithSubgraph(GraphEditor editor, Value operand, Value captured) {
    GraphEditor body = editor.subgraph("body");
    Value bodyInput = body.input("bodyInput", TYPE);
    Value inner = new Value(body.freshName("inner"), TYPE);
    body.addNode(
        Node.of(OP, "inner", Attributes.NONE, List.of(bodyInput, captured), List.of(inner)));
    body.output(inner);
    return editor
        .add(
            new OpId("test", "If", 1),
            "If",
            Attributes.of("body", Attribute.of(body.freeze())),
            ImmutableList.of(Optional.of(operand)),
            1)
        .get(0);
  }
}
