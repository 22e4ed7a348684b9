package dev.manticore.compiler.artifact;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import java.util.stream.IntStream;

/** Inputs of several shapes from a held-out part of the data. */
public final class HeldOutInputs {

  private HeldOutInputs() {}

  /**
   * The first sequences whole, their first halves, and the first tokens alone.
   *
   * @param sequences how many at most, the batch of the first two
   */
  public static ImmutableList<Tensor> of(TokenDataset heldOut, int sequences) {
    int count = Math.min(sequences, heldOut.size());
    Batch batch = heldOut.batch(IntStream.range(0, count).toArray());
    return ImmutableList.of(
        head(batch, count, batch.length()),
        head(batch, count, (batch.length() + 1) / 2),
        head(batch, 1, 1));
  }

  private static Tensor head(Batch batch, int rows, int length) {
    long[] ids = new long[rows * length];
    for (int row = 0; row < rows; row++) {
      System.arraycopy(batch.inputs(), row * batch.length(), ids, row * length, length);
    }
    return Tensor.ofLongs(Shape.of(rows, length), ids);
  }
}
