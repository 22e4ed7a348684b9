package dev.manticore.ir;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.text.HirParser;
import org.junit.jupiter.api.Test;

/** Shape arithmetic as exporters write it, followed up to symbolic dimensions. */
class ExtentTrackingTest {

  @Test
  void followsShapesTakenApartAndPutTogether() {
    assertTypes(
        """
        %shape: i64[3] = Shape(%x)
        %zero: i64[] = Constant() {value = i64[]{0}}
        %one: i64[] = Constant() {value = i64[]{1}}
        %b: i64[] = Gather(%shape, %zero)
        %l: i64[] = Gather(%shape, %one)
        %axes: i64[1] = Constant() {value = i64[1]{0}}
        %b1: i64[1] = Unsqueeze(%b, %axes)
        %l1: i64[1] = Unsqueeze(%l, %axes)
        %four: i64[1] = Constant() {value = i64[1]{4}}
        %minus: i64[1] = Constant() {value = i64[1]{-1}}
        %target: i64[4] = Concat(%b1, %l1, %four, %minus) {axis = 0}
        %y: f32[batch,length,4,8] = Reshape(%x, %target)
        %r: i64[length] = Range(%zero, %l, %one)
        """);
  }

  @Test
  void followsWhatFlattensAndUnflattens() {
    assertTypes(
        """
        %shape: i64[3] = Shape(%x)
        %zero: i64[1] = Constant() {value = i64[1]{0}}
        %two: i64[1] = Constant() {value = i64[1]{2}}
        %flat: i64[2] = Constant() {value = i64[2]{-1, 32}}
        %f: f32["batch*length",32] = Reshape(%x, %flat)
        %lead: i64[2] = Slice(%shape, %zero, %two)
        %eight: i64[1] = Constant() {value = i64[1]{8}}
        %minus: i64[1] = Constant() {value = i64[1]{-1}}
        %target: i64[4] = Concat(%lead, %minus, %eight) {axis = 0}
        %y: f32[batch,length,4,8] = Reshape(%f, %target)
        """);
  }

  @Test
  void chooses1WhereTheExpandOfAnExporterSaysMinus1() {
    assertTypes(
        """
        %shape: i64[3] = Shape(%x)
        %zero: i64[1] = Constant() {value = i64[1]{0}}
        %one: i64[1] = Constant() {value = i64[1]{1}}
        %b: i64[1] = Slice(%shape, %zero, %one)
        %open: i64[2] = Constant() {value = i64[2]{-1, -1}}
        %given: i64[3] = Concat(%b, %open) {axis = 0}
        %count: i64[1] = Shape(%given)
        %ones: i64[3] = ConstantOfShape(%count) {value = i64[1]{1}}
        %m: i64[] = Constant() {value = i64[]{-1}}
        %minus: i64[3] = Mul(%ones, %m)
        %same: bool[3] = Equal(%given, %minus)
        %target: i64[3] = Where(%same, %ones, %given)
        %table: f32[1,7,3] = Constant() {value = f32[1,7,3]<elided>}
        %y: f32[batch,7,3] = Expand(%table, %target)
        """);
  }

  @Test
  void comparesBoundsOfSlicesWithWhatIsThere() {
    assertTypes(
        """
        %shape: i64[3] = Shape(%x)
        %zero: i64[1] = Constant() {value = i64[1]{0}}
        %one: i64[1] = Constant() {value = i64[1]{1}}
        %two: i64[1] = Constant() {value = i64[1]{2}}
        %l: i64[1] = Slice(%shape, %one, %two)
        %longer: i64[1] = Add(%l, %one)
        %zeros: f32["length + 1"] = ConstantOfShape(%longer)
        %cut: f32[length] = Slice(%zeros, %zero, %l)
        %whole: f32[batch,length,32] = Slice(%x, %zero, %longer, %one)
        %buffer: f32[64] = Constant() {value = f32[64]<elided>}
        %perhaps: f32[?] = Slice(%buffer, %zero, %l)
        """);
  }

  /** That each node's inferred type is the one written, which the parser checks. */
  private static void assertTypes(String nodes) {
    String text =
        "hir 1\ngraph \"g\" {\n  input %x: f32[batch,length,32]\n"
            + nodes.indent(2)
            + "  output %x\n}\n";
    Graph parsed = HirParser.parse(text);
    GraphEditor editor = new GraphEditor("inferred");
    parsed.inputs().forEach(editor::addInput);
    for (Node node : parsed.nodes()) {
      assertThat(editor.infer(node.op(), node.name(), node.attributes(), node.inputs(), 1).get(0))
          .as(node.output().name())
          .isEqualTo(node.output().type());
      editor.addNode(node);
    }
  }
}
