package dev.manticore.kernels;

import java.util.Arrays;

/**
 * The gradient of looking up rows of a table: the sum, for every row, of the gradients of its uses,
 * in their order, so that results repeat. The uses are sorted by row first; no two threads write
 * the same place.
 *
 * @param rows rows of the table
 * @param width elements of a row
 */
public record EmbeddingGradient(int rows, int width) {

  private static final int ROWS_OF_A_TASK = 64;
  private static final int COLUMNS_OF_A_TASK = 512;

  /**
   * @param ids the row of each use, each from 0 to {@code rows} - 1
   * @param dy {@code [ids, width]}
   * @param table {@code [rows, width]}, written
   */
  public void compute(Parallel parallel, int[] ids, Floats dy, Floats table) {
    int[] start = new int[rows + 1];
    for (int id : ids) {
      start[id + 1]++;
    }
    for (int row = 0; row < rows; row++) {
      start[row + 1] += start[row];
    }
    int[] uses = new int[ids.length];
    int[] next = start.clone();
    for (int use = 0; use < ids.length; use++) {
      uses[next[ids[use]]++] = use;
    }
    int strips = (width + COLUMNS_OF_A_TASK - 1) / COLUMNS_OF_A_TASK;
    int groups = (rows + ROWS_OF_A_TASK - 1) / ROWS_OF_A_TASK;
    parallel.run(
        strips * groups,
        task -> {
          int firstRow = task / strips * ROWS_OF_A_TASK;
          int firstColumn = task % strips * COLUMNS_OF_A_TASK;
          int columns = Math.min(COLUMNS_OF_A_TASK, width - firstColumn);
          float[] sum = new float[columns];
          float[] part = new float[columns];
          for (int row = firstRow; row < Math.min(rows, firstRow + ROWS_OF_A_TASK); row++) {
            Arrays.fill(sum, 0);
            for (int at = start[row]; at < start[row + 1]; at++) {
              dy.read((long) uses[at] * width + firstColumn, part, 0, columns);
              for (int i = 0; i < columns; i++) {
                sum[i] += part[i];
              }
            }
            table.write((long) row * width + firstColumn, sum, 0, columns);
          }
        });
  }
}
