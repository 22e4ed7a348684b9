package dev.manticore.ir.lift;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.text.HirParser;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LiftTest {

  private static Graph graph(int opset, String body) {
    return HirParser.parse("hir 1\ngraph \"g\" {\n  opset \"\" " + opset + "\n" + body + "}\n");
  }

  private static List<String> operators(Graph graph) {
    return graph.nodes().stream().map(Node::op).map(OpId::toString).toList();
  }

  private static Graph lifted(Graph graph) {
    return PassPipeline.of(new Lift()).run(graph);
  }

  private static double[] run(Graph graph, String input, Tensor value) {
    return new Interpreter()
        .run(graph, Map.of(input, NdArray.of(value)))
        .get(graph.outputs().get(0).name())
        .data();
  }

  @Test
  void leavesALiftedGraph() {
    Graph graph = graph(23, "  input %x: f32[2]\n  %y: f32[2] = Relu(%x)\n  output %y\n");

    assertThat(new Lift().run(graph)).isSameAs(graph);
  }

  @Test
  void attributesThatBecameOperandsAreConstants() {
    Graph graph =
        graph(
            11,
            """
              input %x: f32[2,3]
              %row: f32[1,2,3] = Unsqueeze(%x) {axes = [0]}
              %y: f32[1,3] = ReduceSum(%row) {axes = [1], keepdims = 0}
              output %y
            """);

    Graph lifted = lifted(graph);

    assertThat(operators(lifted))
        .containsExactlyInAnyOrder("Constant", "Unsqueeze", "Constant", "ReduceSum");
    assertThat(lifted.opsets()).containsEntry(OpId.ONNX, OpId.OPSET);
    assertThat(lifted.outputs()).isEqualTo(graph.outputs());
    Tensor x = Tensor.ofFloats(graph.input("x").shape(), 1, 2, 3, 4, 5, 6);
    assertThat(run(lifted, "x", x)).containsExactly(5, 7, 9).isEqualTo(run(graph, "x", x));
  }

  @Test
  void softmaxOverAllLaterAxesIsOneOverRows() {
    Graph graph =
        graph(
            9,
            """
              input %x: f32[2,1,2]
              %y: f32[2,1,2] = Softmax(%x) {axis = 0}
              output %y
            """);

    Graph lifted = lifted(graph);

    double[] values = run(lifted, "x", Tensor.ofFloats(graph.input("x").shape(), 1, 1, 1, 1));
    assertThat(values).containsExactly(0.25, 0.25, 0.25, 0.25);
    assertThat(operators(lifted)).contains("Flatten", "Softmax", "Reshape");
  }

  @Test
  void subgraphsAreLiftedToo() {
    Graph graph =
        graph(
            11,
            """
              input %c: bool[]
              input %x: f32[2,3]
              %y: f32[1,2,3] = If(%c) {
                then_branch = graph "yes" {
                  %a: f32[1,2,3] = Unsqueeze(%x) {axes = [0]}
                  output %a
                },
                else_branch = graph "no" {
                  %n: f32[2,3] = Neg(%x)
                  %b: f32[1,2,3] = Unsqueeze(%n) {axes = [0]}
                  output %b
                }
              }
              output %y
            """);

    Graph lifted = lifted(graph);

    assertThat(GraphProperty.LIFTED.holds(lifted)).isTrue();
    Map<String, NdArray> inputs =
        Map.of(
            "c",
                NdArray.of(
                    Tensor.ofDoubles(graph.input("c").elementType(), graph.input("c").shape(), 0)),
            "x", NdArray.of(Tensor.ofFloats(graph.input("x").shape(), 1, 2, 3, 4, 5, 6)));
    assertThat(new Interpreter().run(lifted, inputs).get("y").data())
        .containsExactly(-1, -2, -3, -4, -5, -6);
  }

  @Test
  void oneNodeThatCannotBeLiftedLeavesTheWholeGraph() {
    Graph graph =
        graph(
            6,
            """
              input %x: f32[2,3]
              %s: f32[1,2,3] = Unsqueeze(%x) {axes = [0]}
              %y: f32[1,2,3] = Dropout(%s)
              output %y
            """);

    Lift.Result result = Lift.attempt(graph);

    assertThat(result.graph()).isSameAs(graph);
    assertThat(result.obstacle().orElseThrow()).contains("Dropout", "opset 6 to 23", "is_test");
    assertThatThrownBy(() -> new Lift().run(graph))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-LIFT"));
  }

  @Test
  void anOperatorThatTheOpsetDoesNotHaveIsAnObstacle() {
    Graph graph = graph(9, "  input %x: f32[2]\n  %y: f32[2] = ImageScaler(%x)\n  output %y\n");

    assertThat(Lift.attempt(graph).obstacle().orElseThrow()).contains("ImageScaler", "no operator");
  }

  @Test
  void aLaterOpsetIsAnObstacle() {
    Graph graph = graph(24, "  input %x: f32[2]\n  %y: f32[2] = Relu(%x)\n  output %y\n");

    assertThat(Lift.attempt(graph).obstacle().orElseThrow()).contains("Relu", "opset 24");
  }

  @Test
  void otherDomainsAreLeftAsTheyAre() {
    Graph graph =
        graph(
            11,
            """
              opset "org.example" 3
              input %x: f32[2]
              %y: f32[2] = org.example.Squeeze(%x) {axes = [0]}
              output %y
            """);

    Graph lifted = lifted(graph);

    assertThat(lifted.nodes().get(0).attributes().has("axes")).isTrue();
    assertThat(lifted.nodes().get(0).op().version()).isEqualTo(3);
    assertThat(lifted.opsets()).containsEntry("org.example", 3).containsEntry(OpId.ONNX, 23);
  }

  @Test
  void operandsLaidAlongAnAxisAreAlignedWithTheLast() {
    Graph graph =
        graph(
            6,
            """
              input %x: f32[2,3]
              input %b: f32[2]
              %y: f32[2,3] = Add(%x, %b) {axis = 0, broadcast = 1}
              output %y
            """);

    Graph lifted = lifted(graph);

    Map<String, NdArray> inputs =
        Map.of(
            "x", NdArray.of(Tensor.ofFloats(graph.input("x").shape(), 1, 2, 3, 4, 5, 6)),
            "b", NdArray.of(Tensor.ofFloats(graph.input("b").shape(), 10, 20)));
    assertThat(new Interpreter().run(lifted, inputs).get("y").data())
        .containsExactly(11, 12, 13, 24, 25, 26);
  }
}
