package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.ir.text.RandomGraphs;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PassesOnRandomGraphsTest {

  @ParameterizedTest
  @ValueSource(longs = {0, 1, 2, 3})
  void keepTheInterfaceAndFindNothingMoreTheSecondTime(long part) {
    for (long seed = 100 * part; seed < 100 * (part + 1); seed++) {
      Graph graph = RandomGraphs.graph(seed);
      for (Pass pass : passes()) {
        Graph after = PassPipeline.of(pass).run(graph);
        String place = pass.name() + ", seed " + seed;
        assertThat(names(after)).as(place).isEqualTo(names(graph));
        assertThat(after.parameters().keySet()).as(place).isEqualTo(graph.parameters().keySet());
        assertThat(after.functions()).as(place).isEqualTo(graph.functions());
        assertThat(after.metadata()).as(place).isEqualTo(graph.metadata());
        assertThat(pass.run(after)).as(place).isSameAs(after);
      }
    }
  }

  private static Pass[] passes() {
    return new Pass[] {
      new FoldConstants(),
      new CommonSubexpressions(),
      Specialise.of(Map.of("batch", 3L)),
      InlineBodies.all()
    };
  }

  private static String names(Graph graph) {
    return graph.inputs().stream().map(Value::name).toList()
        + " -> "
        + graph.outputs().stream().map(Value::name).toList();
  }
}
