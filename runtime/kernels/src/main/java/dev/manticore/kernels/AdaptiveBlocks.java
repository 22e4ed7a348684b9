package dev.manticore.kernels;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/**
 * The plain form, replaced operation by operation by the vector form. Vector code is hundreds of
 * times slower than plain code until the virtual machine has compiled it, which takes a second or
 * more; so when an operation is first used, a thread of its own begins to run the vector form on
 * small operands, and only once that is faster than the plain form on the same operands do callers
 * get it. Since both give the same bits, nobody sees the change.
 */
final class AdaptiveBlocks implements Blocks {

  /** Long enough for the plain form to be compiled. */
  private static final long PLAIN_NANOS = 50_000_000;

  /** How long a vector form is first tried; then the other operations have their turn. */
  private static final long VECTOR_NANOS = 5_000_000_000L;

  /**
   * One that was not faster is tried again a while later, for less time: on a busy machine the
   * compiler may take many seconds to come to it. After so many times it is taken to be slow.
   */
  private static final int AGAIN = 12;

  private static final long AGAIN_NANOS = 500_000_000;

  private static final long AFTER_NANOS = 5_000_000_000L;

  /** The trials run for so long and then rest for so long: training goes on beside them. */
  private static final long BURST_NANOS = 2_000_000;

  private static final long REST_NANOS = 10_000_000;

  private enum Operation {
    SCAN,
    SCAN_STATE,
    SCAN_GRADIENT,
    CAUSAL_CONV,
    CAUSAL_CONV_GRADIENT,
    ADAM_W,
    GELU_GRADIENT,
    SILU,
    SILU_GRADIENT,
    SOFTPLUS,
    SCALED_EXP,
    LARGEST,
    EXP_SUMS,
    SUM_SQUARES,
    NORM_SUMS,
    NORM_GRADIENT,
    MULTIPLY,
    SOFTMAX,
    SOFTMAX_GRADIENT
  }

  private final Blocks plain;
  private final Blocks vector;
  private final ScheduledExecutorService warmer;
  private final Set<Operation> asked = ConcurrentHashMap.newKeySet();
  private volatile Set<Operation> faster = EnumSet.noneOf(Operation.class);

  AdaptiveBlocks(Blocks plain, Blocks vector) {
    this.plain = plain;
    this.vector = vector;
    ScheduledThreadPoolExecutor pool =
        new ScheduledThreadPoolExecutor(
            1,
            work -> {
              Thread thread = new Thread(work, "manticore-kernel-warmer");
              thread.setDaemon(true);
              return thread;
            });
    pool.setKeepAliveTime(1, TimeUnit.SECONDS);
    pool.allowCoreThreadTimeOut(true);
    this.warmer = pool;
  }

  private Blocks form(Operation operation) {
    if (faster.contains(operation)) {
      return vector;
    }
    if (asked.add(operation)) {
      warmer.execute(() -> warm(operation, VECTOR_NANOS, AGAIN));
    }
    return plain;
  }

  private void warm(Operation operation, long nanos, int again) {
    Consumer<Blocks> sample = sample(operation);
    long least = least(() -> sample.accept(plain), PLAIN_NANOS, 0);
    if (least(() -> sample.accept(vector), nanos, least) < least) {
      Set<Operation> more = EnumSet.of(operation);
      more.addAll(faster);
      faster = more;
    } else if (again > 0) {
      warmer.schedule(
          () -> warm(operation, AGAIN_NANOS, again - 1), AFTER_NANOS, TimeUnit.NANOSECONDS);
    }
  }

  /** The least time of a call, tried in bursts for so long or until it is below {@code enough}. */
  private static long least(Runnable call, long nanos, long enough) {
    long least = Long.MAX_VALUE;
    long start = System.nanoTime();
    long burst = start;
    while (least >= enough && System.nanoTime() - start < nanos) {
      long before = System.nanoTime();
      call.run();
      long after = System.nanoTime();
      least = Math.min(least, after - before);
      if (after - burst > BURST_NANOS) {
        LockSupport.parkNanos(REST_NANOS);
        burst = System.nanoTime();
      }
    }
    return least;
  }

  /** A small call of an operation, on operands of its own. */
  private static Consumer<Blocks> sample(Operation operation) {
    int steps = 8;
    // The gradient of a scan takes vectors of channels by twos, and the last one alone.
    int width = 3 * LANES;
    int states = 16;
    int size = 64 * LANES;
    float[][] v = new float[13][size];
    for (float[] values : v) {
      for (int i = 0; i < size; i++) {
        values[i] = (i % 7 + 1) * 0.1f;
      }
    }
    float[] a = new float[size];
    for (int i = 0; i < size; i++) {
      a[i] = -(i % 16 + 1);
    }
    float[] sums = new float[2 * LANES];
    float[] scratch = new float[Blocks.scanScratch(steps, states)];
    return switch (operation) {
      case SCAN -> b -> b.scan(steps, width, states, v[0], v[1], a, v[2], v[3], v[4], v[5]);
      case SCAN_STATE -> b -> b.scanState(steps, width, states, v[0], v[1], a, v[2], v[3]);
      case SCAN_GRADIENT ->
          b ->
              b.scanGradient(
                  steps, width, states, v[0], v[1], a, v[2], v[3], v[4], v[5], v[6], scratch, v[7],
                  v[8], v[9], v[10], v[11]);
      case CAUSAL_CONV -> b -> b.causalConv(steps, width, 4, v[0], v[1], v[2], v[3]);
      case CAUSAL_CONV_GRADIENT ->
          b -> {
            Arrays.fill(v[4], 0);
            b.causalConvGradient(steps, width, 4, v[0], v[1], v[2], v[3], v[4]);
          };
      case ADAM_W ->
          b ->
              b.adamW(
                  size, v[0], v[1], v[2], v[3], new float[] {1e-3f, 0.9f, 0.9f, 1e-6f, 0, 1, 1, 1});
      case GELU_GRADIENT -> b -> b.geluGradient(size, v[0], v[1], v[2]);
      case SILU -> b -> b.silu(size, v[0], v[1]);
      case SILU_GRADIENT -> b -> b.siluGradient(size, v[0], v[1], v[2]);
      case SOFTPLUS -> b -> b.softplus(size, v[0], v[1]);
      case SCALED_EXP -> b -> b.scaledExp(size, a, 1, v[0]);
      case LARGEST -> b -> b.largest(size, a, sums);
      case EXP_SUMS -> b -> b.expSums(size, a, 1, v[0], sums);
      case SUM_SQUARES -> b -> b.sumSquares(size, 0, v[0], sums);
      case NORM_SUMS -> b -> b.normSums(size, 0, v[0], v[1], v[2], 0, 1, sums, v[3], v[4]);
      case NORM_GRADIENT -> b -> b.normGradient(size, 0, v[0], v[1], v[2], 0, 1, 0.1f, 0.1f, v[3]);
      case MULTIPLY ->
          b -> {
            Arrays.fill(v[2], 0);
            b.multiply(LANES, LANES, 2 * LANES, v[0], 0, LANES, 1, v[1], 0, width, v[2], 0, width);
          };
      case SOFTMAX -> b -> b.softmax(2 * LANES, v[0], 1, v[1], 0);
      case SOFTMAX_GRADIENT -> b -> b.softmaxGradient(2 * LANES, v[0], v[1], 1);
    };
  }

  @Override
  public void scan(
      int steps,
      int width,
      int states,
      float[] x,
      float[] delta,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] y) {
    form(Operation.SCAN).scan(steps, width, states, x, delta, a, b, c, h, y);
  }

  @Override
  public void scanState(
      int steps, int width, int states, float[] x, float[] delta, float[] a, float[] b, float[] h) {
    form(Operation.SCAN_STATE).scanState(steps, width, states, x, delta, a, b, h);
  }

  @Override
  public void scanGradient(
      int steps,
      int width,
      int states,
      float[] x,
      float[] delta,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] dy,
      float[] g,
      float[] scratch,
      float[] dx,
      float[] ddelta,
      float[] da,
      float[] db,
      float[] dc) {
    form(Operation.SCAN_GRADIENT)
        .scanGradient(
            steps, width, states, x, delta, a, b, c, h, dy, g, scratch, dx, ddelta, da, db, dc);
  }

  @Override
  public void causalConv(
      int steps, int width, int taps, float[] x, float[] weight, float[] bias, float[] y) {
    form(Operation.CAUSAL_CONV).causalConv(steps, width, taps, x, weight, bias, y);
  }

  @Override
  public void causalConvGradient(
      int steps,
      int width,
      int taps,
      float[] x,
      float[] weight,
      float[] dy,
      float[] dx,
      float[] sums) {
    form(Operation.CAUSAL_CONV_GRADIENT)
        .causalConvGradient(steps, width, taps, x, weight, dy, dx, sums);
  }

  @Override
  public void adamW(int count, float[] p, float[] m, float[] v, float[] g, float[] settings) {
    form(Operation.ADAM_W).adamW(count, p, m, v, g, settings);
  }

  @Override
  public void geluGradient(int count, float[] x, float[] dy, float[] dx) {
    form(Operation.GELU_GRADIENT).geluGradient(count, x, dy, dx);
  }

  @Override
  public void silu(int count, float[] x, float[] y) {
    form(Operation.SILU).silu(count, x, y);
  }

  @Override
  public void siluGradient(int count, float[] x, float[] dy, float[] dx) {
    form(Operation.SILU_GRADIENT).siluGradient(count, x, dy, dx);
  }

  @Override
  public void softplus(int count, float[] x, float[] y) {
    form(Operation.SOFTPLUS).softplus(count, x, y);
  }

  @Override
  public void scaledExp(int count, float[] x, float scale, float[] y) {
    form(Operation.SCALED_EXP).scaledExp(count, x, scale, y);
  }

  @Override
  public void largest(int count, float[] x, float[] most) {
    form(Operation.LARGEST).largest(count, x, most);
  }

  @Override
  public void expSums(int count, float[] x, float shift, float[] y, float[] sums) {
    form(Operation.EXP_SUMS).expSums(count, x, shift, y, sums);
  }

  @Override
  public void sumSquares(int count, int at, float[] x, float[] sums) {
    form(Operation.SUM_SQUARES).sumSquares(count, at, x, sums);
  }

  @Override
  public void normSums(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float[] sums,
      float[] dscale,
      float[] dshift) {
    form(Operation.NORM_SUMS)
        .normSums(width, at, x, dy, scale, mean, inverse, sums, dscale, dshift);
  }

  @Override
  public void normGradient(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float first,
      float second,
      float[] dx) {
    form(Operation.NORM_GRADIENT)
        .normGradient(width, at, x, dy, scale, mean, inverse, first, second, dx);
  }

  @Override
  public void multiply(
      int rows,
      int depth,
      int columns,
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow) {
    form(Operation.MULTIPLY)
        .multiply(rows, depth, columns, a, aAt, aRow, aDepth, b, bAt, bRow, c, cAt, cRow);
  }

  @Override
  public void softmax(int count, float[] s, float scale, float[] mask, int maskAt) {
    form(Operation.SOFTMAX).softmax(count, s, scale, mask, maskAt);
  }

  @Override
  public void softmaxGradient(int count, float[] p, float[] dp, float scale) {
    form(Operation.SOFTMAX_GRADIENT).softmaxGradient(count, p, dp, scale);
  }
}
