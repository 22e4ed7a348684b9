package dev.manticore.ir.compare;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

class GraphComparisonTest {

  private static final float[] NUMBERS = {1, 2, 3, 4, 5, 6};
  private static final float[] TRANSPOSED = {1, 4, 2, 5, 3, 6};

  /** A graph of two inputs. */
  private static final class Drawing {
    private final GraphEditor editor = new GraphEditor("g");
    private final Ops ops = new Ops(editor);
    private final Value x;
    private final Value y;

    Drawing(String x, String y) {
      this.x = editor.input(x, TensorType.of(ElementType.FLOAT32, 4, 2));
      this.y = editor.input(y, TensorType.of(ElementType.FLOAT32, 4, 2));
    }

    Value parameter(String name, Shape shape, float... values) {
      return editor.parameter(name, Tensor.ofFloats(shape, values));
    }
  }

  private static Graph graph(Function<Drawing, Value> drawn) {
    return graph("x", "y", drawn);
  }

  private static Graph graph(String x, String y, Function<Drawing, Value> drawn) {
    Drawing drawing = new Drawing(x, y);
    drawing.editor.output(drawn.apply(drawing));
    return drawing.editor.freeze();
  }

  @Test
  void namesDecideNothing() {
    assertThat(
            GraphComparison.of(
                    graph("x", "y", d -> d.ops.sub(d.x, d.ops.exp(d.y))),
                    graph("a", "b", d -> d.ops.sub(d.x, d.ops.exp(d.y))))
                .same())
        .isTrue();
    assertThat(
            GraphComparison.of(
                    graph("x", "y", d -> d.ops.sub(d.x, d.y)),
                    graph("y", "x", d -> d.ops.sub(d.y, d.x)))
                .same())
        .isFalse();
  }

  @Test
  void orderAndGroupingOfSumsAndProductsDecideNothing() {
    assertThat(
            GraphComparison.of(
                    graph(d -> d.ops.add(d.ops.add(d.x, d.y), d.ops.exp(d.x))),
                    graph(d -> d.ops.add(d.ops.exp(d.x), d.ops.add(d.y, d.x))))
                .same())
        .isTrue();
    assertThat(
            GraphComparison.of(
                    graph(d -> d.ops.mul(d.ops.mul(d.x, d.y), d.y)),
                    graph(d -> d.ops.mul(d.x, d.ops.mul(d.x, d.y))))
                .same())
        .isFalse();
  }

  @Test
  void aParameterEqualsItsTransposeTransposed() {
    Graph plain = graph(d -> d.ops.matMul(d.x, d.parameter("w", Shape.of(2, 3), NUMBERS)));
    Graph transposed =
        graph(
            d ->
                d.ops.matMul(
                    d.x, d.ops.transpose(d.parameter("other", Shape.of(3, 2), TRANSPOSED), 1, 0)));
    Graph not =
        graph(
            d ->
                d.ops.matMul(
                    d.x, d.ops.transpose(d.parameter("w", Shape.of(3, 2), NUMBERS), 1, 0)));

    assertThat(GraphComparison.of(plain, transposed).same()).isTrue();
    assertThat(GraphComparison.of(plain, not).same()).isFalse();
  }

  @Test
  void squareParametersAreToldFromTheirTransposes() {
    Graph plain = graph(d -> d.ops.matMul(d.x, d.parameter("w", Shape.of(2, 2), 1, 2, 3, 4)));
    Graph flipped = graph(d -> d.ops.matMul(d.x, d.parameter("w", Shape.of(2, 2), 1, 3, 2, 4)));
    Graph back =
        graph(
            d ->
                d.ops.matMul(
                    d.x, d.ops.transpose(d.parameter("w", Shape.of(2, 2), 1, 3, 2, 4), 1, 0)));

    assertThat(GraphComparison.of(plain, flipped).same()).isFalse();
    assertThat(GraphComparison.of(plain, back).same()).isTrue();
  }

  @Test
  void constantsMayDifferByRounding() {
    Graph third = graph(d -> d.ops.mul(d.x, 1 / 3.0));
    Graph almost = graph(d -> d.ops.mul(d.x, 1 / 3.0 + 1e-7));
    Graph other = graph(d -> d.ops.mul(d.x, 0.334));

    assertThat(GraphComparison.of(third, almost).same()).isTrue();
    assertThat(GraphComparison.of(third, other).same()).isFalse();
  }

  @Test
  void tellsWhereGraphsPartAndWhatReadsIt() {
    Graph first = graph(d -> d.ops.neg(d.ops.add(d.ops.exp(d.x), d.y)));
    Graph second = graph(d -> d.ops.neg(d.ops.add(d.ops.sqrt(d.x), d.y)));

    GraphComparison comparison = GraphComparison.of(first, second);

    assertThat(comparison.places()).hasSize(1);
    assertThat(comparison.places().get(0).first()).contains("Exp[%x]");
    assertThat(comparison.places().get(0).second()).contains("Sqrt[%x]");
    assertThat(comparison.places().get(0).readers()).hasSize(2);
    assertThat(comparison.operators())
        .containsExactly(
            new GraphComparison.Count("Exp", 1, 0), new GraphComparison.Count("Sqrt", 0, 1));
  }

  @Test
  void measuresParametersInTheSamePlace() {
    Graph first = graph(d -> d.ops.matMul(d.x, d.parameter("w", Shape.of(2, 3), NUMBERS)));
    Graph second =
        graph(
            d ->
                d.ops.matMul(
                    d.x,
                    d.ops.transpose(d.parameter("v", Shape.of(3, 2), 1, 4, 2, 5.5f, 3, 6), 1, 0)));

    GraphComparison comparison = GraphComparison.of(first, second);

    assertThat(comparison.same()).isFalse();
    assertThat(comparison.places()).isEmpty();
    assertThat(comparison.parameters())
        .containsExactly(new GraphComparison.ParameterDifference("w", "v", 0.5));
  }
}
