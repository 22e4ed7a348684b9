package dev.manticore.ir.op;

import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
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

/** Products of matrices. */
final class MatrixOperators {

  private MatrixOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    return new Family()
        .onnx(
            "MatMul",
            call ->
                new TensorType(Inference.elementType(call), product(call.shape(0), call.shape(1))),
            evaluation -> product(evaluation.input(0), evaluation.input(1)))
        .microsoft(
            "FusedMatMul",
            Definition.of(MatrixOperators::fusedMatMulType, MatrixOperators::fusedMatMul))
        .onnx("Gemm", MatrixOperators::gemmType, MatrixOperators::gemm)
        .onnx("Einsum", Einsum::type, Einsum::evaluate)
        .build();
  }

  /** The shape of a matrix product: batches broadcast, vectors are rows or columns. */
  static Shape product(Shape left, Shape right) {
    if (!left.isRanked() || !right.isRanked()) {
      return Shape.unranked();
    }
    if (left.rank() == 0 || right.rank() == 0) {
      throw new IrException("a scalar has no matrix product");
    }
    Dim width = left.dim(-1);
    Dim height = right.dim(right.rank() == 1 ? 0 : -2);
    if (width.isKnown() && height.isKnown() && !width.equals(height)) {
      throw new IrException(
          "the inner dimensions of "
              + left
              + " and "
              + right
              + " differ: "
              + width
              + " and "
              + height);
    }
    List<Dim> dims =
        new ArrayList<>(
            Inference.broadcast(
                    Shape.of(left.dims().subList(0, Math.max(0, left.rank() - 2))),
                    Shape.of(right.dims().subList(0, Math.max(0, right.rank() - 2))))
                .dims());
    if (left.rank() > 1) {
      dims.add(left.dim(-2));
    }
    if (right.rank() > 1) {
      dims.add(right.dim(-1));
    }
    return Shape.of(dims);
  }

  static NdArray product(NdArray left, NdArray right) {
    NdArray first = left.rank() == 1 ? left.reshape(1, left.size()) : left;
    NdArray second = right.rank() == 1 ? right.reshape(right.size(), 1) : right;
    int rows = first.dim(-2);
    int inner = first.dim(-1);
    int columns = second.dim(-1);
    if (inner != second.dim(-2)) {
      throw new IrException("the inner dimensions of " + left + " and " + right + " differ");
    }
    int[] leftBatch = Arrays.copyOf(first.shape(), first.rank() - 2);
    int[] rightBatch = Arrays.copyOf(second.shape(), second.rank() - 2);
    int[] batch = Views.broadcast(leftBatch, rightBatch);
    int[] lefts = Views.offsets(batch, Views.broadcastStrides(leftBatch, batch));
    int[] rights = Views.offsets(batch, Views.broadcastStrides(rightBatch, batch));
    double[] values = new double[lefts.length * rows * columns];
    for (int i = 0; i < lefts.length; i++) {
      for (int row = 0; row < rows; row++) {
        int target = (i * rows + row) * columns;
        for (int k = 0; k < inner; k++) {
          double factor = first.data()[(lefts[i] * rows + row) * inner + k];
          int source = (rights[i] * inner + k) * columns;
          for (int column = 0; column < columns; column++) {
            values[target + column] += factor * second.data()[source + column];
          }
        }
      }
    }
    if (!first.elementType().isFloating()) {
      Arrays.setAll(values, i -> Elements.fit(first.elementType(), values[i]));
    }
    List<Integer> shape = new ArrayList<>(Ints.asList(batch));
    if (left.rank() > 1) {
      shape.add(rows);
    }
    if (right.rank() > 1) {
      shape.add(columns);
    }
    return NdArray.of(first.elementType(), Ints.toArray(shape), values);
  }

  private static boolean flag(Attributes attributes, String name) {
    return attributes.intValue(name, 0) == 1;
  }

  private static Shape transposed(Shape shape, boolean transposed) {
    if (!transposed || !shape.isRanked() || shape.rank() < 2) {
      return shape;
    }
    return shape.withDim(-1, shape.dim(-2)).withDim(-2, shape.dim(-1));
  }

  /** An array with its last two axes exchanged. */
  static NdArray transposed(NdArray array, boolean transposed) {
    if (!transposed || array.rank() < 2) {
      return array;
    }
    int[] order = Inference.allAxes(array.rank());
    order[order.length - 1] = order.length - 2;
    order[order.length - 2] = order.length - 1;
    return Views.permute(array, order);
  }

  /** The product of two matrices, each as it is or transposed in its last two axes. */
  static TensorType fusedMatMulType(Call call) {
    for (String unsupported : List.of("transBatchA", "transBatchB")) {
      if (flag(call.attributes(), unsupported)) {
        throw new IrException("attribute '" + unsupported + "' is not supported");
      }
    }
    return new TensorType(
        Inference.elementType(call),
        product(
            transposed(call.shape(0), flag(call.attributes(), "transA")),
            transposed(call.shape(1), flag(call.attributes(), "transB"))));
  }

  private static NdArray fusedMatMul(Evaluation evaluation) {
    double alpha = evaluation.attributes().floatValue("alpha", 1);
    NdArray product =
        product(
            transposed(evaluation.input(0), flag(evaluation.attributes(), "transA")),
            transposed(evaluation.input(1), flag(evaluation.attributes(), "transB")));
    return ElementwiseOperators.map(product, product.elementType(), x -> alpha * x);
  }

  private static TensorType gemmType(Call call) {
    Inference.requireRank(call, 0, 2);
    Inference.requireRank(call, 1, 2);
    ElementType type = Inference.elementType(call);
    Shape shape =
        product(
            transposed(call.shape(0), flag(call.attributes(), "transA")),
            transposed(call.shape(1), flag(call.attributes(), "transB")));
    if (!shape.isRanked()) {
      return new TensorType(type, Inference.ofRank(2));
    }
    if (call.hasInput(2)) {
      Inference.requireBroadcast(call.shape(2), shape);
    }
    return new TensorType(type, shape);
  }

  private static NdArray gemm(Evaluation evaluation) {
    double alpha = evaluation.attributes().floatValue("alpha", 1);
    double beta = evaluation.attributes().floatValue("beta", 1);
    NdArray product =
        product(
            transposed(evaluation.input(0), flag(evaluation.attributes(), "transA")),
            transposed(evaluation.input(1), flag(evaluation.attributes(), "transB")));
    ElementType type = product.elementType();
    if (!evaluation.hasInput(2)) {
      return ElementwiseOperators.map(product, type, x -> alpha * x);
    }
    return ElementwiseOperators.combine(
        product,
        Views.expand(evaluation.input(2), product.shape()),
        type,
        (x, bias) -> alpha * x + beta * bias);
  }
}
