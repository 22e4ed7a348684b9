package dev.manticore.kernels;

import java.util.Arrays;

/**
 * The selective scan of Mamba (Gu and Dao, 2023, algorithm 2) with the discretisation that its
 * reference code uses, and its gradient. With {@code d} a channel and {@code n} a state,
 *
 * <pre>
 * h[t,d,n] = exp(delta[t,d] A[d,n]) h[t-1,d,n] + delta[t,d] x[t,d] B[t,n],   h[-1] = 0
 * y[t,d]   = sum over n of h[t,d,n] C[t,n]
 * </pre>
 *
 * <p>Results do not depend on the number of threads.
 *
 * @param batch sequences
 * @param length steps of a sequence
 * @param channels channels, each with states of its own
 * @param states states of a channel
 */
public record SelectiveScan(int batch, int length, int channels, int states) {

  /** Steps whose rows are copied at a time. */
  private static final int CHUNK = 16;

  /**
   * Steps between two states that are kept for the gradient. All but the last of such segments are
   * gone through once more than the others, since the states that they begin with are needed.
   */
  private static final int SEGMENT = 512;

  /** Channels of one task. */
  private static final int GROUP = 128;

  /**
   * The same for the gradient: fixed, since the order of the sums over channels follows from it.
   * More of them at a time are longer rows to read and write.
   */
  private static final int GRADIENT_GROUP = 256;

  private int groups(int size) {
    return (channels + size - 1) / size;
  }

  /**
   * Computes y.
   *
   * @param x {@code [batch, length, channels]}
   * @param delta {@code [batch, length, channels]}
   * @param a {@code [channels, states]}
   * @param b {@code [batch, length, states]}
   * @param c {@code [batch, length, states]}
   * @param y {@code [batch, length, channels]}
   */
  public void forward(
      Parallel parallel, Floats x, Floats delta, Floats a, Floats b, Floats c, Floats y) {
    forward(Forms.chosen(), parallel, x, delta, a, b, c, y);
  }

  void forward(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats y) {
    forward(blocks, parallel, x, delta, a, b, c, null, y, null);
  }

  /**
   * Computes y from a state on, and the state after the last step.
   *
   * @param before h[-1], {@code [batch, channels, states]}
   * @param after the last h, as before; may be the same
   */
  public void forwardFrom(
      Parallel parallel,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats before,
      Floats y,
      Floats after) {
    forward(Forms.chosen(), parallel, x, delta, a, b, c, before, y, after);
  }

  /**
   * @param before null for zeros
   * @param after null where it is not wanted
   */
  void forward(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats before,
      Floats y,
      Floats after) {
    parallel.run(
        batch * groups(GROUP),
        task -> {
          Group group = new Group(task, GROUP);
          float[] xs = group.rows(0, CHUNK);
          float[] deltas = group.rows(1, CHUNK);
          float[] ys = group.rows(2, CHUNK);
          float[] as = group.readA(a);
          float[] bs = group.scratch.get(5, CHUNK * states);
          float[] cs = group.scratch.get(6, CHUNK * states);
          float[] h = before == null ? new float[as.length] : group.readState(before);
          for (int first = 0; first < length; first += CHUNK) {
            int steps = Math.min(CHUNK, length - first);
            group.readRows(x, first, steps, xs);
            group.readRows(delta, first, steps, deltas);
            group.readMixing(b, first, steps, bs);
            group.readMixing(c, first, steps, cs);
            blocks.scan(steps, group.width, states, xs, deltas, as, bs, cs, h, ys);
            group.writeRows(y, first, steps, ys);
          }
          if (after != null) {
            group.writeState(h, after);
          }
        });
  }

  /**
   * Computes the gradients of all inputs from that of y. The states are not needed: they are
   * computed again, in chunks.
   *
   * @param dy {@code [batch, length, channels]}
   * @param dx as x
   * @param ddelta as delta
   * @param da as a
   * @param db as b
   * @param dc as c
   */
  public void gradient(
      Parallel parallel,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats dy,
      Floats dx,
      Floats ddelta,
      Floats da,
      Floats db,
      Floats dc) {
    gradient(Forms.chosen(), parallel, x, delta, a, b, c, dy, dx, ddelta, da, db, dc);
  }

  void gradient(
      Blocks blocks,
      Parallel parallel,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats dy,
      Floats dx,
      Floats ddelta,
      Floats da,
      Floats db,
      Floats dc) {
    int groups = groups(GRADIENT_GROUP);
    // What several tasks add to is kept apart and summed in a fixed order.
    float[][] das = new float[batch * groups][];
    float[][] dbs = new float[batch * groups][];
    float[][] dcs = new float[batch * groups][];
    parallel.run(
        batch * groups,
        task -> {
          Group group = new Group(task, GRADIENT_GROUP);
          das[task] = new float[group.width * states];
          dbs[task] = new float[length * states];
          dcs[task] = new float[length * states];
          groupGradient(
              blocks, group, x, delta, a, b, c, dy, dx, ddelta, das[task], dbs[task], dcs[task]);
        });
    float[] sum = new float[length * states];
    for (int sequence = 0; sequence < batch; sequence++) {
      int first = sequence * groups;
      sum(dbs, first, first + groups, 1, sum);
      db.write((long) sequence * sum.length, sum, 0, sum.length);
      sum(dcs, first, first + groups, 1, sum);
      dc.write((long) sequence * sum.length, sum, 0, sum.length);
    }
    for (int number = 0; number < groups; number++) {
      Group group = new Group(number, GRADIENT_GROUP);
      float[] total = new float[group.width * states];
      sum(das, number, das.length, groups, total);
      group.writeA(total, da);
    }
  }

  private static void sum(float[][] parts, int first, int end, int step, float[] total) {
    Arrays.fill(total, 0);
    for (int part = first; part < end; part += step) {
      for (int i = 0; i < total.length; i++) {
        total[i] += parts[part][i];
      }
    }
  }

  private void groupGradient(
      Blocks blocks,
      Group group,
      Floats x,
      Floats delta,
      Floats a,
      Floats b,
      Floats c,
      Floats dy,
      Floats dx,
      Floats ddelta,
      float[] da,
      float[] db,
      float[] dc) {
    int most = Math.min(SEGMENT, length);
    float[] xs = group.rows(0, most);
    float[] deltas = group.rows(1, most);
    float[] dys = group.rows(2, most);
    float[] dxs = group.rows(3, most);
    float[] ddeltas = group.rows(4, most);
    float[] as = group.readA(a);
    float[] bs = group.scratch.get(5, most * states);
    float[] cs = group.scratch.get(6, most * states);
    float[] g = group.scratch.zeros(7, as.length);
    float[] kept = group.scratch.get(8, Blocks.scanScratch(most, states));
    float[] dbs = group.scratch.get(9, most * states);
    float[] dcs = group.scratch.get(10, most * states);
    int chunks = (length + SEGMENT - 1) / SEGMENT;
    float[][] before = new float[chunks][];
    float[] h = new float[as.length];
    for (int chunk = 0; chunk < chunks; chunk++) {
      before[chunk] = h.clone();
      if (chunk + 1 < chunks) {
        group.readRows(x, chunk * SEGMENT, SEGMENT, xs);
        group.readRows(delta, chunk * SEGMENT, SEGMENT, deltas);
        group.readMixing(b, chunk * SEGMENT, SEGMENT, bs);
        blocks.scanState(SEGMENT, group.width, states, xs, deltas, as, bs, h);
      }
    }
    for (int chunk = chunks - 1; chunk >= 0; chunk--) {
      int first = chunk * SEGMENT;
      int steps = Math.min(SEGMENT, length - first);
      group.readRows(x, first, steps, xs);
      group.readRows(delta, first, steps, deltas);
      group.readRows(dy, first, steps, dys);
      group.readMixing(b, first, steps, bs);
      group.readMixing(c, first, steps, cs);
      blocks.scanGradient(
          steps,
          group.width,
          states,
          xs,
          deltas,
          as,
          bs,
          cs,
          before[chunk],
          dys,
          g,
          kept,
          dxs,
          ddeltas,
          da,
          dbs,
          dcs);
      group.writeRows(dx, first, steps, dxs);
      group.writeRows(ddelta, first, steps, ddeltas);
      System.arraycopy(dbs, 0, db, first * states, steps * states);
      System.arraycopy(dcs, 0, dc, first * states, steps * states);
    }
  }

  /** Some channels of one sequence, copied out with their number rounded up. */
  private final class Group {
    private final Scratch scratch = Scratch.ofThread();
    private final int sequence;
    private final int firstChannel;
    private final int count;
    private final int width;

    Group(int task, int size) {
      this.sequence = task / groups(size);
      this.firstChannel = task % groups(size) * size;
      this.count = Math.min(size, channels - firstChannel);
      this.width = (count + Blocks.LANES - 1) / Blocks.LANES * Blocks.LANES;
    }

    float[] rows(int slot, int steps) {
      return scratch.get(slot, steps * width);
    }

    void readRows(Floats from, int first, int steps, float[] rows) {
      for (int t = 0; t < steps; t++) {
        from.read(at(first + t), rows, t * width, count);
        Arrays.fill(rows, t * width + count, (t + 1) * width, 0);
      }
    }

    void writeRows(Floats to, int first, int steps, float[] rows) {
      for (int t = 0; t < steps; t++) {
        to.write(at(first + t), rows, t * width, count);
      }
    }

    private long at(int step) {
      return ((long) sequence * length + step) * channels + firstChannel;
    }

    void readMixing(Floats from, int first, int steps, float[] values) {
      from.read(((long) sequence * length + first) * states, values, 0, steps * states);
    }

    float[] readA(Floats a) {
      return read(a, firstChannel);
    }

    void writeA(float[] laidOut, Floats a) {
      write(laidOut, a, firstChannel);
    }

    float[] readState(Floats state) {
      return read(state, (long) sequence * channels + firstChannel);
    }

    void writeState(float[] laidOut, Floats state) {
      write(laidOut, state, (long) sequence * channels + firstChannel);
    }

    /** Rows of states, laid out as blocks take them. */
    private float[] read(Floats from, long row) {
      float[] rows = new float[count * states];
      from.read(row * states, rows, 0, rows.length);
      float[] laidOut = new float[width * states];
      for (int first = 0; first < count; first += Blocks.LANES) {
        int lanes = Math.min(Blocks.LANES, count - first);
        for (int n = 0; n < states; n++) {
          int to = first * states + n * Blocks.LANES;
          for (int lane = 0; lane < lanes; lane++) {
            laidOut[to + lane] = rows[(first + lane) * states + n];
          }
        }
      }
      return laidOut;
    }

    private void write(float[] laidOut, Floats to, long row) {
      float[] rows = new float[count * states];
      for (int first = 0; first < count; first += Blocks.LANES) {
        int lanes = Math.min(Blocks.LANES, count - first);
        for (int n = 0; n < states; n++) {
          int from = first * states + n * Blocks.LANES;
          for (int lane = 0; lane < lanes; lane++) {
            rows[(first + lane) * states + n] = laidOut[from + lane];
          }
        }
      }
      to.write(row * states, rows, 0, rows.length);
    }
  }
}
