package dev.manticore.compiler.hybrid;

import dev.manticore.ir.Dim;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import java.nio.ByteBuffer;

/** Tables of embeddings and heads. */
final class Tables {

  private Tables() {}

  /**
   * Keeps the first {@code wanted} of the {@code rows} entries of a matrix, whichever of its axes
   * they lie along.
   */
  static Tensor truncate(Tensor table, int rows, int wanted) {
    Shape shape = table.shape();
    if (rows == wanted) {
      return table;
    }
    if (shape.rank() == 2
        && shape.dim(1).equals(Dim.of(rows))
        && !shape.dim(0).equals(Dim.of(rows))) {
      float[] values = table.toFloats();
      int height = Math.toIntExact(shape.dim(0).extent());
      float[] kept = new float[height * wanted];
      for (int i = 0; i < height; i++) {
        System.arraycopy(values, i * rows, kept, i * wanted, wanted);
      }
      return Tensor.ofFloats(Shape.of(height, wanted), kept);
    }
    if (!shape.dim(0).equals(Dim.of(rows))) {
      throw new IrException("a table of " + rows + " rows cannot have shape " + shape);
    }
    Shape kept = shape.withDim(0, Dim.of(wanted));
    return new Tensor(
        table.type().withShape(kept),
        prefix(table.data(), table.type().withShape(kept).byteSize()));
  }

  /**
   * A table of a row for each entry of the vocabulary, in the layout in which a model has it: a
   * head may have a column for each.
   *
   * @param shape that of the model's table
   * @param rows the model's vocabulary
   */
  static Tensor oriented(Tensor table, Shape shape, int rows) {
    if (shape.dim(0).equals(Dim.of(rows)) && table.shape().dim(1).equals(shape.dim(1))) {
      return table;
    }
    float[] values = table.toFloats();
    int height = Math.toIntExact(table.shape().dim(0).extent());
    int width = Math.toIntExact(table.shape().dim(1).extent());
    float[] turned = new float[values.length];
    for (int i = 0; i < height; i++) {
      for (int j = 0; j < width; j++) {
        turned[j * height + i] = values[i * width + j];
      }
    }
    return Tensor.ofFloats(Shape.of(width, height), turned);
  }

  private static TensorData prefix(TensorData data, long bytes) {
    return new TensorData() {
      @Override
      public long byteSize() {
        return bytes;
      }

      @Override
      public void read(long offset, ByteBuffer target) {
        if (offset + target.remaining() > bytes) {
          throw new IndexOutOfBoundsException("beyond the " + bytes + " bytes of a table");
        }
        data.read(offset, target);
      }
    };
  }
}
