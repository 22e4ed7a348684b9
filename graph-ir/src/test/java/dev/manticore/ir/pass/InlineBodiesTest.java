package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.OpId;
import dev.manticore.ir.text.GoldenHir;
import dev.manticore.ir.text.HirParser;
import java.util.Map;
import org.junit.jupiter.api.Test;

class InlineBodiesTest {

  @Test
  void replacesChosenNodesByTheirBodies() {
    Graph after = PassHarness.check(InlineBodies.of(OpId.manticore("Silu")), "inline");

    PassHarness.assertSameResults(GoldenHir.read("inline.before.hir"), after);
  }

  @Test
  void replacesAllNodesThatHaveABody() {
    Graph before = GoldenHir.read("inline.before.hir");

    Graph after = PassPipeline.of(InlineBodies.all()).run(before);

    assertThat(GraphProperty.STANDARD_OPERATORS.holds(after)).isTrue();
    PassHarness.assertSameResults(before, after);
  }

  @Test
  void bodiesWithSubgraphsAreTypedByTheirOperands() {
    Graph before =
        HirParser.parse(
            """
            hir 1
            graph "scan" {
              input %x: f32[batch,5,2]
              input %delta: f32[batch,5,2]
              input %A: f32[2,4]
              input %B: f32[batch,5,4]
              input %C: f32[batch,5,4]
              %first: f32[batch,5,2] = dev.manticore.SelectiveScan(%x, %delta, %A, %B, %C)
              %y: f32[batch,5,2] = dev.manticore.SelectiveScan(%first, %delta, %A, %B, %C)
              output %y
            }
            """);

    Graph after =
        PassPipeline.of(InlineBodies.all(), Specialise.of(Map.of("batch", 3L))).run(before);

    assertThat(GraphProperty.STATIC_SHAPES.holds(after)).isTrue();
    PassHarness.assertSameResults(before, after);
  }

  @Test
  void leavesAGraphWithoutThem() {
    Graph graph = GoldenHir.read("common.before.hir");

    assertThat(InlineBodies.all().run(graph)).isSameAs(graph);
  }
}
