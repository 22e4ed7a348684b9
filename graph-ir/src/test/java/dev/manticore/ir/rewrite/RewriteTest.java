package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.constant;
import static dev.manticore.ir.rewrite.Pattern.op;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Test;

class RewriteTest {

  private static Rewrite rewrite(Rule... rules) {
    return new Rewrite("test", ImmutableSet.of(), ImmutableList.copyOf(rules));
  }

  private static List<String> operators(Graph graph) {
    return graph.nodes().stream().map(node -> node.op().name()).toList();
  }

  @Test
  void givesBackTheGraphWhereNothingMatches() {
    Sketch g = new Sketch();
    Graph graph = g.finish(g.op("Abs", g.x));

    assertThat(rewrite(twoNegations()).run(graph)).isSameAs(graph);
  }

  @Test
  void goesOnFromWhatAReplacementLeaves() {
    Sketch g = new Sketch();
    Value value = g.x;
    for (int i = 0; i < 6; i++) {
      value = g.ops.neg(value);
    }
    Graph graph = g.finish(value);

    assertThat(operators(rewrite(twoNegations()).run(graph))).containsExactly("Elu");
  }

  @Test
  void aNameUsedTwiceStandsForOneValue() {
    Rule doubled =
        Rule.named("doubled")
            .matching(op("Add", any("x"), any("x")))
            .replacedBy((match, ops) -> ops.mul(match.value("x"), 2));
    Sketch g = new Sketch();
    Graph graph = g.finish(g.ops.add(g.x, g.x), g.ops.add(g.x, g.y));

    assertThat(operators(rewrite(doubled).run(graph)))
        .containsExactlyInAnyOrder("Constant", "Mul", "Elu", "Add", "Elu");
  }

  @Test
  void operandsOfSumsAndProductsMatchInEitherOrder() {
    Rule rule =
        Rule.named("rule")
            .matching(op("Mul", op("Add", constant(1), any("a")), op("Neg", any("b"))))
            .replacedBy((match, ops) -> ops.sub(match.value("a"), match.value("b")));
    Sketch g = new Sketch();
    Graph graph = g.finish(g.ops.mul(g.ops.neg(g.y), g.ops.add(g.x, 1)));

    Graph after = rewrite(rule).run(graph);

    assertThat(operators(after)).containsExactly("Sub", "Elu");
    assertThat(after.nodes().get(0).presentInputs()).containsExactly(g.x, g.y);
  }

  @Test
  void severalOutputsAreReplacedTogether() {
    Rule rule =
        Rule.named("split")
            .matching(op("Split", any("x"), any("sizes")).as("split"))
            .replacedByAll(
                (match, ops) ->
                    List.of(
                        ops.slice(match.value("x"), 2, 0, 3),
                        ops.slice(match.value("x"), 2, 3, 8)));
    Sketch g = new Sketch();
    Graph graph = g.finish(g.ops.split(g.x, 2, 3, 5).toArray(Value[]::new));

    Graph after = rewrite(rule).run(graph);

    assertThat(operators(after)).doesNotContain("Split").contains("Slice");
    Results.assertSame(graph, after);
  }

  @Test
  void severalRootsThatShareAValueAreReplacedTogether() {
    Rule rule =
        Rule.named("cosine-and-sine")
            .matching(op("Cos", any("x")))
            .matching(op("Sin", any("x")))
            .replacedByAll(
                (match, ops) ->
                    List.of(
                        ops.onnx("Sin", ops.sub(Math.PI / 2, match.value("x"))),
                        ops.neg(ops.onnx("Sin", ops.neg(match.value("x"))))));
    Sketch g = new Sketch();
    Graph graph = g.finish(g.op("Sin", g.x), g.op("Cos", g.x), g.op("Cos", g.y));

    Graph after = rewrite(rule).run(graph);

    assertThat(operators(after)).filteredOn(name -> name.equals("Cos")).hasSize(1);
    Results.assertSame(graph, after);
  }

  @Test
  void anOutputOfTheGraphKeepsItsName() {
    Sketch g = new Sketch();
    Value abs = g.op("Abs", g.x);
    Value output = g.ops.neg(g.ops.neg(abs));
    g.editor.output(output);
    g.editor.output(g.ops.neg(g.ops.neg(g.y)));
    Graph graph = g.editor.freeze();

    Graph after = rewrite(twoNegations()).run(graph);

    assertThat(after.outputs().stream().map(Value::name))
        .containsExactlyElementsOf(graph.outputs().stream().map(Value::name).toList());
    // What is an input itself needs a node for its other name.
    assertThat(operators(after)).containsExactlyInAnyOrder("Abs", "Identity");
    Results.assertSame(graph, after);
  }

  @Test
  void equalNodesBecomeOne() {
    Sketch g = new Sketch();
    Graph graph =
        g.finish(g.ops.add(g.op("Abs", g.x), g.op("Abs", g.x)), g.ops.neg(g.ops.neg(g.y)));

    assertThat(operators(rewrite(twoNegations()).run(graph)))
        .containsExactlyInAnyOrder("Abs", "Add", "Elu", "Elu");
  }

  @Test
  void typesFollowWhatIsKnownAfterwards() {
    Sketch g = new Sketch();
    Value unknown = g.op("Slice", g.op("Shape", g.x), g.op("Abs", g.ints(0)), g.ints(2));
    Graph graph = g.finish(g.op("Reshape", g.x, g.ops.concat(0, unknown, g.ints(-1))));

    Graph after = new Canonicalise().run(graph);

    assertThat(after.outputs().get(0).type()).isEqualTo(Sketch.type("batch", "length", 8));
  }

  @Test
  void rulesThatUndoEachOtherAreAnError() {
    Rule forth =
        Rule.named("forth")
            .matching(op("Cos", any("x")))
            .replacedBy((match, ops) -> ops.onnx("Sin", match.value("x")));
    Rule back =
        Rule.named("back")
            .matching(op("Sin", any("x")))
            .replacedBy((match, ops) -> ops.onnx("Cos", match.value("x")));
    Sketch g = new Sketch();
    Graph graph = g.finish(g.op("Cos", g.x));

    assertThatThrownBy(() -> rewrite(forth, back).run(graph))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("'test' do not come to an end")
        .hasMessageContaining("forth=");
  }

  @Test
  void saysWhereARuleCameFarthestAndWhyItDidNotMatch() {
    Sketch g = new Sketch();
    Value centred = g.ops.sub(g.x, g.mean(g.x));
    Value variance = g.mean(g.op("Pow", centred, g.c(3)));
    Value norm = g.ops.mul(g.ops.div(centred, g.ops.sqrt(g.ops.add(variance, 1e-5))), g.vector);
    Graph graph = g.finish(norm, g.ops.mul(g.x, g.y));
    Explanation explanation = Explanation.of("layer-norm");

    new Canonicalise().run(graph, explanation);

    assertThat(explanation.fired()).doesNotContainKey("layer-norm");
    assertThat(explanation.misses()).hasSize(2);
    Explanation.Miss nearest = explanation.misses().get(0);
    assertThat(nearest.node().output().name()).isEqualTo(norm.name());
    assertThat(nearest.reason()).contains("is 3.0, not the constant 2.0");
    assertThat(explanation.misses().get(1).matched()).isLessThan(nearest.matched());
  }

  @Test
  void saysWhichConditionDoesNotHold() {
    Sketch g = new Sketch();
    Graph graph = g.finish(g.ops.add(g.op("LayerNormalization", g.x, g.vector), g.y));
    Explanation explanation = Explanation.of("layer-norm-bias");

    new Canonicalise().run(graph, explanation);

    assertThat(explanation.misses().get(0).reason())
        .contains("not so that the bias is a vector of the last axis");
  }

  /** Four times the nodes take far less than sixteen times as long. */
  @Test
  void costGrowsWithTheNodes() {
    processorTime(deep(200));
    long few = processorTime(deep(250));
    Graph large = deep(1000);

    assertThat(large.nodes()).hasSizeGreaterThan(20_000);
    assertThat(processorTime(large)).isLessThan(8 * few);
  }

  /** Of this thread alone, whatever else the machine does. */
  private static long processorTime(Graph graph) {
    long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    assertThat(new Canonicalise().run(graph).nodes()).hasSizeLessThan(graph.nodes().size());
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start;
  }

  /** A residual stream with a norm, an activation and shape arithmetic in each layer. */
  private static Graph deep(int layers) {
    Sketch g = new Sketch();
    Value x = g.x;
    for (int i = 0; i < layers; i++) {
      Value centred = g.ops.sub(x, g.mean(x));
      Value variance = g.mean(g.op("Pow", centred, g.c(2)));
      Value norm = g.ops.mul(g.ops.div(centred, g.ops.sqrt(g.ops.add(variance, 1e-5))), g.vector);
      Value flat = g.ops.reshape(norm, -1, 8);
      Value half = g.ops.mul(flat, 0.5);
      Value erf = g.ops.add(g.op("Erf", g.ops.mul(flat, Math.sqrt(0.5))), 1);
      Value length = g.op("Gather", g.op("Shape", x), g.scalar(1));
      Value shape = g.ops.concat(0, g.ints(-1), g.ops.unsqueeze(length, 0), g.ints(8));
      x = g.ops.add(x, g.op("Reshape", g.ops.mul(half, erf), shape));
    }
    return g.finish(x);
  }

  private static Rule twoNegations() {
    return Rule.named("two-negations")
        .matching(op("Neg", op("Neg", any("x"))))
        .replacedBy((match, ops) -> match.value("x"));
  }
}
