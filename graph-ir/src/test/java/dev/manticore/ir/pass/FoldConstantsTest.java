package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.text.HirParser;
import org.junit.jupiter.api.Test;

class FoldConstantsTest {

  @Test
  void evaluatesWhatDependsOnConstantsAndShapesAlone() {
    PassHarness.check(new FoldConstants(), "fold");
  }

  @Test
  void leavesWhatIsTooLarge() {
    GraphEditor editor = new GraphEditor("g");
    Value shape = editor.constant(Tensor.vector(FoldConstants.LARGEST + 1));
    editor.output(editor.add(OpId.onnx("Expand"), editor.constant(Tensor.scalar(1f)), shape));
    Graph graph = editor.freeze();

    assertThat(new FoldConstants().run(graph)).isSameAs(graph);
  }

  @Test
  void leavesWhatCannotBeRead() {
    Graph graph =
        HirParser.parse(
            """
            hir 1
            graph "g" {
              %c: f32[2] = Constant() {value = f32[2]<elided>}
              %y: f32[2] = Neg(%c)
              output %y
            }
            """);

    assertThat(new FoldConstants().run(graph)).isSameAs(graph);
  }
}
