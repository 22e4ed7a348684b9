package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class VerifierTest {

  private static final OpId OP = new OpId("test", "Op", 1);
  private static final TensorType TYPE = TensorType.of(ElementType.FLOAT32, 2);

  @Test
  void reportsAllProblemsTogether() {
    GraphEditor editor = new GraphEditor("g");
    Value stranger = new Value("stranger", TYPE);
    Value same = new Value("same", TYPE);
    editor.addNode(Node.of(OP, "reader", Attributes.NONE, List.of(stranger), List.of(same)));
    editor.addNode(
        Node.of(OP, "namesake", Attributes.NONE, List.of(), List.of(new Value("same", TYPE))));
    editor.output(new Value("lost", TYPE));

    assertThatThrownBy(editor::freeze)
        .isInstanceOf(IrException.class)
        .hasMessage(
            "graph 'g' (2 nodes, 0 parameters) is not well formed: "
                + "node 'reader' (test.Op) reads %stranger: f32[2], which nothing before it defines; "
                + "two values are called 'same', the second from node 'namesake' (test.Op); "
                + "output %lost: f32[2] of graph 'g' (2 nodes, 0 parameters) is not defined");
  }

  @Test
  void refusesAValueWithTwoProducers() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);
    editor.addNode(Node.of(OP, "n", Attributes.NONE, List.of(), List.of(x)));

    assertThatThrownBy(editor::freeze)
        .hasMessageContaining("%x: f32[2] is defined twice, the second time by node 'n'");
  }

  @Test
  void countsWhatItDoesNotList() {
    GraphEditor editor = new GraphEditor("g");
    for (int i = 0; i < 13; i++) {
      editor.output(new Value("v" + i, TYPE));
    }

    assertThatThrownBy(editor::freeze).hasMessageEndingWith("; and 3 more");
  }

  @Test
  void aSubgraphMayReadWhatIsBeforeItsNodeOnly() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TYPE);
    GraphEditor body = editor.subgraph("body");
    Value inner = new Value(body.freshName("inner"), TYPE);
    body.addNode(Node.of(OP, "inner", Attributes.NONE, List.of(x), List.of(inner)));
    body.output(inner);
    Value y = new Value("y", TYPE);
    editor.addNode(
        Node.of(
            OP, "y", Attributes.of("body", Attribute.of(body.freeze())), List.of(), List.of(y)));
    editor.output(inner);

    assertThatThrownBy(editor::freeze).hasMessageContaining("output %inner: f32[2]");
    assertThat(x.name()).isEqualTo("x");
  }
}
