package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleUnaryOperator;

/** Recurrent networks over [length, batch, width], or batch first as {@code layout} says. */
final class RecurrentOperators {

  private RecurrentOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("RNN", recurrent(Kind.RNN))
        .onnx("GRU", recurrent(Kind.GRU))
        .onnx("LSTM", recurrent(Kind.LSTM))
        .build();
  }

  private enum Kind {
    RNN(1, List.of("tanh")),
    GRU(3, List.of("sigmoid", "tanh")),
    LSTM(4, List.of("sigmoid", "tanh", "tanh"));

    private final int gates;
    private final List<String> activations;

    Kind(int gates, List<String> activations) {
      this.gates = gates;
      this.activations = activations;
    }
  }

  private static Operator recurrent(Kind kind) {
    return new Definition(call -> types(call, kind), evaluation -> run(evaluation, kind));
  }

  private static boolean batchFirst(Attributes attributes) {
    return attributes.intValue("layout", 0) == 1;
  }

  private static int directions(Attributes attributes) {
    return attributes.stringValue("direction", "forward").equals("bidirectional") ? 2 : 1;
  }

  private static ImmutableList<TensorType> types(Call call, Kind kind) {
    Inference.requireRank(call, 0, 3);
    Inference.requireRank(call, 1, 3);
    Inference.requireRank(call, 2, 3);
    Shape input = call.shape(0);
    Dim unknown = Dim.UNKNOWN;
    boolean batchFirst = batchFirst(call.attributes());
    Dim length = input.isRanked() ? input.dim(batchFirst ? 1 : 0) : unknown;
    Dim batch = input.isRanked() ? input.dim(batchFirst ? 0 : 1) : unknown;
    Dim hidden = call.shape(2).isRanked() ? call.shape(2).dim(2) : unknown;
    Dim directions = Dim.of(directions(call.attributes()));
    TensorType whole =
        call.type(0)
            .withShape(
                batchFirst
                    ? Shape.of(batch, length, directions, hidden)
                    : Shape.of(length, directions, batch, hidden));
    TensorType last =
        call.type(0)
            .withShape(
                batchFirst
                    ? Shape.of(batch, directions, hidden)
                    : Shape.of(directions, batch, hidden));
    return kind == Kind.LSTM ? ImmutableList.of(whole, last, last) : ImmutableList.of(whole, last);
  }

  private static NdArray swapped(NdArray array) {
    return array.rank() == 3 ? Views.permute(array, 1, 0, 2) : Views.permute(array, 2, 0, 1, 3);
  }

  private static List<NdArray> run(Evaluation evaluation, Kind kind) {
    Attributes attributes = evaluation.attributes();
    if (attributes.has("activation_alpha") || attributes.has("activation_beta")) {
      throw new NotCoveredException("activations with parameters of their own are not covered");
    }
    boolean batchFirst = batchFirst(attributes);
    NdArray input = batchFirst ? swapped(evaluation.input(0)) : evaluation.input(0);
    int directions = directions(attributes);
    int hidden = evaluation.input(2).dim(2);
    int length = input.dim(0);
    int batch = input.dim(1);
    ElementType type = input.elementType();
    NdArray whole = NdArray.zeros(type, length, directions, batch, hidden);
    NdArray last = NdArray.zeros(type, directions, batch, hidden);
    NdArray cells = NdArray.zeros(type, directions, batch, hidden);
    boolean reversed = attributes.stringValue("direction", "forward").equals("reverse");
    for (int direction = 0; direction < directions; direction++) {
      for (int row = 0; row < batch; row++) {
        Cell cell = new Cell(evaluation, kind, direction, row);
        int steps = evaluation.hasInput(4) ? (int) evaluation.input(4).data()[row] : length;
        for (int step = 0; step < steps; step++) {
          int at = reversed || direction == 1 ? steps - 1 - step : step;
          cell.step(input, at * batch + row);
          System.arraycopy(
              cell.state,
              0,
              whole.data(),
              ((at * directions + direction) * batch + row) * hidden,
              hidden);
        }
        int place = (direction * batch + row) * hidden;
        System.arraycopy(cell.state, 0, last.data(), place, hidden);
        System.arraycopy(cell.memory, 0, cells.data(), place, hidden);
      }
    }
    List<NdArray> results = new ArrayList<>(List.of(whole, last));
    if (kind == Kind.LSTM) {
      results.add(cells);
    }
    if (batchFirst) {
      results.replaceAll(RecurrentOperators::swapped);
    }
    return results;
  }

  private static DoubleUnaryOperator activation(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "tanh" -> Math::tanh;
      case "sigmoid" -> ScalarFunctions::sigmoid;
      case "relu" -> x -> Math.max(x, 0);
      case "softplus" -> ScalarFunctions::softplus;
      case "softsign" -> x -> x / (1 + Math.abs(x));
      case "hardsigmoid" -> x -> Math.max(0, Math.min(1, 0.2 * x + 0.5));
      case "leakyrelu" -> x -> x < 0 ? 0.01 * x : x;
      case "elu" -> x -> x < 0 ? Math.expm1(x) : x;
      default -> throw new NotCoveredException("activation '" + name + "' is not covered");
    };
  }

  /** One sequence on its way, in one direction. */
  private static final class Cell {
    private final Kind kind;
    private final Evaluation evaluation;
    private final int direction;
    private final int hidden;
    private final double clip;
    private final List<DoubleUnaryOperator> activations = new ArrayList<>();
    private final double[] state;
    private final double[] memory;

    Cell(Evaluation evaluation, Kind kind, int direction, int row) {
      Attributes attributes = evaluation.attributes();
      this.kind = kind;
      this.evaluation = evaluation;
      this.direction = direction;
      this.hidden = evaluation.input(2).dim(2);
      this.clip = attributes.floatValue("clip", Float.POSITIVE_INFINITY);
      List<String> names =
          attributes.values().get("activations") instanceof Attribute.StringsValue given
              ? given.values()
              : Collections.nCopies(2, kind.activations).stream().flatMap(List::stream).toList();
      for (int i = 0; i < kind.activations.size(); i++) {
        activations.add(activation(names.get(direction * kind.activations.size() + i)));
      }
      this.state = initial(5, row);
      this.memory = initial(6, row);
    }

    private double[] initial(int index, int row) {
      double[] values = new double[hidden];
      if (evaluation.hasInput(index) && (index == 5 || kind == Kind.LSTM)) {
        NdArray given = evaluation.input(index);
        boolean batchFirst = batchFirst(evaluation.attributes());
        int place = batchFirst ? row * given.dim(1) + direction : direction * given.dim(1) + row;
        System.arraycopy(given.data(), place * hidden, values, 0, hidden);
      }
      return values;
    }

    private double weight(int index, int gate, int unit, double[] operand, int from, int width) {
      NdArray weights = evaluation.input(index);
      int row = ((direction * kind.gates + gate) * hidden + unit) * width;
      double sum = 0;
      for (int i = 0; i < width; i++) {
        sum += weights.data()[row + i] * operand[from + i];
      }
      return sum;
    }

    /** A bias of the input's side, or with {@code gate} counted on, of the state's. */
    private double bias(int gate, int unit) {
      return evaluation.hasInput(3)
          ? evaluation.input(3).data()[(direction * 2 * kind.gates + gate) * hidden + unit]
          : 0;
    }

    private double peephole(int gate, int unit, double cell) {
      return evaluation.hasInput(7)
          ? evaluation.input(7).data()[(direction * 3 + gate) * hidden + unit] * cell
          : 0;
    }

    private double clipped(double value) {
      return Math.max(-clip, Math.min(clip, value));
    }

    private double activate(int index, double value) {
      return activations.get(index).applyAsDouble(clipped(value));
    }

    void step(NdArray input, int row) {
      int width = input.dim(2);
      double[] before = state.clone();
      double[][] fromInput = new double[kind.gates][hidden];
      double[][] fromState = new double[kind.gates][hidden];
      for (int gate = 0; gate < kind.gates; gate++) {
        for (int unit = 0; unit < hidden; unit++) {
          fromInput[gate][unit] =
              weight(1, gate, unit, input.data(), row * width, width) + bias(gate, unit);
          fromState[gate][unit] =
              weight(2, gate, unit, before, 0, hidden) + bias(kind.gates + gate, unit);
        }
      }
      switch (kind) {
        case RNN -> {
          for (int unit = 0; unit < hidden; unit++) {
            state[unit] = activate(0, fromInput[0][unit] + fromState[0][unit]);
          }
        }
        case GRU -> gru(before, fromInput, fromState);
        case LSTM -> lstm(fromInput, fromState);
      }
    }

    /** Gates update, reset, hidden. */
    private void gru(double[] before, double[][] fromInput, double[][] fromState) {
      boolean resetAfter = evaluation.attributes().intValue("linear_before_reset", 0) != 0;
      double[] reset = new double[hidden];
      double[] gated = new double[hidden];
      for (int unit = 0; unit < hidden; unit++) {
        reset[unit] = activate(0, fromInput[1][unit] + fromState[1][unit]);
        gated[unit] = reset[unit] * before[unit];
      }
      for (int unit = 0; unit < hidden; unit++) {
        double update = activate(0, fromInput[0][unit] + fromState[0][unit]);
        double recurrent =
            resetAfter
                ? reset[unit] * fromState[2][unit]
                : weight(2, 2, unit, gated, 0, hidden) + bias(kind.gates + 2, unit);
        double candidate = activate(1, fromInput[2][unit] + recurrent);
        state[unit] = (1 - update) * candidate + update * before[unit];
      }
    }

    /** Gates input, output, forget, cell. */
    private void lstm(double[][] fromInput, double[][] fromState) {
      boolean coupled = evaluation.attributes().intValue("input_forget", 0) != 0;
      for (int unit = 0; unit < hidden; unit++) {
        double old = memory[unit];
        double in = activate(0, fromInput[0][unit] + fromState[0][unit] + peephole(0, unit, old));
        double forget =
            coupled
                ? 1 - in
                : activate(0, fromInput[2][unit] + fromState[2][unit] + peephole(2, unit, old));
        double candidate = activate(1, fromInput[3][unit] + fromState[3][unit]);
        memory[unit] = forget * old + in * candidate;
        double out =
            activate(0, fromInput[1][unit] + fromState[1][unit] + peephole(1, unit, memory[unit]));
        state[unit] = out * activations.get(2).applyAsDouble(memory[unit]);
      }
    }
  }
}
