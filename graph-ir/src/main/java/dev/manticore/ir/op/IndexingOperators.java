package dev.manticore.ir.op;

import com.google.common.collect.Comparators;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import com.google.common.primitives.Doubles;
import com.google.common.primitives.Ints;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.stream.IntStream;

/** Operators that read, or write, at places given by values. */
final class IndexingOperators {

  private IndexingOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("Gather", IndexingOperators::gatherType, IndexingOperators::gather)
        .onnx(
            "GatherElements",
            IndexingOperators::gatherElementsType,
            IndexingOperators::gatherElements)
        .onnx("GatherND", IndexingOperators::gatherNdType, IndexingOperators::gatherNd)
        .onnx(
            "ScatterElements",
            IndexingOperators::scatterElementsType,
            IndexingOperators::scatterElements)
        .onnx("ScatterND", IndexingOperators::scatterNdType, IndexingOperators::scatterNd)
        .onnx("OneHot", IndexingOperators::oneHotType, IndexingOperators::oneHot)
        .onnx("NonZero", IndexingOperators::nonZeroType, IndexingOperators::nonZero)
        .onnx("Compress", IndexingOperators::compressType, IndexingOperators::compress)
        .onnx("Unique", new Definition(IndexingOperators::uniqueTypes, IndexingOperators::unique))
        .onnx("Resize", ResizeOperator::type, ResizeOperator::evaluate)
        .build();
  }

  private static void requireIndices(Call call, int index) {
    if (!call.type(index).elementType().isInteger()) {
      throw new IrException("indices must be integers, not " + call.type(index));
    }
  }

  /** An index counted from the front. */
  private static int index(double given, int extent) {
    int index = (int) (given < 0 ? given + extent : given);
    if (index < 0 || index >= extent) {
      throw new IrException("index " + (long) given + " is outside of " + extent + " elements");
    }
    return index;
  }

  private static TensorType gatherType(Call call) {
    requireIndices(call, 1);
    TensorType data = call.type(0);
    Shape indices = call.shape(1);
    if (!data.shape().isRanked() || !indices.isRanked()) {
      return data.withShape(Shape.unranked());
    }
    int rank = data.shape().rank();
    int axis = Inference.axis(call.attributes().intValue("axis", 0), rank);
    List<Dim> dims = new ArrayList<>(data.shape().dims().subList(0, axis));
    dims.addAll(indices.dims());
    dims.addAll(data.shape().dims().subList(axis + 1, rank));
    return data.withShape(Shape.of(dims));
  }

  private static NdArray gather(Evaluation evaluation) {
    NdArray data = evaluation.input(0);
    NdArray indices = evaluation.input(1);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 0), data.rank());
    int[] places = new int[indices.size()];
    Arrays.setAll(places, i -> index(indices.data()[i], data.dim(axis)));
    int[] shape =
        Ints.concat(
            Arrays.copyOf(data.shape(), axis),
            indices.shape(),
            Arrays.copyOfRange(data.shape(), axis + 1, data.rank()));
    return Views.take(data, axis, places, 0).reshape(shape);
  }

  private static TensorType gatherElementsType(Call call) {
    requireIndices(call, 1);
    Shape data = call.shape(0);
    Shape indices = call.shape(1);
    if (data.isRanked() && indices.isRanked()) {
      requireSameRank(data, indices);
      Inference.axis(call.attributes().intValue("axis", 0), data.rank());
    }
    return call.type(0).withShape(indices);
  }

  private static void requireSameRank(Shape data, Shape indices) {
    if (data.rank() != indices.rank()) {
      throw new IrException("ranks of data " + data + " and indices " + indices + " differ");
    }
  }

  /** Where in the data each of the indices of {@code GatherElements} and its inverse points. */
  private static int[] elementPlaces(NdArray data, NdArray indices, int axis) {
    int[] strides = data.strides();
    int along = strides[axis];
    strides[axis] = 0;
    int[] places = Views.offsets(indices.shape(), strides);
    for (int i = 0; i < places.length; i++) {
      places[i] += along * index(indices.data()[i], data.dim(axis));
    }
    return places;
  }

  private static NdArray gatherElements(Evaluation evaluation) {
    NdArray data = evaluation.input(0);
    NdArray indices = evaluation.input(1);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 0), data.rank());
    double[] values =
        Arrays.stream(elementPlaces(data, indices, axis))
            .mapToDouble(place -> data.data()[place])
            .toArray();
    return NdArray.of(data.elementType(), indices.shape(), values);
  }

  private static TensorType gatherNdType(Call call) {
    requireIndices(call, 1);
    TensorType data = call.type(0);
    Shape indices = call.shape(1);
    if (!data.shape().isRanked() || !indices.isRanked() || !indices.dim(-1).isKnown()) {
      return data.withShape(Shape.unranked());
    }
    int batch = Math.toIntExact(call.attributes().intValue("batch_dims", 0));
    int indexed = batch + Math.toIntExact(indices.dim(-1).extent());
    if (indexed > data.shape().rank()) {
      throw new IrException("indices " + indices + " reach beyond the rank of " + data);
    }
    List<Dim> dims = new ArrayList<>(indices.dims().subList(0, indices.rank() - 1));
    for (int axis = 0; axis < batch; axis++) {
      dims.set(axis, Inference.same(dims.get(axis), data.shape().dim(axis), "batch dimensions"));
    }
    dims.addAll(data.shape().dims().subList(indexed, data.shape().rank()));
    return data.withShape(Shape.of(dims));
  }

  /**
   * Where the slice begins that each tuple of indices points to.
   *
   * @param batch the number of leading axes that data and indices share
   */
  private static int[] slicePlaces(NdArray data, NdArray indices, int batch) {
    int length = indices.dim(-1);
    int count = NdArray.count(Arrays.copyOf(indices.shape(), indices.rank() - 1));
    int[] strides = data.strides();
    int batches = NdArray.count(Arrays.copyOf(indices.shape(), batch));
    int batchStride = NdArray.count(Arrays.copyOfRange(data.shape(), batch, data.rank()));
    int[] places = new int[count];
    for (int i = 0; i < count; i++) {
      places[i] = i / (count / batches) * batchStride;
      for (int k = 0; k < length; k++) {
        int axis = batch + k;
        places[i] += strides[axis] * index(indices.data()[i * length + k], data.dim(axis));
      }
    }
    return places;
  }

  private static NdArray gatherNd(Evaluation evaluation) {
    NdArray data = evaluation.input(0);
    NdArray indices = evaluation.input(1);
    int batch = Math.toIntExact(evaluation.attributes().intValue("batch_dims", 0));
    int[] places = slicePlaces(data, indices, batch);
    int[] slice = Arrays.copyOfRange(data.shape(), batch + indices.dim(-1), data.rank());
    int size = NdArray.count(slice);
    double[] values = new double[places.length * size];
    for (int i = 0; i < places.length; i++) {
      System.arraycopy(data.data(), places[i], values, i * size, size);
    }
    int[] shape = Ints.concat(Arrays.copyOf(indices.shape(), indices.rank() - 1), slice);
    return NdArray.of(data.elementType(), shape, values);
  }

  private static DoubleBinaryOperator scatterReduction(Evaluation evaluation) {
    String reduction = evaluation.attributes().stringValue("reduction", "none");
    return switch (reduction) {
      case "none" -> (old, update) -> update;
      case "add" -> Double::sum;
      case "mul" -> (old, update) -> old * update;
      case "max" -> Math::max;
      case "min" -> Math::min;
      default -> throw new IrException("reduction '" + reduction + "' is not known");
    };
  }

  private static TensorType scatterElementsType(Call call) {
    requireIndices(call, 1);
    Shape data = call.shape(0);
    if (data.isRanked()) {
      Inference.axis(call.attributes().intValue("axis", 0), data.rank());
      if (call.shape(1).isRanked()) {
        requireSameRank(data, call.shape(1));
      }
    }
    requireSameElements(call);
    return call.type(0);
  }

  private static void requireSameElements(Call call) {
    if (call.type(0).elementType() != call.type(2).elementType()) {
      throw new IrException("updates " + call.type(2) + " do not fit data " + call.type(0));
    }
  }

  private static NdArray scatterElements(Evaluation evaluation) {
    NdArray data = evaluation.input(0);
    NdArray indices = evaluation.input(1);
    double[] updates = evaluation.input(2).data();
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 0), data.rank());
    DoubleBinaryOperator reduction = scatterReduction(evaluation);
    double[] values = data.data().clone();
    int[] places = elementPlaces(data, indices, axis);
    for (int i = 0; i < places.length; i++) {
      values[places[i]] =
          Elements.fit(data.elementType(), reduction.applyAsDouble(values[places[i]], updates[i]));
    }
    return NdArray.of(data.elementType(), data.shape(), values);
  }

  private static TensorType scatterNdType(Call call) {
    requireIndices(call, 1);
    requireSameElements(call);
    return call.type(0);
  }

  private static NdArray scatterNd(Evaluation evaluation) {
    NdArray data = evaluation.input(0);
    NdArray indices = evaluation.input(1);
    double[] updates = evaluation.input(2).data();
    DoubleBinaryOperator reduction = scatterReduction(evaluation);
    int[] places = slicePlaces(data, indices, 0);
    int size = NdArray.count(Arrays.copyOfRange(data.shape(), indices.dim(-1), data.rank()));
    if (updates.length != places.length * size) {
      throw new IrException(
          "updates " + evaluation.input(2) + " do not fit indices " + indices + " of " + data);
    }
    double[] values = data.data().clone();
    for (int i = 0; i < updates.length; i++) {
      int place = places[i / size] + i % size;
      values[place] =
          Elements.fit(data.elementType(), reduction.applyAsDouble(values[place], updates[i]));
    }
    return NdArray.of(data.elementType(), data.shape(), values);
  }

  private static TensorType oneHotType(Call call) {
    Shape indices = call.shape(0);
    ElementType type = call.type(2).elementType();
    if (!indices.isRanked()) {
      return new TensorType(type, indices);
    }
    int axis = Inference.axis(call.attributes().intValue("axis", -1), indices.rank() + 1);
    List<Dim> dims = new ArrayList<>(indices.dims());
    dims.add(
        axis,
        call.constant(1).map(Tensor::toDoubles).map(d -> Dim.of((long) d[0])).orElse(Dim.UNKNOWN));
    return new TensorType(type, Shape.of(dims));
  }

  private static NdArray oneHot(Evaluation evaluation) {
    NdArray indices = evaluation.input(0);
    int depth = (int) evaluation.input(1).data()[0];
    double[] offOn = evaluation.input(2).data();
    int axis = Inference.axis(evaluation.attributes().intValue("axis", -1), indices.rank() + 1);
    int[] rows = Ints.concat(indices.shape(), new int[] {depth});
    double[] values = new double[indices.size() * depth];
    Arrays.fill(values, offOn[0]);
    for (int i = 0; i < indices.size(); i++) {
      double given = indices.data()[i];
      int hot = (int) (given < 0 ? given + depth : given);
      if (hot >= 0 && hot < depth) {
        values[i * depth + hot] = offOn[1];
      }
    }
    int[] order = Views.inverse(Views.axisLast(axis, rows.length));
    return Views.permute(NdArray.of(evaluation.input(2).elementType(), rows, values), order);
  }

  private static TensorType nonZeroType(Call call) {
    Shape input = call.shape(0);
    Dim rank = input.isRanked() ? Dim.of(input.rank()) : Dim.UNKNOWN;
    return new TensorType(ElementType.INT64, Shape.of(rank, Dim.UNKNOWN));
  }

  private static NdArray nonZero(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int[] places = IntStream.range(0, input.size()).filter(at -> input.data()[at] != 0).toArray();
    int[] strides = input.strides();
    NdArray result = NdArray.zeros(ElementType.INT64, input.rank(), places.length);
    for (int axis = 0; axis < input.rank(); axis++) {
      for (int i = 0; i < places.length; i++) {
        result.data()[axis * places.length + i] = places[i] / strides[axis] % input.dim(axis);
      }
    }
    return result;
  }

  private static TensorType compressType(Call call) {
    TensorType input = call.type(0);
    if (!call.attributes().has("axis")) {
      return input.withShape(Shape.of(Dim.UNKNOWN));
    }
    if (!input.shape().isRanked()) {
      return input;
    }
    int axis = Inference.axis(call.attributes().intValue("axis", 0), input.shape().rank());
    return input.withShape(input.shape().withDim(axis, Dim.UNKNOWN));
  }

  private static NdArray compress(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    double[] condition = evaluation.input(1).data();
    boolean flat = !evaluation.attributes().has("axis");
    NdArray source = flat ? input.reshape(input.size()) : input;
    int axis = flat ? 0 : Inference.axis(evaluation.attributes().intValue("axis", 0), input.rank());
    int[] kept =
        IntStream.range(0, Math.min(condition.length, source.dim(axis)))
            .filter(i -> condition[i] != 0)
            .toArray();
    return Views.take(source, axis, kept, 0);
  }

  private static ImmutableList<TensorType> uniqueTypes(Call call) {
    TensorType indices = new TensorType(ElementType.INT64, Shape.of(Dim.UNKNOWN));
    return ImmutableList.of(compressType(call), indices, indices, indices);
  }

  /** The different slices along an axis, or elements, with where they are and how often. */
  private static List<NdArray> unique(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    boolean flat = !evaluation.attributes().has("axis");
    NdArray source = flat ? input.reshape(input.size()) : input;
    int axis = flat ? 0 : Inference.axis(evaluation.attributes().intValue("axis", 0), input.rank());
    int count = source.dim(axis);
    List<List<Double>> slices = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      slices.add(Doubles.asList(Views.range(source, axis, i, 1).data()));
    }
    List<Integer> firsts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (slices.indexOf(slices.get(i)) == i) {
        firsts.add(i);
      }
    }
    if (evaluation.attributes().intValue("sorted", 1) == 1) {
      firsts.sort(Comparator.comparing(slices::get, Comparators.lexicographical(Double::compare)));
    }
    double[] inverse = new double[count];
    double[] counts = new double[firsts.size()];
    for (int i = 0; i < count; i++) {
      List<Double> slice = slices.get(i);
      inverse[i] = Iterables.indexOf(firsts, first -> slices.get(first).equals(slice));
      counts[(int) inverse[i]]++;
    }
    return List.of(
        Views.take(source, axis, Ints.toArray(firsts), 0),
        indices(firsts.stream().mapToDouble(Integer::doubleValue).toArray()),
        indices(inverse),
        indices(counts));
  }

  private static NdArray indices(double[] values) {
    return NdArray.of(ElementType.INT64, new int[] {values.length}, values);
  }
}
