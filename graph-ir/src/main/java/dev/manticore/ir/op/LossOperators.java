package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Losses over classes, which are axis 1 of the scores. */
final class LossOperators {

  private LossOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx(
            "NegativeLogLikelihoodLoss",
            LossOperators::lossType,
            evaluation -> loss(evaluation, evaluation.input(0)))
        .onnx(
            "SoftmaxCrossEntropyLoss",
            new Definition(
                call -> ImmutableList.of(lossType(call), call.type(0)),
                LossOperators::softmaxCrossEntropy))
        .build();
  }

  private static String reduction(Attributes attributes) {
    return attributes.stringValue("reduction", "mean");
  }

  private static TensorType lossType(Call call) {
    TensorType scores = call.type(0);
    Shape targets = call.shape(1);
    if (!call.type(1).elementType().isInteger()) {
      throw new IrException("targets must be integers, not " + call.type(1));
    }
    if (call.hasInput(2)) {
      Inference.requireRank(call, 2, 1);
    }
    if (!reduction(call.attributes()).equals("none")) {
      return scores.withShape(Shape.scalar());
    }
    if (!scores.shape().isRanked()) {
      return scores.withShape(targets);
    }
    List<Dim> dims = new ArrayList<>(scores.shape().dims());
    dims.remove(1);
    return scores.withShape(Inference.same(targets, Shape.of(dims), "targets and scores"));
  }

  private static List<NdArray> softmaxCrossEntropy(Evaluation evaluation) {
    NdArray logProbabilities = NormalizationOperators.logSoftmax(evaluation.input(0), 1);
    return List.of(loss(evaluation, logProbabilities), logProbabilities);
  }

  private static NdArray loss(Evaluation evaluation, NdArray logProbabilities) {
    NdArray targets = evaluation.input(1);
    Attributes attributes = evaluation.attributes();
    int classes = logProbabilities.dim(1);
    int places = NdArray.count(Arrays.copyOfRange(targets.shape(), 1, targets.rank()));
    double[] losses = new double[targets.size()];
    double sum = 0;
    double total = 0;
    for (int i = 0; i < losses.length; i++) {
      double target = targets.data()[i];
      if (attributes.has("ignore_index") && target == attributes.intValue("ignore_index", 0)) {
        continue;
      }
      if (target < 0 || target >= classes) {
        throw new IrException("target " + (long) target + " is not one of " + classes + " classes");
      }
      double weight = evaluation.hasInput(2) ? evaluation.input(2).data()[(int) target] : 1;
      int row = i / places * classes + (int) target;
      losses[i] = -weight * logProbabilities.data()[row * places + i % places];
      sum += losses[i];
      total += weight;
    }
    ElementType type = logProbabilities.elementType();
    return switch (reduction(attributes)) {
      case "none" -> NdArray.of(type, targets.shape(), losses);
      case "sum" -> NdArray.scalar(type, sum);
      case "mean" -> NdArray.scalar(type, sum / total);
      default -> throw new IrException("reduction '" + reduction(attributes) + "' is not known");
    };
  }
}
