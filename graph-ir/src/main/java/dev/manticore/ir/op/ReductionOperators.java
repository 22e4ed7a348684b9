package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Operators that combine the elements along axes: reductions, searches and running sums. */
final class ReductionOperators {

  private ReductionOperators() {}

  /** One number from a run of elements. */
  @FunctionalInterface
  private interface Reduction {
    double reduce(double[] data, int from, int end);
  }

  /** Whether the candidate takes the place of the best element so far. */
  @FunctionalInterface
  private interface Preference {
    boolean prefers(double candidate, double best);
  }

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("ReduceSum", reduction(ReductionOperators::sum))
        .onnx("ReduceMean", reduction((data, from, end) -> sum(data, from, end) / (end - from)))
        .onnx("ReduceMax", reduction(ReductionOperators::max))
        .onnx("ReduceMin", reduction(ReductionOperators::min))
        .onnx("ReduceProd", reduction(ReductionOperators::product))
        .onnx("ReduceSumSquare", reduction(ReductionOperators::sumOfSquares))
        .onnx("ReduceL2", reduction((data, from, end) -> Math.sqrt(sumOfSquares(data, from, end))))
        .onnx("ReduceL1", reduction(ReductionOperators::sumOfMagnitudes))
        .onnx("ReduceLogSum", reduction((data, from, end) -> Math.log(sum(data, from, end))))
        .onnx("ReduceLogSumExp", reduction(ReductionOperators::logSumExp))
        .onnx(
            "ArgMax",
            ReductionOperators::searchType,
            evaluation -> search(evaluation, (candidate, best) -> candidate > best))
        .onnx(
            "ArgMin",
            ReductionOperators::searchType,
            evaluation -> search(evaluation, (candidate, best) -> candidate < best))
        .onnx("TopK", new Definition(ReductionOperators::topKTypes, ReductionOperators::topK))
        .onnx("CumSum", Inference::sameAsInput, ReductionOperators::cumulativeSum)
        .build();
  }

  private static double sum(double[] data, int from, int end) {
    double sum = 0;
    for (int i = from; i < end; i++) {
      sum += data[i];
    }
    return sum;
  }

  private static double max(double[] data, int from, int end) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = from; i < end; i++) {
      max = Math.max(max, data[i]);
    }
    return max;
  }

  private static double min(double[] data, int from, int end) {
    double min = Double.POSITIVE_INFINITY;
    for (int i = from; i < end; i++) {
      min = Math.min(min, data[i]);
    }
    return min;
  }

  private static double product(double[] data, int from, int end) {
    double product = 1;
    for (int i = from; i < end; i++) {
      product *= data[i];
    }
    return product;
  }

  private static double sumOfSquares(double[] data, int from, int end) {
    double sum = 0;
    for (int i = from; i < end; i++) {
      sum += data[i] * data[i];
    }
    return sum;
  }

  private static double sumOfMagnitudes(double[] data, int from, int end) {
    double sum = 0;
    for (int i = from; i < end; i++) {
      sum += Math.abs(data[i]);
    }
    return sum;
  }

  static double logSumExp(double[] data, int from, int end) {
    double max = max(data, from, end);
    if (Double.isInfinite(max)) {
      return max;
    }
    double sum = 0;
    for (int i = from; i < end; i++) {
      sum += Math.exp(data[i] - max);
    }
    return max + Math.log(sum);
  }

  private static Operator reduction(Reduction reduction) {
    return Definition.of(
        ReductionOperators::reducedType, evaluation -> reduce(evaluation, reduction));
  }

  /** The axes that are reduced: all where none are named, unless the operator says otherwise. */
  private static int[] reducedAxes(Optional<long[]> named, Attributes attributes, int rank) {
    if (named.isEmpty() || named.get().length == 0) {
      boolean none = attributes.intValue("noop_with_empty_axes", 0) == 1;
      return none ? new int[0] : Inference.allAxes(rank);
    }
    return Inference.axes(named.get(), rank);
  }

  private static boolean keepsDims(Attributes attributes) {
    return attributes.intValue("keepdims", 1) == 1;
  }

  private static TensorType reducedType(Call call) {
    TensorType input = call.type(0);
    Optional<long[]> named = Inference.ints(call, 1, "axes");
    boolean keep = keepsDims(call.attributes());
    if (named.isEmpty() && Inference.isGiven(call, 1, "axes")) {
      return input.withShape(
          input.shape().isRanked() && keep
              ? Inference.ofRank(input.shape().rank())
              : Shape.unranked());
    }
    if (!input.shape().isRanked()) {
      boolean all = named.isEmpty() && call.attributes().intValue("noop_with_empty_axes", 0) == 0;
      return all && !keep ? input.withShape(Shape.scalar()) : input;
    }
    int[] axes = reducedAxes(named, call.attributes(), input.shape().rank());
    return input.withShape(reduced(input.shape(), axes, keep));
  }

  private static Shape reduced(Shape shape, int[] axes, boolean keep) {
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < shape.rank(); axis++) {
      if (Arrays.binarySearch(axes, axis) < 0) {
        dims.add(shape.dim(axis));
      } else if (keep) {
        dims.add(Dim.of(1));
      }
    }
    return Shape.of(dims);
  }

  private static int[] reduced(int[] shape, int[] axes, boolean keep) {
    Shape reduced = reduced(Shape.of(Arrays.stream(shape).asLongStream().toArray()), axes, keep);
    return Arrays.stream(reduced.extents()).mapToInt(Math::toIntExact).toArray();
  }

  private static NdArray reduce(Evaluation evaluation, Reduction reduction) {
    NdArray input = evaluation.input(0);
    int[] axes =
        reducedAxes(Inference.ints(evaluation, 1, "axes"), evaluation.attributes(), input.rank());
    NdArray rows = Views.permute(input, Views.axesLast(axes, input.rank()));
    int count = 1;
    for (int axis : axes) {
      count *= input.dim(axis);
    }
    int[] shape = reduced(input.shape(), axes, keepsDims(evaluation.attributes()));
    double[] values = new double[NdArray.count(shape)];
    for (int row = 0; row < values.length; row++) {
      values[row] =
          Elements.fit(
              input.elementType(), reduction.reduce(rows.data(), row * count, (row + 1) * count));
    }
    return NdArray.of(input.elementType(), shape, values);
  }

  private static TensorType searchType(Call call) {
    Shape shape = call.shape(0);
    boolean keep = keepsDims(call.attributes());
    if (shape.isRanked()) {
      int axis = Inference.axis(call.attributes().intValue("axis", 0), shape.rank());
      shape = reduced(shape, new int[] {axis}, keep);
    }
    return new TensorType(ElementType.INT64, shape);
  }

  private static NdArray search(Evaluation evaluation, Preference preference) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 0), input.rank());
    boolean last = evaluation.attributes().intValue("select_last_index", 0) == 1;
    double[] data = Views.permute(input, Views.axisLast(axis, input.rank())).data();
    int extent = input.dim(axis);
    int[] shape = reduced(input.shape(), new int[] {axis}, keepsDims(evaluation.attributes()));
    double[] values = new double[NdArray.count(shape)];
    for (int row = 0; row < values.length; row++) {
      int best = 0;
      for (int i = 1; i < extent; i++) {
        double candidate = data[row * extent + i];
        double held = data[row * extent + best];
        if (preference.prefers(candidate, held) || last && candidate == held) {
          best = i;
        }
      }
      values[row] = best;
    }
    return NdArray.of(ElementType.INT64, shape, values);
  }

  private static ImmutableList<TensorType> topKTypes(Call call) {
    TensorType input = call.type(0);
    Shape shape = input.shape();
    if (shape.isRanked()) {
      int axis = Inference.axis(call.attributes().intValue("axis", -1), shape.rank());
      Dim count =
          call.hasInput(1)
              ? call.constant(1).map(Tensor::toLongs).map(k -> Dim.of(k[0])).orElse(Dim.UNKNOWN)
              : Dim.of(call.attributes().intValue("k", 0));
      shape = shape.withDim(axis, count);
    }
    return ImmutableList.of(input.withShape(shape), new TensorType(ElementType.INT64, shape));
  }

  private static List<NdArray> topK(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", -1), input.rank());
    boolean largest = evaluation.attributes().intValue("largest", 1) == 1;
    int count =
        (int)
            (evaluation.hasInput(1)
                ? evaluation.input(1).toLongs()[0]
                : evaluation.attributes().intValue("k", 0));
    int[] order = Views.axisLast(axis, input.rank());
    NdArray rows = Views.permute(input, order);
    int extent = input.dim(axis);
    if (count > extent) {
      throw new IrException("there are no " + count + " among " + extent);
    }
    int[] shape = rows.shape().clone();
    shape[shape.length - 1] = count;
    NdArray values = NdArray.zeros(input.elementType(), shape);
    NdArray indices = NdArray.zeros(ElementType.INT64, shape);
    for (int row = 0; extent > 0 && row < rows.size() / extent; row++) {
      int start = row * extent;
      Integer[] ranked = new Integer[extent];
      Arrays.setAll(ranked, i -> i);
      // The sort is stable: of equal elements the one with the lower index comes first.
      Arrays.sort(
          ranked,
          (first, second) ->
              largest
                  ? Double.compare(rows.data()[start + second], rows.data()[start + first])
                  : Double.compare(rows.data()[start + first], rows.data()[start + second]));
      for (int i = 0; i < count; i++) {
        values.data()[row * count + i] = rows.data()[start + ranked[i]];
        indices.data()[row * count + i] = ranked[i];
      }
    }
    int[] back = Views.inverse(order);
    return List.of(Views.permute(values, back), Views.permute(indices, back));
  }

  private static NdArray cumulativeSum(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.input(1).toLongs()[0], input.rank());
    boolean exclusive = evaluation.attributes().intValue("exclusive", 0) == 1;
    boolean reverse = evaluation.attributes().intValue("reverse", 0) == 1;
    int extent = input.dim(axis);
    int stride = input.strides()[axis];
    double[] values = new double[input.size()];
    for (int start = 0; start < values.length; start++) {
      if (start / stride % extent != 0) {
        continue;
      }
      double sum = 0;
      for (int i = 0; i < extent; i++) {
        int at = start + (reverse ? extent - 1 - i : i) * stride;
        double next = sum + input.data()[at];
        values[at] = Elements.fit(input.elementType(), exclusive ? sum : next);
        sum = next;
      }
    }
    return NdArray.of(input.elementType(), input.shape(), values);
  }
}
