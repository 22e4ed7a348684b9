package dev.manticore.ir.op;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The operators that go on from a state, against those that begin with none: a sequence in pieces
 * gives what it gives at once.
 */
class StateOperatorsTest {

  private static final int BATCH = 2;
  private static final int LENGTH = 9;

  /**
   * @param sequences the operands with an axis of length, which are cut, by their place
   * @param state where the state goes
   */
  private record Case(
      String whole,
      Attributes attributes,
      List<NdArray> operands,
      List<Integer> sequences,
      int state,
      int[] stateShape) {}

  private static Case convolution(int width) {
    int channels = 3;
    return new Case(
        "CausalConv",
        Attributes.NONE,
        List.of(draw(BATCH, LENGTH, channels), draw(channels, 1, width), draw(channels)),
        List.of(0),
        2,
        new int[] {BATCH, channels, width - 1});
  }

  private static Case scan() {
    int channels = 4;
    int states = 3;
    return new Case(
        "SelectiveScan",
        Attributes.NONE,
        List.of(
            draw(BATCH, LENGTH, channels),
            positive(1, BATCH, LENGTH, channels),
            positive(-1, channels, states),
            draw(BATCH, LENGTH, states),
            draw(BATCH, LENGTH, states)),
        List.of(0, 1, 3, 4),
        5,
        new int[] {BATCH, channels, states});
  }

  private static Case dual(int chunk, int parallel) {
    int heads = 4;
    int width = 3;
    int states = 5;
    int groups = 2;
    return new Case(
        "StateSpaceDual",
        Attributes.of("heads", heads)
            .with("groups", groups)
            .with("chunk_size", chunk)
            .with("parallel", parallel),
        List.of(
            draw(BATCH, LENGTH, heads * width),
            positive(1, BATCH, LENGTH, heads),
            positive(-1, heads),
            draw(BATCH, LENGTH, groups * states),
            draw(BATCH, LENGTH, groups * states)),
        List.of(0, 1, 3, 4),
        5,
        new int[] {BATCH, heads, width, states});
  }

  private static NdArray draw(int... shape) {
    NdArray array = NdArray.zeros(ElementType.FLOAT64, shape);
    Random random = new Random(Arrays.hashCode(shape));
    Arrays.setAll(array.data(), i -> random.nextGaussian());
    return array;
  }

  private static NdArray positive(int sign, int... shape) {
    NdArray array = draw(shape);
    Arrays.setAll(array.data(), i -> sign * (Math.abs(array.data()[i]) + 0.1));
    return array;
  }

  static Stream<Arguments> cases() {
    return Stream.of(
            convolution(4), convolution(1), scan(), dual(1, 0), dual(2, 0), dual(64, 0), dual(2, 1))
        .flatMap(tested -> Stream.of(Arguments.of(tested, true), Arguments.of(tested, false)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void sequencesInPiecesGiveWhatTheyGiveAtOnce(Case tested, boolean known) {
    NdArray expected = run(tested.whole, tested, tested.operands, known).get(0);
    NdArray state = NdArray.zeros(ElementType.FLOAT64, tested.stateShape);

    int from = 0;
    for (int steps : new int[] {4, 1, 1, 3}) {
      List<NdArray> operands = new ArrayList<>(tested.operands);
      for (int cut : tested.sequences) {
        operands.set(cut, piece(operands.get(cut), from, steps));
      }
      operands.add(tested.state, state);
      List<NdArray> results = run(tested.whole + "WithState", tested, operands, known);
      assertThat(results.get(0).data())
          .containsExactly(piece(expected, from, steps).data(), within(1e-12));
      assertThat(results.get(1).shape()).containsExactly(tested.stateShape);
      state = results.get(1);
      from += steps;
    }
  }

  /**
   * @param known whether the number of tokens is known when the graph is made
   */
  private static List<NdArray> run(
      String operator, Case tested, List<NdArray> operands, boolean known) {
    GraphEditor editor = new GraphEditor("case");
    List<Optional<Value>> inputs = new ArrayList<>();
    Map<String, NdArray> values = new LinkedHashMap<>();
    for (NdArray operand : operands) {
      String name = "x" + inputs.size();
      Shape shape = Shape.of(Arrays.stream(operand.shape()).asLongStream().toArray());
      if (!known && tested.sequences.contains(inputs.size())) {
        shape = shape.withDim(1, Dim.of("length"));
      }
      inputs.add(Optional.of(editor.input(name, new TensorType(ElementType.FLOAT64, shape))));
      values.put(name, operand);
    }
    int outputs = operator.equals(tested.whole) ? 1 : 2;
    editor
        .add(OpId.manticore(operator), operator, tested.attributes, inputs, outputs)
        .forEach(editor::output);
    Graph graph = editor.freeze();
    Map<String, NdArray> results = new HashMap<>(new Interpreter().run(graph, values));
    return graph.outputs().stream().map(output -> results.get(output.name())).toList();
  }

  /** Some steps of an array whose second axis is the length. */
  private static NdArray piece(NdArray array, int from, int steps) {
    int[] shape = array.shape().clone();
    int row = array.size() / shape[0] / shape[1];
    NdArray piece =
        NdArray.zeros(
            array.elementType(),
            shape.length == 3
                ? new int[] {shape[0], steps, shape[2]}
                : new int[] {shape[0], steps});
    for (int sequence = 0; sequence < shape[0]; sequence++) {
      System.arraycopy(
          array.data(),
          (sequence * shape[1] + from) * row,
          piece.data(),
          sequence * steps * row,
          steps * row);
    }
    return piece;
  }
}
