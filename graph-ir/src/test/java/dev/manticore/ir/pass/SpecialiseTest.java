package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Graph;
import dev.manticore.ir.text.GoldenHir;
import dev.manticore.ir.text.HirParser;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SpecialiseTest {

  @Test
  void bindsSymbolsAndInfersAllTypesAgain() {
    Graph after = PassHarness.check(Specialise.of(Map.of("batch", 8L, "length", 3L)), "specialise");

    Graph before = GoldenHir.read("specialise.before.hir");
    assertThat(after.parameters()).hasSameSizeAs(before.parameters());
  }

  @Test
  void keepsTheParametersThemselves() {
    Graph before = GoldenHir.read("specialise.before.hir");

    Graph after = Specialise.of(Map.of("batch", 8L)).run(before);

    assertThat(after.parameters()).isEqualTo(before.parameters());
  }

  @Test
  void ignoresSymbolsThatTheGraphDoesNotHave() {
    Graph graph =
        HirParser.parse("hir 1 graph \"g\" { input %x: f32[n] %y: f32[n] = Neg(%x) output %y }");

    assertThat(Specialise.of(Map.of("batch", 8L)).run(graph)).isSameAs(graph);
  }

  @Test
  void namesTheNodeThatTheBoundShapesDoNotFit() {
    Graph graph =
        HirParser.parse(
            """
            hir 1
            graph "g" {
              input %x: f32[n,2]
              parameter %w: f32[3,1] = {1, 2, 3}
              %t: f32[2,n] = Transpose(%x)
              %y: f32[2,1] = MatMul(%t, %w) "product"
              output %y
            }
            """);

    assertThatThrownBy(() -> PassPipeline.of(Specialise.of(Map.of("n", 4L))).run(graph))
        .hasMessageContaining("pass 'specialise' failed: node 'product' (MatMul) does not accept");
  }
}
