package dev.manticore.compiler.hybrid;

import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.tokenizer.Retokenization;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

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
    return transposed(table);
  }

  static Tensor transposed(Tensor table) {
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

  /**
   * A table for another vocabulary: each row is the mean of the rows of its token's pieces, and
   * where there are none the mean of all rows in use. Rows are made as they are read.
   *
   * @param axis along which the vocabulary lies
   * @param used the first rows, those that a token has; the others only pad the table
   * @param pieces for each token of the other vocabulary the rows that it is made of
   */
  static Tensor merge(Tensor table, int axis, int used, Retokenization pieces) {
    if (axis == 1) {
      return transposed(merge(transposed(table), 0, used, pieces));
    }
    TensorType type = table.type().withShape(table.shape().withDim(0, Dim.of(pieces.size())));
    return new Tensor(type, new MergedRows(table, type, used, pieces));
  }

  /** The rows of a merged table, little-endian float32. */
  private static final class MergedRows implements TensorData {
    private final Tensor table;
    private final long bytes;
    private final int width;
    private final float[] mean;
    private final Retokenization pieces;

    MergedRows(Tensor table, TensorType type, int used, Retokenization pieces) {
      if (table.elementType() != ElementType.FLOAT32) {
        throw new IrException("a table of " + table.type() + " cannot be merged, only of f32");
      }
      this.table = table;
      this.bytes = type.byteSize();
      this.width = Math.toIntExact(table.shape().elementCount() / table.shape().dim(0).extent());
      this.pieces = pieces;
      int[] all = new int[used];
      for (int row = 0; row < used; row++) {
        all[row] = row;
      }
      this.mean = mean(all);
    }

    @Override
    public long byteSize() {
      return bytes;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
      if (offset + target.remaining() > bytes) {
        throw new IndexOutOfBoundsException("beyond the " + bytes + " bytes of a table");
      }
      long rowBytes = 4L * width;
      ByteBuffer row = ByteBuffer.allocate((int) rowBytes).order(ByteOrder.LITTLE_ENDIAN);
      long position = offset;
      while (target.hasRemaining()) {
        int id = Math.toIntExact(position / rowBytes);
        int[] rows = pieces.piecesOf(id);
        row.clear();
        row.asFloatBuffer().put(rows.length == 0 ? mean : mean(rows));
        row.position((int) (position % rowBytes));
        row.limit(row.position() + Math.min(row.remaining(), target.remaining()));
        position += row.remaining();
        target.put(row);
      }
    }

    private float[] mean(int[] rows) {
      double[] sum = new double[width];
      ByteBuffer row = ByteBuffer.allocate(4 * width).order(ByteOrder.LITTLE_ENDIAN);
      for (int index : rows) {
        row.clear();
        table.data().read(4L * width * index, row);
        for (int i = 0; i < width; i++) {
          sum[i] += row.getFloat(4 * i);
        }
      }
      float[] mean = new float[width];
      for (int i = 0; i < width; i++) {
        mean[i] = (float) (sum[i] / rows.length);
      }
      return mean;
    }
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
