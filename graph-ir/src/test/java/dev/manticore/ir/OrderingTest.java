package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import com.google.common.collect.Lists;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OrderingTest {

  private static final OpId OP = new OpId("test", "Op", 1);
  private static final TensorType TYPE = TensorType.of(ElementType.FLOAT32, 2);

  @Test
  void keepsTheOrderOfNodesThatDoNotNeedAnother() {
    List<Value> values = values(4);
    GraphEditor editor = new GraphEditor("g");
    editor.addNode(node(values.get(3), values.get(0)));
    editor.addNode(node(values.get(2)));
    editor.addNode(node(values.get(1)));
    editor.addNode(node(values.get(0), values.get(1)));

    assertThat(editor.freeze().nodes())
        .extracting(Node::name)
        .containsExactly("v1", "v0", "v3", "v2");
  }

  @Test
  void namesANodeOfACycle() {
    List<Value> values = values(2);
    GraphEditor editor = new GraphEditor("g");
    editor.addNode(node(values.get(0), values.get(1)));
    editor.addNode(node(values.get(1), values.get(0)));

    assertThatThrownBy(editor::freeze)
        .isInstanceOf(IrException.class)
        .hasMessage("the graph has a cycle through node 'v0' (test.Op)");
  }

  @Test
  void aNodeThatReadsItsOwnOutputIsACycle() {
    Value value = values(1).get(0);
    GraphEditor editor = new GraphEditor("g");
    editor.addNode(node(value, value));

    assertThatThrownBy(editor::freeze).hasMessageContaining("cycle through node 'v0'");
  }

  @Test
  void sortsAChainOfAHundredThousandNodesAddedBackwards() {
    List<Value> values = values(100_000);
    List<Node> chain = new ArrayList<>();
    chain.add(node(values.get(0)));
    for (int i = 1; i < values.size(); i++) {
      chain.add(node(values.get(i), values.get(i - 1)));
    }
    GraphEditor editor = new GraphEditor("g");
    Lists.reverse(chain).forEach(editor::addNode);
    editor.output(Lists.reverse(values).get(0));

    Graph graph = assertTimeout(Duration.ofSeconds(20), editor::freezeLive);

    assertThat(graph.nodes()).isEqualTo(chain);
  }

  private static List<Value> values(int count) {
    List<Value> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      values.add(new Value("v" + i, TYPE));
    }
    return values;
  }

  private static Node node(Value output, Value... inputs) {
    return Node.of(OP, output.name(), Attributes.NONE, List.of(inputs), List.of(output));
  }
}
