package dev.manticore.ir.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import org.junit.jupiter.api.Test;

class HirRoundTripTest {

  @Test
  void parsingAndPrintingGivesTheSameText() {
    for (long seed = 0; seed < 500; seed++) {
      Graph graph = RandomGraphs.graph(seed);
      for (HirPrinter.Tensors tensors : HirPrinter.Tensors.values()) {
        String text = HirPrinter.print(graph, tensors);
        assertThat(HirPrinter.print(HirParser.parse(text), tensors))
            .as("seed %s, %s", seed, tensors)
            .isEqualTo(text);
      }
    }
  }

  @Test
  void parsingGivesTheSameTypesNamesAndOrigins() {
    for (long seed = 0; seed < 200; seed++) {
      Graph graph = RandomGraphs.graph(seed);
      Graph parsed = HirParser.parse(HirPrinter.print(graph));

      assertThat(parsed.name()).isEqualTo(graph.name());
      assertThat(parsed.opsets()).isEqualTo(graph.opsets());
      assertThat(parsed.metadata()).isEqualTo(graph.metadata());
      assertThat(parsed.nodes()).hasSameSizeAs(graph.nodes());
      for (int i = 0; i < graph.nodes().size(); i++) {
        Node before = graph.nodes().get(i);
        Node after = parsed.nodes().get(i);
        assertThat(after.op()).isEqualTo(before.op());
        assertThat(after.name()).isEqualTo(before.name());
        assertThat(after.origin()).isEqualTo(before.origin());
        assertThat(after.presentOutputs())
            .extracting(Value::valueType)
            .isEqualTo(before.presentOutputs().stream().map(Value::valueType).toList());
        assertThat(after.annotations()).isEqualTo(before.annotations());
      }
    }
  }
}
