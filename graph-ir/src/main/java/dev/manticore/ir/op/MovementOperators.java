package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Longs;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/** Operators that move, repeat and leave out elements by their place alone. */
final class MovementOperators {

  private MovementOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx("Transpose", MovementOperators::transposeType, MovementOperators::transpose)
        .onnx("Concat", MovementOperators::concatType, MovementOperators::concat)
        .onnx("Split", new Definition(MovementOperators::splitTypes, MovementOperators::split))
        .onnx("Slice", MovementOperators::sliceType, MovementOperators::slice)
        .onnx("Pad", MovementOperators::padType, MovementOperators::pad)
        .onnx("Expand", MovementOperators::expandType, MovementOperators::expand)
        .onnx("Tile", MovementOperators::tileType, MovementOperators::tile)
        .onnx("Trilu", Inference::sameAsInput, MovementOperators::trilu)
        .onnx("DepthToSpace", MovementOperators::depthToSpaceType, MovementOperators::depthToSpace)
        .onnx("SpaceToDepth", MovementOperators::spaceToDepthType, MovementOperators::spaceToDepth)
        .onnx("ReverseSequence", Inference::sameAsInput, MovementOperators::reverseSequence)
        .build();
  }

  private static int[] permutation(Attributes attributes, int rank) {
    int[] order = new int[rank];
    if (!attributes.has("perm")) {
      Arrays.setAll(order, axis -> rank - 1 - axis);
      return order;
    }
    long[] given = attributes.intValues("perm");
    if (given.length != rank) {
      throw new IrException("permutation " + Arrays.toString(given) + " does not fit rank " + rank);
    }
    Inference.axes(given, rank);
    Arrays.setAll(order, axis -> Inference.axis(given[axis], rank));
    return order;
  }

  private static TensorType transposeType(Call call) {
    Shape shape = call.shape(0);
    if (!shape.isRanked()) {
      return call.type(0);
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis : permutation(call.attributes(), shape.rank())) {
      dims.add(shape.dim(axis));
    }
    return call.type(0).withShape(Shape.of(dims));
  }

  private static NdArray transpose(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    return Views.permute(input, permutation(evaluation.attributes(), input.rank()));
  }

  private static TensorType concatType(Call call) {
    Shape result = call.shape(0);
    for (int i = 1; i < call.inputCount(); i++) {
      Shape next = call.shape(i);
      if (!result.isRanked() || !next.isRanked()) {
        result = result.isRanked() ? Inference.ofRank(result.rank()) : unknown(next);
        continue;
      }
      if (result.rank() != next.rank()) {
        throw new IrException("ranks of " + result + " and " + next + " differ");
      }
      int axis = concatAxis(call.attributes(), result.rank());
      List<Dim> dims = new ArrayList<>();
      for (int j = 0; j < result.rank(); j++) {
        Dim left = result.dim(j);
        Dim right = next.dim(j);
        dims.add(
            j == axis
                ? Inference.plus(left, right)
                : Inference.same(left, right, "dimensions of axis " + j));
      }
      result = Shape.of(dims);
    }
    if (result.isRanked()) {
      concatAxis(call.attributes(), result.rank());
    }
    return new TensorType(Inference.elementType(call), result);
  }

  private static Shape unknown(Shape shape) {
    return shape.isRanked() ? Inference.ofRank(shape.rank()) : shape;
  }

  private static int concatAxis(Attributes attributes, int rank) {
    return Inference.axis(attributes.intValue("axis", 1), rank);
  }

  private static NdArray concat(Evaluation evaluation) {
    List<NdArray> parts = new ArrayList<>();
    for (int i = 0; i < evaluation.inputCount(); i++) {
      parts.add(evaluation.input(i));
    }
    return Views.concat(parts, concatAxis(evaluation.attributes(), parts.get(0).rank()));
  }

  private static ImmutableList<TensorType> splitTypes(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return Inference.repeat(input, call.outputCount());
    }
    int axis = Inference.axis(call.attributes().intValue("axis", 0), input.shape().rank());
    Dim dim = input.shape().dim(axis);
    Optional<long[]> given = Inference.ints(call, 1, "split");
    if (given.isEmpty() && (Inference.isGiven(call, 1, "split") || !dim.isKnown())) {
      Dim part = call.outputCount() == 1 ? dim : Dim.UNKNOWN;
      return Inference.repeat(
          input.withShape(input.shape().withDim(axis, part)), call.outputCount());
    }
    long[] parts =
        given.orElseGet(
            () -> equalParts(Math.toIntExact(dim.extent()), call.attributes(), call.outputCount()));
    if (dim.isKnown()) {
      checkParts(parts, dim.extent());
    }
    if (parts.length != call.outputCount()) {
      throw new IrException(
          "a split into " + parts.length + " parts has not " + call.outputCount() + " outputs");
    }
    return Arrays.stream(parts)
        .mapToObj(part -> input.withShape(input.shape().withDim(axis, Dim.of(part))))
        .collect(ImmutableList.toImmutableList());
  }

  private static void checkParts(long[] parts, long extent) {
    if (Arrays.stream(parts).sum() != extent || Arrays.stream(parts).anyMatch(part -> part < 0)) {
      throw new IrException(
          extent + " elements do not split into parts of " + Arrays.toString(parts));
    }
  }

  /** Parts of equal size, the last one smaller where they do not come out even. */
  private static long[] equalParts(int extent, Attributes attributes, int outputs) {
    int count = Math.toIntExact(attributes.intValue("num_outputs", outputs));
    int part = (extent + count - 1) / count;
    long[] parts = new long[count];
    Arrays.setAll(parts, i -> Math.max(0, Math.min(part, extent - (long) i * part)));
    return parts;
  }

  private static List<NdArray> split(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int axis = Inference.axis(evaluation.attributes().intValue("axis", 0), input.rank());
    long[] parts =
        Inference.ints(evaluation, 1, "split")
            .orElseGet(
                () ->
                    equalParts(input.dim(axis), evaluation.attributes(), evaluation.outputCount()));
    checkParts(parts, input.dim(axis));
    List<NdArray> results = new ArrayList<>();
    int start = 0;
    for (long part : parts) {
      results.add(Views.range(input, axis, start, (int) part));
      start += (int) part;
    }
    return results;
  }

  /** One axis of a slice, with bounds as the operator clamps them. */
  private record AxisSlice(int axis, long start, long end, long step) {

    long count(long extent) {
      if (extent == 0) {
        return 0;
      }
      long from = first(extent);
      long to = step > 0 ? clamp(end, extent, 0, extent) : clamp(end, extent, -1, extent - 1);
      long distance = step > 0 ? to - from : from - to;
      return distance <= 0 ? 0 : (distance - 1) / Math.abs(step) + 1;
    }

    long first(long extent) {
      return step > 0 ? clamp(start, extent, 0, extent) : clamp(start, extent, 0, extent - 1);
    }

    private static long clamp(long bound, long extent, long low, long high) {
      return Math.max(low, Math.min(high, bound < 0 ? bound + extent : bound));
    }

    Dim of(Dim dim) {
      if (dim.isKnown()) {
        return Dim.of(count(dim.extent()));
      }
      boolean all = step == 1 && start == 0 && end >= Integer.MAX_VALUE;
      boolean reversed = step == -1 && start == -1 && end <= -Integer.MAX_VALUE;
      boolean nothing = step > 0 && start >= 0 && end >= 0 && end <= start;
      return all || reversed ? dim : nothing ? Dim.of(0) : Dim.UNKNOWN;
    }
  }

  private static List<AxisSlice> slices(
      long[] starts, long[] ends, Optional<long[]> axes, Optional<long[]> steps, int rank) {
    List<AxisSlice> slices = new ArrayList<>();
    if (starts.length != ends.length) {
      throw new IrException(
          "starts " + Arrays.toString(starts) + " and ends " + Arrays.toString(ends) + " differ");
    }
    for (int i = 0; i < starts.length; i++) {
      int axis = Inference.axis(axes.isPresent() ? axes.get()[i] : i, rank);
      long step = steps.isPresent() ? steps.get()[i] : 1;
      if (step == 0) {
        throw new IrException("the step of axis " + axis + " is zero");
      }
      // Beyond the range of int a step reaches one element only, whatever its size.
      long bounded = Longs.constrainToRange(step, -Integer.MAX_VALUE, Integer.MAX_VALUE);
      slices.add(new AxisSlice(axis, starts[i], ends[i], bounded));
    }
    return slices;
  }

  private static TensorType sliceType(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    int rank = input.shape().rank();
    Optional<long[]> starts = Inference.ints(call, 1, "starts");
    Optional<long[]> ends = Inference.ints(call, 2, "ends");
    Optional<long[]> axes = Inference.ints(call, 3, "axes");
    Optional<long[]> steps = call.constant(4).map(Tensor::toLongs);
    if (axes.isEmpty() && Inference.isGiven(call, 3, "axes")) {
      return input.withShape(Inference.ofRank(rank));
    }
    Shape shape = input.shape();
    Optional<Shape> cutByExtents = sliceByExtents(call, axes);
    if (cutByExtents.isPresent()) {
      return input.withShape(cutByExtents.get());
    }
    if (starts.isEmpty() || ends.isEmpty() || steps.isEmpty() && call.hasInput(4)) {
      // Which axes are cut is known, but not to what.
      Shape operand = call.shape(1);
      int[] cut =
          axes.map(given -> Inference.axes(given, rank))
              .orElseGet(
                  () ->
                      Inference.allAxes(
                          operand.isRanked() && operand.isStatic()
                              ? Math.toIntExact(operand.elementCount())
                              : rank));
      for (int axis : cut) {
        shape = shape.withDim(axis, Dim.UNKNOWN);
      }
      return input.withShape(shape);
    }
    for (AxisSlice slice : slices(starts.get(), ends.get(), axes, steps, rank)) {
      shape = shape.withDim(slice.axis(), slice.of(shape.dim(slice.axis())));
    }
    return input.withShape(shape);
  }

  /** The shape of a slice without steps whose bounds are known up to symbolic dimensions. */
  private static Optional<Shape> sliceByExtents(Call call, Optional<long[]> axes) {
    Optional<ImmutableList<Extent>> starts = call.extents(1);
    Optional<ImmutableList<Extent>> ends = call.extents(2);
    boolean single =
        !call.hasInput(4)
            || call.extents(4)
                .map(steps -> steps.stream().allMatch(step -> step.isConstant(1)))
                .orElse(false);
    if (starts.isEmpty() || ends.isEmpty() || !single) {
      return Optional.empty();
    }
    Shape shape = call.shape(0);
    for (int i = 0; i < starts.get().size(); i++) {
      int axis = Inference.axis(axes.isPresent() ? axes.get()[i] : i, shape.rank());
      Dim dim = shape.dim(axis);
      shape = shape.withDim(axis, between(axis, dim, starts.get().get(i), ends.get().get(i)));
    }
    return Optional.of(shape);
  }

  private static Dim between(int axis, Dim dim, Extent start, Extent end) {
    if (start.constant().isPresent() && end.constant().isPresent()) {
      Dim constant =
          new AxisSlice(axis, start.constant().getAsLong(), end.constant().getAsLong(), 1).of(dim);
      if (!constant.equals(Dim.UNKNOWN)) {
        return constant;
      }
    }
    try {
      Optional<Extent> whole = Extent.of(dim);
      Optional<Extent> from = whole.flatMap(extent -> bound(extent, start));
      Optional<Extent> to = whole.flatMap(extent -> bound(extent, end));
      return from.isPresent() && to.isPresent() ? to.get().minus(from.get()).toDim() : Dim.UNKNOWN;
    } catch (ArithmeticException e) {
      return Dim.UNKNOWN;
    }
  }

  /** A bound of a slice as the operator clamps it, if that is the same for all symbols. */
  private static Optional<Extent> bound(Extent whole, Extent given) {
    OptionalLong constant = given.constant();
    Extent bound = given;
    if (constant.isPresent()) {
      if (constant.getAsLong() >= Integer.MAX_VALUE) {
        return Optional.of(whole);
      }
      bound = constant.getAsLong() < 0 ? whole.plus(given) : given;
    }
    if (bound.minus(whole).isNonNegative()) {
      return Optional.of(whole);
    }
    return bound.isNonNegative() && whole.minus(bound).isNonNegative()
        ? Optional.of(bound)
        : Optional.empty();
  }

  private static NdArray slice(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    Optional<long[]> starts = Inference.ints(evaluation, 1, "starts");
    Optional<long[]> ends = Inference.ints(evaluation, 2, "ends");
    Optional<long[]> axes = Inference.ints(evaluation, 3, "axes");
    Optional<long[]> steps = Inference.ints(evaluation, 4, "steps");
    int[] shape = input.shape().clone();
    int[] strides = input.strides();
    int offset = 0;
    for (AxisSlice slice :
        slices(starts.orElseThrow(), ends.orElseThrow(), axes, steps, input.rank())) {
      int axis = slice.axis();
      int extent = shape[axis];
      shape[axis] = (int) slice.count(extent);
      if (shape[axis] > 0) {
        offset += (int) slice.first(extent) * strides[axis];
        // A step beyond the extent reaches one element only, and might not fit an int.
        strides[axis] *= (int) Longs.constrainToRange(slice.step(), -extent, extent);
      }
    }
    return NdArray.of(input.elementType(), shape, Views.copy(input.data(), offset, shape, strides));
  }

  private static TensorType padType(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    int rank = input.shape().rank();
    Optional<long[]> pads = Inference.ints(call, 1, "pads");
    Optional<long[]> axes = call.constant(3).map(Tensor::toLongs);
    if (pads.isEmpty() || axes.isEmpty() && call.hasInput(3)) {
      return input.withShape(Inference.ofRank(rank));
    }
    long[] all = pads(pads.get(), axes, rank);
    Shape shape = input.shape();
    for (int axis = 0; axis < rank; axis++) {
      long added = all[axis] + all[rank + axis];
      Dim dim = shape.dim(axis);
      if (dim.isKnown() && dim.extent() + added < 0) {
        throw new IrException("axis " + axis + " of " + shape + " cannot lose " + -added);
      }
      if (added != 0) {
        shape = shape.withDim(axis, dim.isKnown() ? Dim.of(dim.extent() + added) : Dim.UNKNOWN);
      }
    }
    return input.withShape(shape);
  }

  /** The pads of all axes, those before and then those after, from the pads of some. */
  private static long[] pads(long[] given, Optional<long[]> axes, int rank) {
    long[] named =
        axes.orElseGet(() -> Arrays.stream(Inference.allAxes(rank)).asLongStream().toArray());
    if (given.length != 2 * named.length) {
      throw new IrException(
          "pads "
              + Arrays.toString(given)
              + " should be two for each of "
              + named.length
              + " axes");
    }
    long[] all = new long[2 * rank];
    for (int i = 0; i < named.length; i++) {
      int axis = Inference.axis(named[i], rank);
      all[axis] = given[i];
      all[rank + axis] = given[named.length + i];
    }
    return all;
  }

  private static NdArray pad(Evaluation evaluation) {
    NdArray result = evaluation.input(0);
    int rank = result.rank();
    long[] pads =
        pads(
            Inference.ints(evaluation, 1, "pads")
                .orElseThrow(() -> new IrException("the pads are missing")),
            Inference.ints(evaluation, 3, "axes"),
            rank);
    double fill =
        evaluation.hasInput(2)
            ? evaluation.input(2).data()[0]
            : evaluation.attributes().floatValue("value", 0);
    String mode = evaluation.attributes().stringValue("mode", "constant");
    for (int axis = 0; axis < rank; axis++) {
      if (pads[axis] != 0 || pads[rank + axis] != 0) {
        int extent = result.dim(axis);
        long before = pads[axis];
        int[] indices = new int[Math.toIntExact(extent + before + pads[rank + axis])];
        Arrays.setAll(indices, i -> padSource(mode, (int) (i - before), extent));
        result = Views.take(result, axis, indices, fill);
      }
    }
    return result;
  }

  /** Where a place of the padded axis is filled from; negative for the constant. */
  private static int padSource(String mode, int index, int extent) {
    if (index >= 0 && index < extent) {
      return index;
    }
    return switch (mode) {
      case "constant" -> -1;
      case "edge" -> Math.max(0, Math.min(extent - 1, index));
      case "wrap" -> Math.floorMod(index, extent);
      case "reflect" -> {
        int period = Math.max(1, 2 * (extent - 1));
        int folded = Math.floorMod(index, period);
        yield folded < extent ? folded : period - folded;
      }
      default -> throw new IrException("pad mode '" + mode + "' is not known");
    };
  }

  private static TensorType expandType(Call call) {
    TensorType input = call.type(0);
    Inference.requireRank(call, 1, 1);
    Shape target = Inference.shape(call, 1).orElseGet(() -> Inference.ofRank(call.shape(1)));
    return input.withShape(Inference.broadcast(input.shape(), target));
  }

  private static NdArray expand(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int[] target =
        Arrays.stream(evaluation.input(1).toLongs()).mapToInt(Math::toIntExact).toArray();
    return Views.expand(input, Views.broadcast(input.shape(), target));
  }

  private static TensorType tileType(Call call) {
    TensorType input = call.type(0);
    if (!input.shape().isRanked()) {
      return input;
    }
    int rank = input.shape().rank();
    Optional<long[]> repeats = call.constant(1).map(Tensor::toLongs);
    if (repeats.isEmpty()) {
      return input.withShape(Inference.ofRank(rank));
    }
    if (repeats.get().length != rank) {
      throw new IrException("repeats " + Arrays.toString(repeats.get()) + " do not fit " + input);
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < rank; axis++) {
      dims.add(Inference.times(input.shape().dim(axis), Dim.of(repeats.get()[axis])));
    }
    return input.withShape(Shape.of(dims));
  }

  private static NdArray tile(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long[] repeats = evaluation.input(1).toLongs();
    int rank = input.rank();
    int[] dense = input.strides();
    int[] shape = new int[2 * rank];
    int[] strides = new int[2 * rank];
    int[] result = new int[rank];
    for (int axis = 0; axis < rank; axis++) {
      shape[2 * axis] = Math.toIntExact(repeats[axis]);
      shape[2 * axis + 1] = input.dim(axis);
      strides[2 * axis + 1] = dense[axis];
      result[axis] = Math.toIntExact(repeats[axis] * input.dim(axis));
    }
    return NdArray.of(input.elementType(), result, Views.copy(input.data(), 0, shape, strides));
  }

  private static NdArray trilu(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    boolean upper = evaluation.attributes().intValue("upper", 1) == 1;
    long diagonal = evaluation.hasInput(1) ? (long) evaluation.input(1).data()[0] : 0;
    if (input.rank() < 2) {
      throw new IrException(input + " is not a matrix");
    }
    int rows = input.dim(-2);
    int columns = input.dim(-1);
    double[] values = new double[input.size()];
    for (int at = 0; at < values.length; at++) {
      long distance = at % columns - (long) (at / columns % rows);
      if (upper ? distance >= diagonal : distance <= diagonal) {
        values[at] = input.data()[at];
      }
    }
    return NdArray.of(input.elementType(), input.shape(), values);
  }

  private static int blockSize(Attributes attributes) {
    return Math.toIntExact(attributes.intValue("blocksize", 1));
  }

  private static TensorType depthToSpaceType(Call call) {
    Inference.requireRank(call, 0, 4);
    Shape shape = call.shape(0);
    long block = blockSize(call.attributes());
    return !shape.isRanked()
        ? call.type(0)
        : call.type(0)
            .withShape(
                Shape.of(
                    shape.dim(0),
                    quotient(shape.dim(1), block * block),
                    Inference.times(shape.dim(2), Dim.of(block)),
                    Inference.times(shape.dim(3), Dim.of(block))));
  }

  private static TensorType spaceToDepthType(Call call) {
    Inference.requireRank(call, 0, 4);
    Shape shape = call.shape(0);
    long block = blockSize(call.attributes());
    return !shape.isRanked()
        ? call.type(0)
        : call.type(0)
            .withShape(
                Shape.of(
                    shape.dim(0),
                    Inference.times(shape.dim(1), Dim.of(block * block)),
                    quotient(shape.dim(2), block),
                    quotient(shape.dim(3), block)));
  }

  private static Dim quotient(Dim dim, long divisor) {
    if (!dim.isKnown()) {
      return divisor == 1 ? dim : Dim.UNKNOWN;
    }
    if (dim.extent() % divisor != 0) {
      throw new IrException(dim + " is not a multiple of " + divisor);
    }
    return Dim.of(dim.extent() / divisor);
  }

  private static NdArray depthToSpace(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int block = blockSize(evaluation.attributes());
    int depth = input.dim(1) / (block * block);
    int height = input.dim(2);
    int width = input.dim(3);
    boolean columnRow = evaluation.attributes().stringValue("mode", "DCR").equals("CRD");
    NdArray moved =
        columnRow
            ? Views.permute(
                input.reshape(input.dim(0), depth, block, block, height, width), 0, 1, 4, 2, 5, 3)
            : Views.permute(
                input.reshape(input.dim(0), block, block, depth, height, width), 0, 3, 4, 1, 5, 2);
    return moved.reshape(input.dim(0), depth, height * block, width * block);
  }

  private static NdArray spaceToDepth(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    int block = blockSize(evaluation.attributes());
    int depth = input.dim(1);
    int height = input.dim(2) / block;
    int width = input.dim(3) / block;
    NdArray moved =
        Views.permute(
            input.reshape(input.dim(0), depth, height, block, width, block), 0, 3, 5, 1, 2, 4);
    return moved.reshape(input.dim(0), depth * block * block, height, width);
  }

  private static NdArray reverseSequence(Evaluation evaluation) {
    NdArray input = evaluation.input(0);
    long[] lengths = evaluation.input(1).toLongs();
    boolean batchFirst = evaluation.attributes().intValue("batch_axis", 1) == 0;
    int[] swapped = Inference.allAxes(input.rank());
    swapped[0] = 1;
    swapped[1] = 0;
    NdArray rows = batchFirst ? input : Views.permute(input, swapped);
    double[] values = rows.data().clone();
    int steps = rows.dim(1);
    int inner = values.length / Math.max(1, rows.dim(0) * steps);
    for (int row = 0; row < rows.dim(0); row++) {
      for (int step = 0; step < lengths[row]; step++) {
        int source = (int) lengths[row] - 1 - step;
        System.arraycopy(
            rows.data(),
            (row * steps + source) * inner,
            values,
            (row * steps + step) * inner,
            inner);
      }
    }
    NdArray reversed = NdArray.of(input.elementType(), rows.shape(), values);
    return batchFirst ? reversed : Views.permute(reversed, swapped);
  }
}
