package dev.manticore.ir.op;

import dev.manticore.ir.Dim;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** {@code Einsum}: labels name axes, repeated ones are multiplied along, missing ones summed. */
final class Einsum {

  /** The labels of each operand and of the result; digits stand for the axes of an ellipsis. */
  private record Equation(List<String> operands, String result) {

    static Equation parse(String text, List<Integer> ranks) {
      String equation = text.replace(" ", "");
      int arrow = equation.indexOf("->");
      String left = arrow < 0 ? equation : equation.substring(0, arrow);
      String[] terms = left.split(",", -1);
      if (terms.length != ranks.size()) {
        throw new IrException(
            "equation '" + text + "' is for " + terms.length + " operands, not " + ranks.size());
      }
      List<String> operands = new ArrayList<>();
      int ellipsis = 0;
      for (int i = 0; i < terms.length; i++) {
        int broadcast = ranks.get(i) - terms[i].replace("...", "").length();
        if (broadcast < 0 || broadcast > 9 || broadcast > 0 && !terms[i].contains("...")) {
          throw new IrException(
              "term '" + terms[i] + "' of '" + text + "' does not fit rank " + ranks.get(i));
        }
        ellipsis = Math.max(ellipsis, broadcast);
        operands.add(terms[i].replace("...", digits(broadcast)));
      }
      String result =
          arrow < 0
              ? implied(operands, ellipsis)
              : equation.substring(arrow + 2).replace("...", digits(ellipsis));
      return new Equation(operands, result);
    }

    /** The last {@code count} of nine labels, so that ellipses align at their ends. */
    private static String digits(int count) {
      return "123456789".substring(9 - count);
    }

    private static String implied(List<String> operands, int ellipsis) {
      Map<Character, Integer> counts = new TreeMap<>();
      for (char label : String.join("", operands).toCharArray()) {
        counts.merge(label, 1, Integer::sum);
      }
      StringBuilder result = new StringBuilder(digits(ellipsis));
      counts.forEach(
          (label, count) -> {
            if (count == 1 && !Character.isDigit(label)) {
              result.append((char) label);
            }
          });
      return result.toString();
    }
  }

  private Einsum() {}

  static TensorType type(Call call) {
    List<Integer> ranks = new ArrayList<>();
    for (int i = 0; i < call.inputCount(); i++) {
      if (!call.shape(i).isRanked()) {
        return call.type(0).withShape(Shape.unranked());
      }
      ranks.add(call.shape(i).rank());
    }
    Equation equation = Equation.parse(call.attributes().stringValue("equation", ""), ranks);
    Map<Character, Dim> dims = new LinkedHashMap<>();
    for (int i = 0; i < ranks.size(); i++) {
      String labels = equation.operands().get(i);
      for (int axis = 0; axis < labels.length(); axis++) {
        dims.merge(labels.charAt(axis), call.shape(i).dim(axis), Inference::broadcast);
      }
    }
    List<Dim> result = new ArrayList<>();
    for (char label : equation.result().toCharArray()) {
      if (!dims.containsKey(label)) {
        throw new IrException("label '" + label + "' of the result is in no operand");
      }
      result.add(dims.get(label));
    }
    return new TensorType(Inference.elementType(call), Shape.of(result));
  }

  static NdArray evaluate(Evaluation evaluation) {
    List<NdArray> operands = new ArrayList<>();
    List<Integer> ranks = new ArrayList<>();
    for (int i = 0; i < evaluation.inputCount(); i++) {
      operands.add(evaluation.input(i));
      ranks.add(evaluation.input(i).rank());
    }
    Equation equation = Equation.parse(evaluation.attributes().stringValue("equation", ""), ranks);
    Map<Character, Integer> extents = new LinkedHashMap<>();
    for (char label : equation.result().toCharArray()) {
      extents.put(label, 1);
    }
    int kept = extents.size();
    for (int i = 0; i < operands.size(); i++) {
      String labels = equation.operands().get(i);
      for (int axis = 0; axis < labels.length(); axis++) {
        extents.merge(labels.charAt(axis), operands.get(i).dim(axis), Einsum::extent);
      }
    }
    String labels = extents.keySet().stream().map(String::valueOf).reduce("", String::concat);
    int[] shape = extents.values().stream().mapToInt(Integer::intValue).toArray();
    int[] outer = Arrays.copyOf(shape, kept);
    int[] inner = Arrays.copyOfRange(shape, kept, shape.length);
    int[][] outerOffsets = new int[operands.size()][];
    int[][] innerOffsets = new int[operands.size()][];
    for (int i = 0; i < operands.size(); i++) {
      int[] strides = strides(operands.get(i), equation.operands().get(i), labels);
      outerOffsets[i] = Views.offsets(outer, Arrays.copyOf(strides, kept));
      innerOffsets[i] = Views.offsets(inner, Arrays.copyOfRange(strides, kept, shape.length));
    }
    int summed = NdArray.count(inner);
    NdArray result = NdArray.zeros(operands.get(0).elementType(), outer);
    for (int at = 0; at < result.size(); at++) {
      double sum = 0;
      for (int k = 0; k < summed; k++) {
        double product = 1;
        for (int i = 0; i < operands.size(); i++) {
          product *= operands.get(i).data()[outerOffsets[i][at] + innerOffsets[i][k]];
        }
        sum += product;
      }
      result.data()[at] = Elements.fit(result.elementType(), sum);
    }
    return result;
  }

  private static int extent(int left, int right) {
    if (left != right && left != 1 && right != 1) {
      throw new IrException("extents " + left + " and " + right + " of one label differ");
    }
    return left == 1 ? right : left;
  }

  /** How far each label moves in an operand; a label of two axes moves along both. */
  private static int[] strides(NdArray operand, String operandLabels, String labels) {
    int[] dense = operand.strides();
    int[] strides = new int[labels.length()];
    for (int axis = 0; axis < operandLabels.length(); axis++) {
      if (operand.dim(axis) > 1) {
        strides[labels.indexOf(operandLabels.charAt(axis))] += dense[axis];
      }
    }
    return strides;
  }
}
